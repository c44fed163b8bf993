// SPDX-License-Identifier: Apache-2.0

// Package inbox is where agents read and answer: the list of conversations, the thread and the contact beside each
// other, one at a time on a phone. Every act is a form that works without script; with htmx the same handlers answer
// with the parts that changed, and the event stream says when to fetch them.
package inbox

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/layout"
	"kith/ui/locale"
)

// Handler is a page for somebody who is signed in.
type Handler func(c echo.Context, a app.Actor) error

// Deps is what the pages need.
type Deps struct {
	Desk *app.Desk
	// Signed turns a handler into one that asks who is there.
	Signed func(h func(c echo.Context, a app.Actor) error) echo.HandlerFunc
	// View makes the frame of a page.
	View func(c echo.Context, a app.Actor, title string) (layout.View, error)
	// Locale returns the language and time zone of a request.
	Locale func(c echo.Context) *locale.Locale
	// Problem says an error in the language of the page; ok is false when it is not one for people.
	Problem func(l *locale.Locale, err error) (text string, ok bool)
	Log     *slog.Logger
	Now     func() time.Time // nil = time.Now
}

// pages serves the inbox.
type pages struct {
	Deps
	drafts drafts
}

// Path returns the path of a conversation.
func Path(id app.ConversationID) string { return "/inbox/" + strconv.FormatUint(uint64(id), 10) }

// FilePath returns the path of the nth file of a message.
func FilePath(id app.MessageID, n int) string { return "/files/" + id.String() + "/" + strconv.Itoa(n) }

func messagePath(id app.MessageID) string {
	return Path(id.Conversation()) + "/messages/" + id.String()
}

// Register adds the routes of the inbox.
func Register(e *echo.Echo, d Deps) {
	if d.Now == nil {
		d.Now = time.Now
	}
	p := &pages{Deps: d}
	routes := []struct {
		method, path string
		h            Handler
	}{
		{http.MethodGet, "/inbox", p.index},
		{http.MethodGet, "/inbox/rows", p.rows},
		{http.MethodGet, "/inbox/:id", p.thread},
		{http.MethodGet, "/inbox/:id/update", p.update},
		{http.MethodGet, "/inbox/:id/composer", p.composer},
		{http.MethodGet, "/inbox/:id/templates", p.templates},
		{http.MethodGet, "/inbox/:id/templates/preview", p.preview},
		{http.MethodPost, "/inbox/:id/reply", p.reply},
		{http.MethodPost, "/inbox/:id/draft", p.draft},
		{http.MethodPost, "/inbox/:id/status", p.status},
		{http.MethodPost, "/inbox/:id/assign", p.assign},
		{http.MethodPost, "/inbox/:id/labels", p.labels},
		{http.MethodPost, "/inbox/:id/contact", p.contact},
		{http.MethodPost, "/inbox/:id/reveal", p.reveal},
		{http.MethodGet, "/inbox/:id/messages/:message", p.message},
		{http.MethodPost, "/inbox/:id/messages/:message/resend", p.resend},
		{http.MethodPost, "/inbox/:id/messages/:message/cancel", p.cancel},
		{http.MethodPost, "/inbox/:id/messages/:message/react", p.react},
		{http.MethodGet, "/files/:message/:n", p.file},
	}
	for _, r := range routes {
		e.Add(r.method, r.path, d.Signed(r.h))
	}
}

// conversation reads the id in the path.
func conversation(c echo.Context) (app.ConversationID, error) {
	n, err := strconv.ParseUint(c.Param("id"), 10, 64)
	if err != nil {
		return 0, gone()
	}
	return app.ConversationID(n), nil
}

// messageID reads the id of a message of this conversation in the path.
func messageID(c echo.Context) (app.MessageID, error) {
	conv, err := conversation(c)
	if err != nil {
		return app.MessageID{}, err
	}
	id, err := app.ParseMessageID(c.Param("message"))
	if err != nil {
		return id, err
	}
	if id.Conversation() != conv {
		return id, gone()
	}
	return id, nil
}

func gone() error {
	return &app.Problem{
		Kind: app.ErrNotFound, Key: "problem.conversation_missing", Text: "This conversation does not exist or was deleted.",
	}
}

// seen tells the desk that somebody has the conversation open. The page is sent first, all of it: it does not wait for
// the disk, and a fault costs no more than a count.
func (p *pages) seen(c echo.Context, a app.Actor, id app.ConversationID) {
	_ = http.NewResponseController(c.Response().Writer).Flush() // where it cannot be flushed, it goes at the end as ever
	if err := p.Desk.MarkSeen(context.WithoutCancel(c.Request().Context()), a, id); err != nil {
		p.Log.Warn("marking a conversation as seen", "conversation", uint64(id), "error", err)
	}
}
