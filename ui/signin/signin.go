// SPDX-License-Identifier: Apache-2.0

// Package signin is how somebody comes in and leaves: the claim link of a new installation, sign-in and sign-out.
package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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

// Deps is what the pages need.
type Deps struct {
	Desk *app.Desk
	Auth *auth.Auth
	// Frame makes the frame of a page for somebody who is not known yet.
	Frame func(c echo.Context, title string) layout.View
	// Problem says an error in the language of the page; ok is false when it is not one for people.
	Problem func(l *locale.Locale, err error) (text string, ok bool)
	// Secure says that browsers reach kith by TLS only.
	Secure bool
	Now    func() time.Time
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
	e.GET("/invite/:token", p.inviteForm)
	e.POST("/invite/:token", p.invite)
	e.GET(SecondPath, p.secondForm)
	e.POST(SecondPath, p.second)
	e.GET(SetUpPath, p.setUpForm)
	e.POST(SetUpPath, p.setUp)
	e.GET(ProvePath, p.proveForm)
	e.POST(ProvePath, p.prove)
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

// SetToken gives the browser the token of its session; "" takes it away.
func SetToken(c echo.Context, token string, secure bool) {
	age := auth.Absolute
	if token == "" {
		age = -time.Second
	}
	c.SetCookie(&http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: CookieName(secure), Value: token, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	})
}

// Visitor is who knocks, as far as the request tells.
func Visitor(c echo.Context, secure bool) auth.Visitor {
	return auth.Visitor{Address: c.RealIP(), Browser: c.Request().UserAgent(), Token: Token(c, secure)}
}

func (p *pages) setCookie(c echo.Context, token string) { SetToken(c, token, p.Secure) }

func (p *pages) token(c echo.Context) string { return Token(c, p.Secure) }

func (p *pages) visitor(c echo.Context) auth.Visitor { return Visitor(c, p.Secure) }

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
	if _, s, err := p.Auth.Holder(c.Request().Context(), p.token(c)); err == nil {
		return c.Redirect(http.StatusSeeOther, onward(s, c.QueryParam("next")))
	}
	return p.show(c, http.StatusOK, entry{next: c.QueryParam("next")})
}

func (p *pages) show(c echo.Context, status int, en entry) error {
	en.frame = p.Frame(c, "signin.title")
	return render.Page(c, status, signInPage(en))
}

func (p *pages) signIn(c echo.Context) error {
	en := entry{next: c.FormValue("next"), email: strings.TrimSpace(c.FormValue("email"))}
	token, err := p.Auth.Enter(c.Request().Context(), en.email, c.FormValue("password"), p.visitor(c))
	if err != nil {
		return p.refuse(c, err, func(status int, text, field string) error {
			en.fault, en.field = text, field
			return p.show(c, status, en)
		})
	}
	return p.letIn(c, token, en.next)
}

// letIn gives the browser its session and leads on: to the second factor while one is missing, else to next.
func (p *pages) letIn(c echo.Context, token, next string) error {
	who, s, err := p.Auth.Holder(c.Request().Context(), token)
	if err != nil {
		return err
	}
	p.setCookie(c, token)
	p.remember(c, who)
	return c.Redirect(http.StatusSeeOther, onward(s, next))
}

// remember makes the browser speak the person's language and show their time.
func (p *pages) remember(c echo.Context, who *app.Agent) {
	for name, value := range map[string]string{locale.Cookie: who.Profile.Language, locale.ZoneCookie: who.Profile.TimeZone} {
		if value != "" {
			c.SetCookie(&http.Cookie{ //nolint:gosec // holds no secret; Secure wherever there is TLS
				Name: name, Value: value, Path: "/", MaxAge: 365 * 24 * 3600, Secure: p.Secure, SameSite: http.SameSiteLaxMode,
			})
		}
	}
}

// onward is where a session leads.
func onward(s *auth.Session, next string) string {
	next = Next(next)
	switch s.Stage {
	case auth.NeedsFactor:
		return SecondPath + "?next=" + url.QueryEscape(next)
	case auth.MustEnrol:
		return SetUpPath + "?next=" + url.QueryEscape(next)
	case auth.Whole:
	}
	return next
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
	err := p.Auth.SignOut(c.Request().Context(), p.token(c))
	if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
		return err
	}
	p.setCookie(c, "")
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
	token, err := p.Auth.Claim(ctx, c.Param("token"), auth.NewOwner{
		Name: o.name, Email: o.email, Password: c.FormValue("password"), Visitor: p.visitor(c),
	})
	if err != nil {
		return p.refuse(c, err, func(status int, text, field string) error {
			o.fault, o.field = text, field
			return p.showClaim(c, status, o)
		})
	}
	if err := p.settle(ctx, token, o); err != nil {
		return err
	}
	return p.letIn(c, token, "/channels")
}

func (p *pages) settle(ctx context.Context, token string, o owner) error {
	who, _, err := p.Auth.Holder(ctx, token)
	if err != nil {
		return err
	}
	a := app.Actor{Kind: app.ActorAgent, ID: uint64(who.ID), Role: who.Role}
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
