// SPDX-License-Identifier: Apache-2.0

// Package channels shows the connected inboxes: whether they work, what the network told about them, what could not be
// read, and how to connect a number.
package channels

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/locale"
	"kith/ui/render"
)

// Path is where the inboxes are.
const Path = "/channels"

// Deps is what the pages need.
type Deps struct {
	Desk    *app.Desk
	Signed  func(h func(c echo.Context, a app.Actor) error) echo.HandlerFunc
	View    func(c echo.Context, a app.Actor, title string) (layout.View, error)
	Locale  func(c echo.Context) *locale.Locale
	Problem func(l *locale.Locale, err error) (text string, ok bool)
	// Replay reads again what could not be read.
	Replay func(ctx context.Context, a app.Actor, id app.MessageID) error
	Now    func() time.Time
	// Base stands before the path of a webhook.
	Base string
	// Simulator says that this installation runs its own network for trying out.
	Simulator bool
}

type pages struct{ Deps }

// InboxPath returns the path of an inbox.
func InboxPath(id app.InboxID) string { return Path + "/" + strconv.FormatUint(uint64(id), 10) }

// Register adds the routes.
func Register(e *echo.Echo, d Deps) {
	p := pages{d}
	e.GET(Path, d.Signed(p.list))
	e.GET(Path+"/connect", d.Signed(p.connect))
	e.GET(Path+"/:id", d.Signed(p.inbox))
	e.POST(Path+"/:id/token", d.Signed(p.token))
	e.POST(Path+"/:id/unreadable/:entry/replay", d.Signed(p.replay))
}

const (
	mostNotices    = 50
	mostUnreadable = 100
	// tokenSetting is the setting of an inbox that holds its access token.
	tokenSetting = "access_token"
)

// card is what the list shows of an inbox.
type card struct {
	in         app.Inbox
	unreadable int
	last       *app.InboxNotice // the newest notice that matters
}

// shelf is what the pages draw.
type shelf struct {
	frame layout.View
	l     *locale.Locale
	now   time.Time
	base  string
	may   bool // connect and replay
	cards []card
	// of one inbox
	one        app.Inbox
	notices    []app.InboxNotice
	unreadable []app.Unreadable
	simulator  bool
}

func (p *pages) shelf(c echo.Context, a app.Actor) (*shelf, error) {
	l := p.Locale(c)
	if !a.May(app.MaySeeChannels) {
		return nil, &app.Problem{
			Kind: app.ErrForbidden, Key: "problem.forbidden", Args: []any{a.Role.String()},
			Text: "Your role (" + a.Role.String() + ") does not allow this. Ask an owner or admin.",
		}
	}
	frame, err := p.View(c, a, l.T("channels.title"))
	if err != nil {
		return nil, err
	}
	return &shelf{
		frame: frame, l: l, now: p.Now(), base: strings.TrimRight(p.Base, "/"), may: a.May(app.MayInboxes), simulator: p.Simulator,
	}, nil
}

func (p *pages) list(c echo.Context, a app.Actor) error {
	s, err := p.shelf(c, a)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	inboxes, err := p.Desk.InboxesOf(ctx, a)
	if err != nil {
		return err
	}
	for _, in := range inboxes {
		one := card{in: in}
		bad, err := p.Desk.Unreadable(ctx, a, in.ID, mostUnreadable)
		if err != nil {
			return err
		}
		one.unreadable = len(bad)
		if one.last, err = p.newest(ctx, a, in.ID); err != nil {
			return err
		}
		s.cards = append(s.cards, one)
	}
	return render.Page(c, http.StatusOK, listPage(s))
}

// newest returns the newest warning or alarm of the last three days.
func (p *pages) newest(ctx context.Context, a app.Actor, id app.InboxID) (*app.InboxNotice, error) {
	list, err := p.Desk.Notices(ctx, a, id, mostNotices)
	for i := range list {
		if n := &list[i]; n.Notice.Level > app.LevelInfo && p.Now().Sub(n.Notice.At) < 72*time.Hour {
			return n, err
		}
	}
	return nil, err
}

func (p *pages) connect(c echo.Context, a app.Actor) error {
	s, err := p.shelf(c, a)
	if err != nil {
		return err
	}
	return render.Page(c, http.StatusOK, connectPage(s))
}

func (p *pages) inbox(c echo.Context, a app.Actor) error {
	return p.show(c, a, http.StatusOK, layout.Notice{})
}

func (p *pages) show(c echo.Context, a app.Actor, status int, say layout.Notice) error {
	s, err := p.shelf(c, a)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(c.Param("id"), 10, 64)
	if err != nil {
		return echo.ErrNotFound
	}
	ctx, id := c.Request().Context(), app.InboxID(n)
	in, err := p.Desk.InboxOf(ctx, a, id)
	if err != nil {
		return err
	}
	s.one = *in
	if s.notices, err = p.Desk.Notices(ctx, a, id, mostNotices); err != nil {
		return err
	}
	if s.unreadable, err = p.Desk.Unreadable(ctx, a, id, mostUnreadable); err != nil {
		return err
	}
	s.frame.Title = in.Name
	if say.Text != "" {
		s.frame.Flash = say
	}
	return render.Page(c, status, inboxPage(s))
}

