// SPDX-License-Identifier: Apache-2.0

// Package signin is how somebody comes in and leaves: the claim link of a new installation, sign-in and sign-out.
package signin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
	"kith/ui/layout"
	"kith/ui/locale"
	"kith/ui/render"
)

// Path is where people sign in.
const Path = "/sign-in"

// Auth is who knows who may come in; *auth.Auth does.
type Auth interface {
	Authenticate(ctx context.Context, token string) (app.Actor, *auth.Session, error)
	SignIn(ctx context.Context, email, password, from string) (token string, err error)
	SignOut(ctx context.Context, token string) error
	CheckClaim(ctx context.Context, claim string) error
	Claim(ctx context.Context, claim string, n auth.NewOwner) (token string, err error)
}

// Deps is what the pages need.
type Deps struct {
	Desk *app.Desk
	Auth Auth
	// Frame makes the frame of a page for somebody who is not known yet.
	Frame func(c echo.Context, title string) layout.View
	// Problem says an error in the language of the page; ok is false when it is not one for people.
	Problem func(l *locale.Locale, err error) (text string, ok bool)
	// Secure says that browsers reach kith by TLS only.
	Secure bool
}

type pages struct{ Deps }

// Register adds the routes.
func Register(e *echo.Echo, d Deps) {
	p := pages{d}
	e.GET(Path, p.form)
	e.POST(Path, p.signIn)
	e.POST("/sign-out", p.signOut)
	e.GET("/claim/:token", p.claimForm)
	e.POST("/claim/:token", p.claim)
}

// CookieName is the cookie of a session. Under TLS its name makes browsers refuse one that was set by another host or
// without encryption.
func CookieName(secure bool) string {
	if secure {
		return "__Host-kith"
	}
	return "kith-s"
}

// Token returns the session token of a request, "" when it has none.
func Token(c echo.Context, secure bool) string {
	cookie, err := c.Cookie(CookieName(secure))
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (p *pages) setCookie(c echo.Context, token string, age time.Duration) {
	c.SetCookie(&http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: CookieName(p.Secure), Value: token, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: p.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// entry is what the sign-in form shows.
type entry struct {
	frame layout.View
	next  string
	email string
	fault string
	field string
}

// Next returns where to go after signing in: a path of this installation, else the inbox.
func Next(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") ||
		strings.HasPrefix(s, Path) || strings.HasPrefix(s, "/live") {
		return "/inbox"
	}
	return s
}

func (p *pages) form(c echo.Context) error {
	if _, _, err := p.Auth.Authenticate(c.Request().Context(), Token(c, p.Secure)); err == nil {
		return c.Redirect(http.StatusSeeOther, Next(c.QueryParam("next")))
	}
	return p.show(c, http.StatusOK, entry{next: c.QueryParam("next")})
}

func (p *pages) show(c echo.Context, status int, en entry) error {
	en.frame = p.Frame(c, "signin.title")
	return render.Page(c, status, signInPage(en))
}

func (p *pages) signIn(c echo.Context) error {
	en := entry{next: c.FormValue("next"), email: strings.TrimSpace(c.FormValue("email"))}
	token, err := p.Auth.SignIn(c.Request().Context(), en.email, c.FormValue("password"), c.RealIP())
	if err != nil {
		return p.refuse(c, err, func(status int, text, field string) error {
			en.fault, en.field = text, field
			return p.show(c, status, en)
		})
	}
	p.setCookie(c, token, auth.Absolute)
	return c.Redirect(http.StatusSeeOther, Next(en.next))
}

// refuse shows the form again when the error is one that people can mend.
func (p *pages) refuse(c echo.Context, err error, show func(status int, text, field string) error) error {
	frame := p.Frame(c, "signin.title")
	text, ok := p.Problem(frame.Locale, err)
	if !ok {
		return err
	}
	status, field := http.StatusUnprocessableEntity, ""
	if errors.Is(err, auth.ErrSlow) {
		status = http.StatusTooManyRequests
	}
	if pr := (*app.Problem)(nil); errors.As(err, &pr) {
		if field = pr.Field; errors.Is(pr, app.ErrNotFound) {
			return err
		}
	}
	return show(status, text, field)
}

func (p *pages) signOut(c echo.Context) error {
	err := p.Auth.SignOut(c.Request().Context(), Token(c, p.Secure))
	if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
		return err
	}
	p.setCookie(c, "", -time.Second)
	render.SetFlash(c, render.Flash{Key: "signin.signed_out"})
	return render.Redirect(c, Path)
}

// owner is what the claim form shows.
type owner struct {
	frame                     layout.View
	path                      string
	organisation, zone        string
	name, email, fault, field string
}

func (p *pages) claimForm(c echo.Context) error {
	if err := p.Auth.CheckClaim(c.Request().Context(), c.Param("token")); err != nil {
		return err
	}
	return p.showClaim(c, http.StatusOK, owner{zone: "UTC"})
}

func (p *pages) showClaim(c echo.Context, status int, o owner) error {
	o.frame, o.path = p.Frame(c, "signin.claim_title"), "/claim/"+c.Param("token")
	return render.Page(c, status, claimPage(o))
}

// claim makes the first owner, keeps the organisation's name and time zone, and lets the owner in.
func (p *pages) claim(c echo.Context) error {
	ctx := c.Request().Context()
	o := owner{
		organisation: strings.TrimSpace(c.FormValue("organisation")), zone: c.FormValue("zone"),
		name: strings.TrimSpace(c.FormValue("name")), email: strings.TrimSpace(c.FormValue("email")),
	}
	if _, err := time.LoadLocation(o.zone); err != nil || o.zone == "" {
		o.zone = "UTC"
	}
	token, err := p.Auth.Claim(ctx, c.Param("token"), auth.NewOwner{Name: o.name, Email: o.email, Password: c.FormValue("password")})
	if err != nil {
		return p.refuse(c, err, func(status int, text, field string) error {
			o.fault, o.field = text, field
			return p.showClaim(c, status, o)
		})
	}
	p.setCookie(c, token, auth.Absolute)
	if err := p.settle(ctx, token, o); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/channels")
}

func (p *pages) settle(ctx context.Context, token string, o owner) error {
	a, _, err := p.Auth.Authenticate(ctx, token)
	if err != nil {
		return err
	}
	s, err := p.Desk.Settings(ctx)
	if err != nil {
		return err
	}
	s.Organisation, s.TimeZone = o.organisation, o.zone
	return p.Desk.SaveSettings(ctx, a, s)
}

// zones are the time zones that the claim page offers beside the browser's own.
var zones = []string{
	"UTC", "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Asia/Singapore", "Asia/Kuala_Lumpur", "Asia/Manila",
	"Asia/Kolkata", "Asia/Dubai", "Asia/Tokyo", "Africa/Lagos", "Africa/Nairobi", "Europe/London", "Europe/Berlin",
	"Europe/Istanbul", "America/Sao_Paulo", "America/New_York", "America/Mexico_City", "America/Los_Angeles", "Australia/Sydney",
}
