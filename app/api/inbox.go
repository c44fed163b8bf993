// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/base64"
	"net/http"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// inboxJSON is an inbox as programs see it: its settings hold secrets and are never shown.
type inboxJSON struct {
	ID        string      `json:"id"`
	Kind      string      `json:"kind"`
	Name      string      `json:"name"`
	Webhook   string      `json:"webhook"`
	Paused    *errorJSON  `json:"paused"`
	PausedAt  stamp       `json:"paused_at"`
	Facts     []app.Field `json:"facts"`
	CreatedAt stamp       `json:"created_at"`
	UpdatedAt stamp       `json:"updated_at"`
}

func inboxOf(in *app.Inbox) inboxJSON {
	out := inboxJSON{
		ID: formatID(in.ID), Kind: in.Kind, Name: in.Name, Webhook: "/hooks/" + in.Kind + "/" + formatID(in.ID),
		PausedAt: stamp(in.PausedAt), Facts: nonNil(in.Facts), CreatedAt: stamp(in.CreatedAt), UpdatedAt: stamp(in.UpdatedAt),
	}
	if p := in.Paused; p != nil {
		out.Paused = &errorJSON{Code: p.Code, Title: p.Title, Detail: p.Detail, Advice: p.Advice}
	}
	return out
}

func (x *API) listInboxes(c echo.Context, a app.Actor) error {
	all, err := x.desk.InboxesOf(c.Request().Context(), a)
	if err != nil {
		return err
	}
	out := make([]inboxJSON, len(all))
	for i := range all {
		out[i] = inboxOf(&all[i])
	}
	return answerList(c, out, "")
}

// inboxIn returns the number of the inbox in the path, which exists and that the key sees.
func (x *API) inboxIn(c echo.Context, a app.Actor) (app.InboxID, error) {
	n, err := numberIn(c, 64)
	if err != nil {
		return 0, err
	}
	_, err = x.desk.InboxOf(c.Request().Context(), a, app.InboxID(n))
	return app.InboxID(n), err
}

func (x *API) listTemplates(c echo.Context, a app.Actor) error {
	in, err := x.inboxIn(c, a)
	if err != nil {
		return err
	}
	found, _, err := x.desk.Templates(c.Request().Context(), a, in)
	if err != nil {
		return err
	}
	return answerList(c, found, "")
}

// noticeJSON is news about the account, number or templates of an inbox.
type noticeJSON struct {
	ID        string      `json:"id"`
	Topic     string      `json:"topic"`
	Level     string      `json:"level"`
	Event     string      `json:"event,omitempty"`
	Fields    []app.Field `json:"fields"`
	CreatedAt stamp       `json:"created_at"`
	UpdatedAt stamp       `json:"updated_at"`
}

var levels = map[app.NoticeLevel]string{app.LevelInfo: "info", app.LevelWarning: "warning", app.LevelAlarm: "alarm"}

func (x *API) listNotices(c echo.Context, a app.Actor) error {
	in, err := x.inboxIn(c, a)
	if err != nil {
		return err
	}
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	found, err := x.desk.Notices(c.Request().Context(), a, in, limit)
	if err != nil {
		return err
	}
	out := make([]noticeJSON, len(found))
	for i := range found {
		n := &found[i].Notice
		at := stampOf(n.At)
		out[i] = noticeJSON{
			ID: formatID(found[i].ID), Topic: n.Topic, Level: levels[n.Level], Event: n.Event, Fields: nonNil(n.Fields),
			CreatedAt: at, UpdatedAt: at,
		}
	}
	return answerList(c, out, "")
}

// unreadableJSON is a signed webhook that kith could not read, as it came.
type unreadableJSON struct {
	ID        string `json:"id"`
	Reason    string `json:"reason"`
	Raw       string `json:"raw"` // base64
	CreatedAt stamp  `json:"created_at"`
	UpdatedAt stamp  `json:"updated_at"`
}

func (x *API) listUnreadable(c echo.Context, a app.Actor) error {
	in, err := x.inboxIn(c, a)
	if err != nil {
		return err
	}
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	found, err := x.desk.Unreadable(c.Request().Context(), a, in, limit)
	if err != nil {
		return err
	}
	out := make([]unreadableJSON, len(found))
	for i := range found {
		u := &found[i]
		out[i] = unreadableJSON{
			ID: u.ID.String(), Reason: u.Reason, Raw: base64.StdEncoding.EncodeToString(u.Raw),
			CreatedAt: stamp(u.At), UpdatedAt: stamp(u.At),
		}
	}
	return answerList(c, out, "")
}

func (x *API) replayUnreadable(c echo.Context, a app.Actor) error {
	in, err := x.inboxIn(c, a)
	if err != nil {
		return err
	}
	entry, err := app.ParseMessageID(c.Param("entry"))
	if err != nil || entry.Group != uint64(in) {
		return echo.ErrNotFound
	}
	if err := x.replay(c.Request().Context(), a, entry); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
