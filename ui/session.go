// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
	"kith/ui/render"
	"kith/ui/signin"
)

// actorKey is where the actor of a request stays for pages whose handlers take none: the simulator's.
const actorKey = "kith-actor"

// signed turns a handler into one for people who are signed in: the actor is its argument.
func (s *site) signed(h func(c echo.Context, a app.Actor) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		a, _, err := s.Auth.Authenticate(c.Request().Context(), s.token(c))
		if errors.Is(err, auth.ErrUnauthenticated) {
			return outside(c)
		}
		if err != nil {
			return err
		}
		if a, err = s.Desk.Admit(c.Request().Context(), a); err != nil {
			return err
		}
		return h(c, a)
	}
}

// known is signed as a middleware.
func (s *site) known(next echo.HandlerFunc) echo.HandlerFunc {
	return s.signed(func(c echo.Context, a app.Actor) error {
		c.Set(actorKey, a)
		return next(c)
	})
}

// fresh is signed for what is dangerous: who has not proved lately who they are is asked to, and comes back to the page
// that back names.
func (s *site) fresh(back func(c echo.Context) string, h func(c echo.Context, a app.Actor) error) echo.HandlerFunc {
	return s.signed(func(c echo.Context, a app.Actor) error {
		_, session, err := s.Auth.Authenticate(c.Request().Context(), s.token(c))
		if err != nil {
			return err
		}
		if !s.Auth.Fresh(session) {
			return render.Redirect(c, signin.ProvePath+"?next="+url.QueryEscape(back(c)))
		}
		return h(c, a)
	})
}

// still asks whether the person behind a stream is still signed in.
func (s *site) still(c echo.Context) error { return s.Auth.Still(c.Request().Context(), s.token(c)) }

func (s *site) token(c echo.Context) string { return signin.Token(c, s.Secure) }

func (s *site) setToken(c echo.Context, token string) { signin.SetToken(c, token, s.Secure) }

func (s *site) visitor(c echo.Context) auth.Visitor { return signin.Visitor(c, s.Secure) }

// outside sends somebody who is not signed in to the door: a page by a redirect, a script by a status that it follows.
func outside(c echo.Context) error {
	r := c.Request()
	door := signin.Path
	if r.Method == http.MethodGet && r.Header.Get("HX-Request") == "" {
		door += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	if r.Header.Get("HX-Request") != "" || strings.Contains(r.Header.Get(echo.HeaderAccept), "text/event-stream") {
		c.Response().Header().Set("HX-Redirect", door)
		return c.NoContent(http.StatusUnauthorized)
	}
	return c.Redirect(http.StatusSeeOther, door)
}
