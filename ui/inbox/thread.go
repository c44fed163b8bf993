// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"kith/app"
	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/locale"
	"kith/ui/render"
)

// The panes that a phone shows one at a time.
const (
	paneList      = "list"
	paneThread    = "thread"
	paneContact   = "contact"
	paneTemplates = "templates"
)

const (
	pageMessages = 50  // messages of a thread that come at once
	mostMessages = 600 // messages that stay alive on one page
)

// threadView is an open conversation: what its header, thread, composer and contact panel show.
type threadView struct {
	l       *locale.Locale
	a       app.Actor
	f       filter
	now     time.Time
	line    app.Line
	inbox   app.Inbox
	contact *app.Contact
	agents  []app.Agent
	labels  []app.Label
	others  []app.Line
	items   []item
	maker   itemMaker
	older   bool
	pane    string
	state   state
	at      app.MessageID // the message to open at
	compose compose
	inboxes []app.Inbox
	pick    *picker
	html    struct{ head, log, side string } // drawn by draw
}

// state is what a page holds of an open conversation. It travels with every request of that page, so that only the
// parts that differ are sent.
type state struct {
	from  app.MessageID // the oldest message shown
	fresh app.MessageID // the first message that nobody had seen
	head  string        // sums of what is shown
	log   string
	side  string
	until string // when the reply window ends
	list  filter // of the list beside it
}

func stateOf(value func(string) string) state {
	s := state{head: value("head"), log: value("log"), side: value("side"), until: value("until")}
	s.from, _ = app.ParseMessageID(value("from"))
	s.fresh, _ = app.ParseMessageID(value("fresh"))
	if v, err := url.ParseQuery(value("list")); err == nil {
		s.list = filterOf(v)
	}
	return s
}

// fresh is the state of a page that is made anew. A link to older messages names the oldest one.
func (p *pages) fresh(c echo.Context) state {
	s := state{list: filterOf(c.QueryParams())}
	if v, err := url.ParseQuery(c.QueryParam("list")); err == nil && len(v) > 0 {
		s.list = filterOf(v)
	}
	s.from, _ = app.ParseMessageID(c.QueryParam("from"))
	return s
}

// open reads a conversation. The first messages are those from have.from on; a zero id means the newest page.
func (p *pages) open(c echo.Context, a app.Actor, id app.ConversationID, have state, older bool) (*threadView, error) {
	ctx := c.Request().Context()
	v := &threadView{l: p.Locale(c), a: a, f: have.list, now: p.Now(), pane: c.QueryParam("pane"), state: have, at: have.from}
	var err error
	if v.line, err = p.Desk.Conversation(ctx, a, id); err != nil {
		return nil, err
	}
	in, err := p.Desk.Inbox(ctx, v.line.Inbox)
	if err != nil {
		return nil, err
	}
	v.inbox = *in
	if err := p.surroundings(ctx, v); err != nil {
		return nil, err
	}
	list, err := p.messages(ctx, v, older)
	if err != nil {
		return nil, err
	}
	if v.contact, err = p.Desk.Contact(ctx, a, v.line.Contact); err != nil {
		return nil, err
	}
	v.show(list)
	v.maker.quoted = p.quotes(ctx, a, list)
	v.items = v.maker.items(list)
	return v, p.prepare(c, v)
}

// surroundings reads what is not the conversation's own: agents, labels, the contact's other conversations.
func (p *pages) surroundings(ctx context.Context, v *threadView) (err error) {
	if v.agents, err = p.Desk.Agents(ctx); err != nil {
		return err
	}
	if v.labels, err = p.Desk.Labels(ctx); err != nil {
		return err
	}
	if v.inboxes, err = p.Desk.InboxesOf(ctx, v.a); err != nil {
		return err
	}
	if len(v.inboxes) < 2 {
		return nil // a contact has one conversation in each inbox
	}
	v.others, _, err = p.Desk.Conversations(ctx, v.a, app.ConversationQuery{Contact: v.line.Contact, Limit: 10})
	v.others = slices.DeleteFunc(v.others, func(l app.Line) bool { return l.ID == v.line.ID })
	return err
}

// messages reads what the page shows: one page, or everything from the oldest message that is on it, and one page more
// when older ones are asked for.
func (p *pages) messages(ctx context.Context, v *threadView, older bool) ([]app.Message, error) {
	var all []app.Message
	var before app.MessageID
	reached := v.state.from.Seq == 0
	for {
		page, err := p.Desk.Messages(ctx, v.a, v.line.ID, before, pageMessages)
		if err != nil {
			return nil, err
		}
		all = append(page.Messages, all...)
		before, v.older = page.Older, page.Older.Seq != 0
		if !v.older || len(all) >= mostMessages {
			break
		}
		if reached = reached || slices.ContainsFunc(page.Messages, func(m app.Message) bool { return m.ID == v.state.from }); reached {
			if !older {
				break
			}
			older = false
		}
	}
	return all, nil
}

