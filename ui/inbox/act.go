// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/component"
	"kith/ui/render"
)

// done answers an act on a conversation: a redirect without script, the parts that changed with it.
func (p *pages) done(c echo.Context, a app.Actor, id app.ConversationID, toast *component.ToastProps) error {
	if !render.IsFragment(c) {
		return c.Redirect(http.StatusSeeOther, Path(id))
	}
	return p.changed(c, a, id, stateOf(c.FormValue), toast)
}

// refused answers an act that was refused for a reason that people should read; other errors pass through.
func (p *pages) refused(c echo.Context, err error) error {
	l := p.Locale(c)
	text, ok := p.Problem(l, err)
	if !ok || !render.IsFragment(c) || errors.Is(err, app.ErrNotFound) || errors.Is(err, app.ErrForbidden) {
		return err
	}
	toast := component.Toast(component.ToastProps{L: l, Text: text, Kind: component.Danger})
	return render.Fragment(c, http.StatusUnprocessableEntity, render.Partial("#toasts", "beforeend", toast))
}

// status resolves or reopens; the toast takes it back.
func (p *pages) status(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	st, err := app.ParseConversationStatus(c.FormValue("status"))
	if err != nil {
		return err
	}
	if err := p.Desk.ChangeConversation(c.Request().Context(), a, id, app.ConversationChange{Status: &st}); err != nil {
		return p.refused(c, err)
	}
	back := app.Open
	if st == app.Open {
		back = app.Resolved
	}
	l := p.Locale(c)
	return p.done(c, a, id, &component.ToastProps{
		L: l, Text: l.T("inbox.done_" + st.String()), UndoPath: Path(id) + "/status?status=" + back.String(), Seconds: 8,
	})
}

func (p *pages) assign(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(c.FormValue("agent"), 10, 32)
	if err != nil {
		return &app.Problem{Kind: app.ErrInvalid, Field: "agent", Key: "problem.agent_missing", Text: "This agent does not exist."}
	}
	to := app.AgentID(n)
	if err := p.Desk.ChangeConversation(c.Request().Context(), a, id, app.ConversationChange{Assignee: &to}); err != nil {
		return p.refused(c, err)
	}
	return p.done(c, a, id, nil)
}

// labels replaces the labels by those that are ticked, and by a new one.
func (p *pages) labels(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return p.refused(c, malformed(err))
	}
	chosen := []uint32{}
	for _, v := range form["label"] {
		if n, err := strconv.ParseUint(v, 10, 32); err == nil {
			chosen = append(chosen, uint32(n))
		}
	}
	ctx := c.Request().Context()
	if name := form.Get("new"); name != "" {
		l, err := p.Desk.AddLabel(ctx, a, name)
		if err != nil {
			return p.refused(c, err)
		}
		chosen = append(chosen, l.ID)
	}
	if err := p.Desk.ChangeConversation(ctx, a, id, app.ConversationChange{Labels: unique(chosen)}); err != nil {
		return p.refused(c, err)
	}
	return p.done(c, a, id, nil)
}

func unique(in []uint32) []uint32 {
	out := make([]uint32, 0, len(in))
	seen := map[uint32]bool{}
	for _, n := range in {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

func (p *pages) contact(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	conv, err := p.Desk.Conversation(ctx, a, id)
	if err != nil {
		return err
	}
	old, err := p.Desk.Contact(ctx, a, conv.Contact)
	if err != nil {
		return err
	}
	in := contactInput(old, c.FormValue("name"), c.FormValue("phones"), c.FormValue("emails"), c.FormValue("fields"))
	if _, err := p.Desk.ChangeContact(ctx, a, old.ID, in); err != nil {
		return p.refused(c, err)
	}
	return p.done(c, a, id, nil)
}

// message shows everything that is known of a message.
func (p *pages) message(c echo.Context, a app.Actor) error {
	id, err := messageID(c)
	if err != nil {
		return err
	}
	m, err := p.Desk.Message(c.Request().Context(), a, id)
	if err != nil {
		return err
	}
	v, err := p.open(c, a, id.Conversation(), p.fresh(c), false)
	if err != nil {
		return err
	}
	if render.IsFragment(c) {
		return render.Fragment(c, http.StatusOK, messageDetails(v, m))
	}
	frame, err := p.View(c, a, v.l.T("inbox.message_title"))
	if err != nil {
		return err
	}
	return render.Page(c, http.StatusOK, messagePage(frame, v, m))
}

func (p *pages) resend(c echo.Context, a app.Actor) error {
	id, err := messageID(c)
	if err != nil {
		return err
	}
	if _, err := p.Desk.Resend(c.Request().Context(), a, id); err != nil {
		return p.refused(c, err)
	}
	return p.done(c, a, id.Conversation(), nil)
}

func (p *pages) cancel(c echo.Context, a app.Actor) error {
	id, err := messageID(c)
	if err != nil {
		return err
	}
	if err := p.Desk.Cancel(c.Request().Context(), a, id); err != nil {
		return p.refused(c, err)
	}
	return p.done(c, a, id.Conversation(), nil)
}

func (p *pages) react(c echo.Context, a app.Actor) error {
	id, err := messageID(c)
	if err != nil {
		return err
	}
	if err := p.Desk.React(c.Request().Context(), a, id, c.FormValue("emoji")); err != nil {
		return p.refused(c, err)
	}
	return p.done(c, a, id.Conversation(), nil)
}
