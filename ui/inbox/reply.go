// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/component"
	"kith/ui/render"
)

// reply writes what the composer holds: a text, files, a template or a note.
func (p *pages) reply(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	form, err := p.readForm(c, a, id)
	if err != nil {
		return p.unsent(c, a, id, form, err)
	}
	drafts, err := p.compose(c, a, id, form)
	if err != nil {
		return p.unsent(c, a, id, form, err)
	}
	for i := range drafts {
		if _, err := p.Desk.Reply(c.Request().Context(), a, id, drafts[i]); err != nil {
			return p.unsent(c, a, id, form, err)
		}
	}
	p.drafts.set(a, id, "")
	if !render.IsFragment(c) {
		return c.Redirect(http.StatusSeeOther, Path(id)+"#composer")
	}
	have := stateOf(form.get)
	have.fresh = app.MessageID{} // who answers has seen what was new
	return p.changed(c, a, id, have, nil)
}

// compose makes the messages of a form: one for a text, a note or a template, one for each file. The text goes with the
// first file that can carry it.
func (p *pages) compose(c echo.Context, a app.Actor, id app.ConversationID, form *form) ([]app.Draft, error) {
	text := form.get("text")
	base := app.Draft{Note: form.get("note") != "", Text: text}
	if !base.Note {
		base.ReplyTo, _ = app.ParseMessageID(form.get("reply_to"))
	}
	switch {
	case base.Note:
		return keyed(form, []app.Draft{base}), nil
	case len(form.files) > 0:
		return keyed(form, withFiles(base, form.files)), nil
	case form.get("template") != "":
		use, err := p.chosenTemplate(c, a, id, form)
		if err != nil {
			return nil, err
		}
		return keyed(form, []app.Draft{{Template: use}}), nil
	}
	return keyed(form, []app.Draft{base}), nil
}

func withFiles(base app.Draft, files []app.Upload) []app.Draft {
	var out []app.Draft
	for i := range files {
		d := app.Draft{File: &files[i]}
		if i == 0 {
			d.ReplyTo = base.ReplyTo
			if files[i].Type == app.TypeAudio || files[i].Type == app.TypeVoice || files[i].Type == app.TypeSticker {
				if base.Text != "" {
					out = append(out, app.Draft{Text: base.Text, ReplyTo: base.ReplyTo})
					d.ReplyTo = app.MessageID{}
				}
			} else {
				d.Text = base.Text
			}
		}
		out = append(out, d)
	}
	return out
}

// keyed makes sending the same form again harmless. What was written belongs to the key: text that somebody typed while
// the first request was on its way is a message of its own.
func keyed(form *form, drafts []app.Draft) []app.Draft {
	key := form.get("key")
	if key == "" || len(key) > 64 {
		return drafts
	}
	for i := range drafts {
		d := &drafts[i]
		h := sha256.New()
		fmt.Fprintf(h, "%t\x00%s\x00%d\x00", d.Note, d.Text, i)
		if d.Template != nil {
			fmt.Fprintf(h, "%v", *d.Template)
		}
		if d.File != nil {
			h.Write(d.File.Meta.SHA256[:])
		}
		d.Key = key + "." + strconv.Itoa(i) + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
	}
	return drafts
}

func (p *pages) chosenTemplate(c echo.Context, a app.Actor, id app.ConversationID, form *form) (*app.TemplateUse, error) {
	ctx := c.Request().Context()
	conv, err := p.Desk.Conversation(ctx, a, id)
	if err != nil {
		return nil, err
	}
	to, err := p.Desk.Contact(ctx, a, conv.Contact)
	if err != nil {
		return nil, err
	}
	list, _, err := p.Desk.Templates(ctx, a, conv.Inbox)
	if err != nil {
		return nil, err
	}
	all := choicesOf(list, to)
	for i := range all {
		if all[i].id() != form.get("template") {
			continue
		}
		all[i].values = map[string]string{} // what was offered as an example is not sent unless it is in the form
		all[i].fill(form.get)
		return all[i].use(p.Locale(c))
	}
	return nil, &app.Problem{
		Kind: app.ErrInvalid, Field: "template", Key: "problem.template_gone",
		Text: "This template may not be sent to this person now. Choose another one.",
	}
}

// unsent says why a message was not taken. What was written stays where it is.
func (p *pages) unsent(c echo.Context, a app.Actor, id app.ConversationID, form *form, err error) error {
	l := p.Locale(c)
	text, ok := p.Problem(l, err)
	if !ok || form == nil || errors.Is(err, app.ErrNotFound) || errors.Is(err, app.ErrForbidden) {
		return err
	}
	if !render.IsFragment(c) {
		return p.again(c, a, id, form, text)
	}
	toast := render.Partial("#toasts", "beforeend", component.Toast(component.ToastProps{L: l, Text: text, Kind: component.Danger}))
	if !errors.Is(err, app.ErrWindow) {
		return render.Fragment(c, http.StatusUnprocessableEntity, toast)
	}
	p.drafts.set(a, id, form.get("text"))
	v, err := p.open(c, a, id, p.fresh(c), false)
	if err != nil {
		return err
	}
	return render.Fragment(c, http.StatusConflict, toast, render.Partial("#composer", "outerHTML", composerOf(v)))
}

// again shows the page with what was written and what is wrong.
func (p *pages) again(c echo.Context, a app.Actor, id app.ConversationID, form *form, fault string) error {
	v, err := p.open(c, a, id, p.fresh(c), false)
	if err != nil {
		return err
	}
	v.compose.draft, v.compose.note, v.compose.fault = form.get("text"), form.get("note") != "", fault
	if quoted, err := app.ParseMessageID(form.get("reply_to")); err == nil {
		if v.compose.reply, err = p.Desk.Message(c.Request().Context(), a, quoted); err != nil {
			v.compose.reply = nil
		}
	}
	return p.page(c, a, v, http.StatusUnprocessableEntity)
}