// show remembers what the page now shows and where the messages begin that nobody has seen.
func (v *threadView) show(list []app.Message) {
	if len(list) > 0 {
		v.state.from = list[0].ID
	}
	for i, unseen := len(list)-1, int(v.line.Unread); i >= 0 && unseen > 0 && v.state.fresh.Seq == 0; i-- {
		if list[i].Direction != app.In {
			continue
		}
		if unseen--; unseen == 0 && i > 0 {
			v.state.fresh = list[i].ID
		}
	}
	names := make(map[app.AgentID]string, len(v.agents))
	for _, a := range v.agents {
		names[a.ID] = a.Name
	}
	v.maker = itemMaker{l: v.l, now: v.now, name: v.contact.DisplayName(), agents: names, fresh: v.state.fresh}
}

// quotes finds the messages that others answer, first among those shown.
func (p *pages) quotes(ctx context.Context, a app.Actor, list []app.Message) map[app.MessageID]*app.Message {
	out := map[app.MessageID]*app.Message{}
	for i := range list {
		out[list[i].ID] = &list[i]
	}
	for i := range list {
		id := list[i].ReplyTo
		if _, have := out[id]; have || id.Seq == 0 {
			continue
		}
		if m, err := p.Desk.Message(ctx, a, id); err == nil { // a quote that is gone is said to be gone
			out[id] = m
		}
	}
	return out
}

// index shows the list without a conversation.
func (p *pages) index(c echo.Context, a app.Actor) error {
	return p.page(c, a, nil, http.StatusOK)
}

// thread shows a conversation beside the list.
func (p *pages) thread(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	// The list is read while the opening is written into the audit trail.
	ls := p.list(c, id)
	var g errgroup.Group
	g.Go(func() error { return p.fill(c.Request().Context(), a, ls) })
	v, err := p.open(c, a, id, p.fresh(c), c.QueryParam("from") != "")
	if err := cmp.Or(err, g.Wait()); err != nil {
		return err
	}
	if err := p.show(c, a, ls, v, http.StatusOK); err != nil {
		return err
	}
	p.seen(c, a, id)
	return nil
}

// page reads the list and shows it with a conversation, nil for none.
func (p *pages) page(c echo.Context, a app.Actor, v *threadView, status int) error {
	var current app.ConversationID
	if v != nil {
		current = v.line.ID
	}
	ls := p.list(c, current)
	if err := p.fill(c.Request().Context(), a, ls); err != nil {
		return err
	}
	return p.show(c, a, ls, v, status)
}

// show answers with the whole page, or with the list or the panes alone when htmx asks for them.
func (p *pages) show(c echo.Context, a app.Actor, ls *listView, v *threadView, status int) error {
	frame, err := p.View(c, a, ls.l.T("inbox.title"))
	if err != nil {
		return err
	}
	if v != nil {
		frame.Title = nameOf(v.l, v.line.Name)
		v.f = ls.f
		if err := v.draw(c.Request().Context()); err != nil {
			return err
		}
	}
	if render.IsFragment(c) {
		return p.parts(c, status, frame, ls, v)
	}
	return render.Page(c, status, inboxPage(frame, ls, v))
}

func (p *pages) parts(c echo.Context, status int, frame layout.View, ls *listView, v *threadView) error {
	if c.Request().Header.Get("HX-Target") == "section#list" {
		return render.Fragment(c, status, list(ls))
	}
	return render.Fragment(c, status, title(frame.Title), panes(ls, v), render.Partial("#list", "outerMorph", list(ls)))
}

// update answers with those parts of an open conversation that differ from what the page shows.
func (p *pages) update(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	if err := p.changed(c, a, id, stateOf(c.FormValue), nil); err != nil {
		return err
	}
	p.seen(c, a, id)
	return nil
}

// changed answers an act or an update: what differs, and a toast when there is something to say.
func (p *pages) changed(c echo.Context, a app.Actor, id app.ConversationID, have state, toast *component.ToastProps) error {
	v, err := p.open(c, a, id, have, c.QueryParam("older") != "")
	if errors.Is(err, app.ErrNotFound) {
		return render.Redirect(c, "/inbox")
	}
	if err != nil {
		return err
	}
	if err := v.draw(c.Request().Context()); err != nil {
		return err
	}
	return render.Fragment(c, http.StatusOK, v.differences(have, toast)...)
}

// until is the end of the reply window as the page keeps it: "none" when there is none, 0 when it is closed.
func (v *threadView) until() string {
	switch {
	case v.line.Window.IsZero():
		return "none"
	case !v.now.Before(v.line.Window):
		return "0"
	}
	return strconv.FormatInt(v.line.Window.Unix(), 10)
}

func (v *threadView) closed() bool { return v.until() == "0" }
