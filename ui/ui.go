// SPDX-License-Identifier: Apache-2.0

// Package ui is the web interface: it lists the pages and gives each what it needs: the desk, who is signed in, the
// frame around a page and its language.
package ui

import (
	"context"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
	"kith/assets"
	"kith/ui/account"
	"kith/ui/channels"
	"kith/ui/gallery"
	"kith/ui/inbox"
	"kith/ui/layout"
	"kith/ui/live"
	"kith/ui/people"
	"kith/ui/render"
	"kith/ui/signin"
)

// Deps is what the interface needs.
type Deps struct {
	Desk *app.Desk
	Auth *auth.Auth
	// Replay reads again what could not be read.
	Replay func(ctx context.Context, a app.Actor, id app.MessageID) error
	// Simulator adds the pages of the simulator to a group that only signed-in people reach; nil when there is none.
	Simulator func(g *echo.Group, view func(c echo.Context, title string) layout.View)
	// Secure says that browsers reach kith by TLS only.
	Secure bool
	// Base is the address of kith as others see it, such as https://chat.example.com; it stands before webhook paths.
	Base string
	Log  *slog.Logger
	Now  func() time.Time // nil = time.Now
}

// site is the interface with what it needs.
type site struct {
	Deps
	zones zones
}

// Register adds every page.
func Register(e *echo.Echo, d Deps) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	s := &site{Deps: d}
	e.GET("/", func(c echo.Context) error { return render.Redirect(c, "/inbox") })
	e.GET("/assets/*", echo.WrapHandler(assets.Handler()))
	signin.Register(e, signin.Deps{Desk: d.Desk, Auth: d.Auth, Frame: s.bare, Problem: Problem, Secure: d.Secure, Now: d.Now})
	account.Register(e, account.Deps{
		Desk: d.Desk, Auth: d.Auth, Signed: s.signed, Fresh: s.fresh, View: s.view, Problem: Problem, Token: s.token, SetToken: s.setToken,
		Visitor: s.visitor, Secure: d.Secure, Now: d.Now,
	})
	people.Register(e, people.Deps{
		Desk: d.Desk, Auth: d.Auth, Signed: s.signed, Fresh: s.fresh, View: s.view, Problem: Problem, Now: d.Now, Base: d.Base,
	})
	inbox.Register(e, inbox.Deps{
		Desk: d.Desk, Signed: s.signed, View: s.view, Locale: s.locale, Problem: Problem, Log: d.Log, Now: d.Now,
	})
	channels.Register(e, channels.Deps{
		Desk: d.Desk, Signed: s.signed, View: s.view, Locale: s.locale, Problem: Problem, Replay: d.Replay, Now: d.Now,
		Base: d.Base, Simulator: d.Simulator != nil,
	})
	stream := live.Stream{Desk: d.Desk, Still: s.still, Revoked: d.Auth.Revoked}
	e.GET("/live", s.signed(stream.Serve))
	e.GET("/marks", s.signed(s.marks))
	e.GET("/gallery", s.signed(s.gallery))
	if d.Simulator != nil {
		g := e.Group("", s.known)
		d.Simulator(g, s.viewOfGroup)
	}
}

// gallery shows every component in every state.
func (s *site) gallery(c echo.Context, _ app.Actor) error {
	return render.Page(c, 200, gallery.Themed(s.locale(c), s.theme(c)))
}
