// SPDX-License-Identifier: Apache-2.0

// Package api is the JSON API, version 1. Programs prove themselves with a key; what they may do is the Desk's business.
// The description for people and generators is openapi.yaml.
package api

import (
	"context"
	_ "embed"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
)

// description is openapi.yaml as JSON. A test proves that both say the same and makes it anew with -update, so that no
// reader of YAML is part of the binary.
//
//go:embed openapi.json
var description []byte

// Deps is what the API works on.
type Deps struct {
	Desk *app.Desk
	Auth *auth.Auth
	// Replay reads again what could not be read; it is ingress's.
	Replay func(ctx context.Context, a app.Actor, id app.MessageID) error
}

// API answers under /api/v1.
type API struct {
	desk   *app.Desk
	auth   *auth.Auth
	replay func(ctx context.Context, a app.Actor, id app.MessageID) error
}

// handler answers a request of an actor.
type handler func(c echo.Context, a app.Actor) error

// Register adds the routes of the API.
func Register(e *echo.Echo, d Deps) {
	x := &API{desk: d.Desk, auth: d.Auth, replay: d.Replay}
	e.GET("/api/v1/openapi.json", func(c echo.Context) error {
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, description)
	})
	for _, r := range x.routes() {
		e.Add(r.method, "/api/v1"+r.path, x.known(r.handle))
	}
}

// route is one line of the API.
type route struct {
	method, path string
	handle       handler
}

func (x *API) routes() []route {
	return []route{
		{http.MethodGet, "/conversations", x.listConversations},
		{http.MethodGet, "/conversations/:id", x.getConversation},
		{http.MethodPatch, "/conversations/:id", x.changeConversation},
		{http.MethodGet, "/conversations/:id/messages", x.listMessages},
		{http.MethodPost, "/conversations/:id/messages", x.addMessage},
		{http.MethodGet, "/messages/:id", x.getMessage},
		{http.MethodGet, "/messages/:id/attachments/:n", x.getAttachment},
		{http.MethodGet, "/contacts", x.listContacts},
		{http.MethodPost, "/contacts", x.addContact},
		{http.MethodGet, "/contacts/:id", x.getContact},
		{http.MethodPatch, "/contacts/:id", x.changeContact},
		{http.MethodDelete, "/contacts/:id", x.eraseContact},
		{http.MethodPost, "/contacts/:id/reveal", x.revealContact},
		{http.MethodGet, "/search", x.search},
		{http.MethodGet, "/inboxes", x.listInboxes},
		{http.MethodGet, "/inboxes/:id/templates", x.listTemplates},
		{http.MethodGet, "/inboxes/:id/notices", x.listNotices},
		{http.MethodGet, "/inboxes/:id/unreadable", x.listUnreadable},
		{http.MethodPost, "/inboxes/:id/unreadable/:entry/replay", x.replayUnreadable},
		{http.MethodGet, "/labels", x.listLabels},
		{http.MethodGet, "/agents", x.listAgents},
		{http.MethodGet, "/audit", x.listAudit},
		{http.MethodGet, "/alarms", x.listAlarms},
	}
}

// known asks for a key before anything else.
func (x *API) known(next handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		scheme, bearer, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return auth.ErrUnauthenticated
		}
		a, err := x.auth.Key(c.Request().Context(), strings.TrimSpace(bearer))
		if err != nil {
			return err
		}
		if a, err = x.desk.Admit(c.Request().Context(), a); err != nil {
			return err
		}
		return next(c, a)
	}
}
