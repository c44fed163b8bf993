// SPDX-License-Identifier: Apache-2.0

// Package account is what people look after themselves: the language and theme of their browser, and their account.
package account

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/locale"
	"kith/ui/render"
)

// Path is where the preferences are.
const Path = "/preferences"

// Deps is what the page needs.
type Deps struct {
	Desk   *app.Desk
	Auth   *auth.Auth
	Signed func(h func(c echo.Context, a app.Actor) error) echo.HandlerFunc
	// Fresh is Signed for what is dangerous: people prove first who they are, and come back to the page that back names.
	Fresh func(back func(c echo.Context) string, h func(c echo.Context, a app.Actor) error) echo.HandlerFunc
	View  func(c echo.Context, a app.Actor, title string) (layout.View, error)
	// Problem says an error in the language of the page; ok is false when it is not one for people.
	Problem  func(l *locale.Locale, err error) (text string, ok bool)
	Token    func(c echo.Context) string
	SetToken func(c echo.Context, token string)
	Visitor  func(c echo.Context) auth.Visitor
	Secure   bool
	Now      func() time.Time
}

type pages struct{ Deps }

// Register adds the routes. Preferences are cookies, so they can be chosen before signing in.
func Register(e *echo.Echo, d Deps) {
	p := pages{d}
	e.GET(Path, d.Signed(p.show))
	e.POST(Path, p.save)
	p.registerOwn(e)
}

func (p *pages) show(c echo.Context, a app.Actor) error {
	v, err := p.View(c, a, "")
	if err != nil {
		return err
	}
	v.Title = v.Locale.T("account.title")
	return render.Page(c, http.StatusOK, page(v))
}

// save keeps what the form names and leaves the rest.
func (p *pages) save(c echo.Context) error {
	if lang := c.FormValue("lang"); lang != "" {
		p.keep(c, locale.Cookie, locale.Match("", lang).Tag)
	}
	if theme := c.FormValue("theme"); theme != "" {
		p.keep(c, layout.ThemeCookie, layout.ThemeOf(theme))
	}
	next := c.FormValue("next")
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n") {
		next = Path
	}
	render.SetFlash(c, render.Flash{Key: "account.saved"})
	return render.Redirect(c, next)
}

// keep sets a cookie that the script of the theme button can change too.
func (p *pages) keep(c echo.Context, name, value string) {
	c.SetCookie(&http.Cookie{ //nolint:gosec // holds no secret; Secure wherever there is TLS
		Name: name, Value: value, Path: "/", MaxAge: ageOf(value), Secure: p.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// ageOf is how long a cookie is kept; an empty one goes.
func ageOf(value string) int {
	if value == "" {
		return -1
	}
	return 365 * 24 * 3600
}

func languages(l *locale.Locale) []component.Option {
	var out []component.Option
	for _, one := range locale.All() {
		out = append(out, component.Option{Value: one.Tag, Label: one.Name, Selected: one.Tag == l.Tag})
	}
	return out
}

func themes(v layout.View) []component.Option {
	var out []component.Option
	for _, t := range []string{"system", "light", "dark"} {
		out = append(out, component.Option{Value: t, Label: v.Locale.T("account.theme_" + t), Selected: t == v.Theme})
	}
	return out
}