// token replaces the access token of an inbox, which starts to send again.
func (p *pages) token(c echo.Context, a app.Actor) error {
	token := strings.TrimSpace(c.FormValue("token"))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		say := layout.Notice{Text: p.Locale(c).T("channels.token_wrong"), Kind: component.Danger}
		return p.show(c, a, http.StatusUnprocessableEntity, say)
	}
	n, err := strconv.ParseUint(c.Param("id"), 10, 64)
	if err != nil {
		return echo.ErrNotFound
	}
	id := app.InboxID(n)
	if err := p.Desk.SetInboxSettings(c.Request().Context(), a, id, map[string]string{tokenSetting: token}); err != nil {
		return err
	}
	render.SetFlash(c, render.Flash{Kind: string(component.OK), Key: "channels.token_saved"})
	return render.Redirect(c, InboxPath(id))
}

// replay reads an entry again and says how that went.
func (p *pages) replay(c echo.Context, a app.Actor) error {
	id, err := app.ParseMessageID(c.Param("entry"))
	if err != nil {
		return err
	}
	err = p.Replay(c.Request().Context(), a, id)
	if err == nil {
		render.SetFlash(c, render.Flash{Kind: string(component.OK), Key: "channels.replayed"})
		return render.Redirect(c, Path+"/"+c.Param("id"))
	}
	text, ok := p.Problem(p.Locale(c), err)
	if !ok || errors.Is(err, app.ErrForbidden) {
		return err
	}
	return p.show(c, a, http.StatusUnprocessableEntity, layout.Notice{Text: text, Kind: component.Danger})
}

func (s *shelf) webhook(in *app.Inbox) string {
	return s.base + "/hooks/" + in.Kind + "/" + strconv.FormatUint(uint64(in.ID), 10)
}

func (s *shelf) channel(kind string) string {
	if key := "inbox.channel_" + kind; s.l.Has(key) {
		return s.l.T(key)
	}
	return kind
}

// number is what people know the inbox by.
func (s *shelf) number(in *app.Inbox) string {
	for _, f := range in.Facts {
		if f.Name == "display_phone_number" {
			return f.Value
		}
	}
	return ""
}

// state is how an inbox is, and what to do when it does not send.
func (s *shelf) state(in *app.Inbox) (kind component.Kind, text string) {
	switch {
	case in.Paused != nil:
		return component.Danger, s.l.T("channels.paused")
	case len(in.Facts) == 0:
		return component.Warn, s.l.T("channels.unchecked")
	}
	return component.OK, s.l.T("channels.connected")
}

func (s *shelf) reason(f *app.Failure) string {
	text := f.Title
	if f.Detail != "" && f.Detail != f.Title {
		text = strings.TrimSpace(text + " " + f.Detail)
	}
	if f.Code != 0 {
		text += " (" + strconv.Itoa(f.Code) + ")"
	}
	if s.l.Has(f.Advice) {
		text += " " + s.l.T(f.Advice)
	}
	return strings.TrimSpace(text)
}

func (s *shelf) facts(in *app.Inbox) []component.Fact {
	facts := []component.Fact{{Label: s.l.T("channels.since"), Value: s.l.Date(in.CreatedAt.Time())}}
	for _, f := range in.Facts {
		label := strings.ReplaceAll(f.Name, "_", " ")
		if key := "channels.fact_" + f.Name; s.l.Has(key) {
			label = s.l.T(key)
		}
		facts = append(facts, component.Fact{Label: label, Value: f.Value})
	}
	return facts
}

// noticeLine is a notice in words.
func (s *shelf) noticeLine(n *app.Notice) string {
	key := "channel.notice." + n.Topic
	if !s.l.Has(key) {
		key = "channel.notice.unknown"
	}
	text := s.l.T(key)
	if n.Event != "" {
		text += ": " + strings.ToLower(strings.ReplaceAll(n.Event, "_", " "))
	}
	return text
}

func noticeFacts(n *app.Notice) []component.Fact {
	facts := make([]component.Fact, len(n.Fields))
	for i, f := range n.Fields {
		facts[i] = component.Fact{Label: strings.ReplaceAll(f.Name, "_", " "), Value: f.Value}
	}
	return facts
}

func levelKind(l app.NoticeLevel) component.Kind {
	switch l {
	case app.LevelAlarm:
		return component.Danger
	case app.LevelWarning:
		return component.Warn
	case app.LevelInfo:
	}
	return component.Info
}
