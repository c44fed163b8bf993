// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
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

// OwnPath is where people look after their own account.
const OwnPath = "/account"

// own is what the page of the own account shows.
type own struct {
	v        layout.View
	me       *app.Agent
	factors  auth.Factors
	sessions []auth.Session
	here     uint64 // the session of this browser
	news     []auth.News
	now      time.Time
	fault    string
	field    string
	form     string   // which form the fault is about
	codes    []string // recovery codes, shown once
	role     string
}

func (p *pages) registerOwn(e *echo.Echo) {
	back := func(echo.Context) string { return OwnPath }
	e.GET(OwnPath, p.Signed(p.own))
	e.POST(OwnPath, p.Signed(p.saveProfile))
	e.POST(OwnPath+"/presence", p.Signed(p.presence))
	e.POST(OwnPath+"/news", p.Signed(p.heard))
	e.POST(OwnPath+"/leave", p.Signed(p.leave))
	e.POST(OwnPath+"/sessions/:id/end", p.Signed(p.endSession))
	e.POST(OwnPath+"/sessions/end", p.Fresh(back, p.endOthers))
	e.POST(OwnPath+"/email", p.Fresh(back, p.saveEmail))
	e.POST(OwnPath+"/password", p.Fresh(back, p.savePassword))
	e.POST(OwnPath+"/second/remove", p.Fresh(back, p.removeFactor))
	e.POST(OwnPath+"/recovery", p.Fresh(back, p.newCodes))
	e.POST(OwnPath+"/export", p.Fresh(back, p.export))
}

func (p *pages) own(c echo.Context, a app.Actor) error { return p.showOwn(c, a, http.StatusOK, own{}) }

func (p *pages) showOwn(c echo.Context, a app.Actor, status int, o own) (err error) {
	ctx := c.Request().Context()
	if o.me, err = p.Desk.Agent(ctx, a.Agent()); err != nil {
		return err
	}
	if o.v, err = p.View(c, a, ""); err != nil {
		return err
	}
	o.v.Title = o.v.Locale.T("account.own_title")
	if o.role, err = p.roleName(ctx, o.v.Locale, o.me.Role); err != nil {
		return err
	}
	if o.factors, err = p.Auth.Factors(ctx, o.me); err != nil {
		return err
	}
	if o.sessions, err = p.Auth.Sessions(ctx, a, a.Agent()); err != nil {
		return err
	}
	if o.news, err = p.Auth.News(ctx, a.Agent()); err != nil {
		return err
	}
	if _, s, err := p.Auth.Authenticate(ctx, p.Token(c)); err == nil {
		o.here = s.ID
	}
	o.now = p.Now()
	return render.Page(c, status, ownPage(&o))
}

// roleName is what a role is called, whoever made it.
func (p *pages) roleName(ctx context.Context, l *locale.Locale, role app.Role) (string, error) {
	if key := "people.role_" + role.String(); role.BuiltIn() && l.Has(key) {
		return l.T(key), nil
	}
	custom, err := p.Desk.Roles(ctx)
	for i := range custom {
		if custom[i].ID == role {
			return custom[i].Name, err
		}
	}
	return role.String(), err
}

// done says that a form was kept, or shows the page again with what is wrong.
func (p *pages) done(c echo.Context, a app.Actor, form, flash string, err error) error {
	if err == nil {
		render.SetFlash(c, render.Flash{Key: flash, Kind: string(component.OK)})
		return render.Redirect(c, OwnPath)
	}
	v, frame := p.View(c, a, "")
	if frame != nil {
		return frame
	}
	text, ok := p.Problem(v.Locale, err)
	if !ok {
		return err
	}
	o := own{fault: text, form: form}
	if pr := (*app.Problem)(nil); errors.As(err, &pr) {
		o.field = pr.Field
	}
	return p.showOwn(c, a, http.StatusUnprocessableEntity, o)
}

func (p *pages) saveProfile(c echo.Context, a app.Actor) error {
	name := c.FormValue("name")
	profile := app.Profile{
		Phone: trimmed(c, "phone"), Company: trimmed(c, "company"), Title: trimmed(c, "job_title"), Department: trimmed(c, "department"),
		TimeZone: c.FormValue("zone"),
	}
	if lang := c.FormValue("lang"); lang != "" {
		profile.Language = locale.Match("", lang).Tag
	}
	_, err := p.Auth.ChangeAgent(c.Request().Context(), a, a.Agent(), app.AgentChange{Name: &name, Profile: &profile})
	if err == nil {
		if profile.Language != "" {
			p.keep(c, locale.Cookie, profile.Language)
		}
		p.keep(c, locale.ZoneCookie, profile.TimeZone)
	}
	return p.done(c, a, "profile", "account.saved", err)
}

func trimmed(c echo.Context, name string) string { return strings.TrimSpace(c.FormValue(name)) }

func (p *pages) presence(c echo.Context, a app.Actor) error {
	away := c.FormValue("away") == "true"
	_, err := p.Auth.ChangeAgent(c.Request().Context(), a, a.Agent(), app.AgentChange{Away: &away})
	return p.done(c, a, "presence", "account.saved", err)
}

func (p *pages) heard(c echo.Context, a app.Actor) error {
	return p.done(c, a, "news", "account.saved", p.Auth.HeardNews(c.Request().Context(), a))
}

func (p *pages) leave(c echo.Context, a app.Actor) error {
	ask := c.FormValue("leave") == "true"
	_, err := p.Auth.ChangeAgent(c.Request().Context(), a, a.Agent(), app.AgentChange{Leave: &ask})
	return p.done(c, a, "leave", "account.saved", err)
}

func (p *pages) endSession(c echo.Context, a app.Actor) error {
	id, err := strconv.ParseUint(c.Param("id"), 10, 64)
	if err != nil {
		return &app.Problem{Kind: app.ErrNotFound, Key: "problem.session_missing", Text: "This session is over already."}
	}
	err = p.Auth.EndSession(c.Request().Context(), a, a.Agent(), id)
	return p.done(c, a, "sessions", "account.session_ended", err)
}

func (p *pages) endOthers(c echo.Context, a app.Actor) error {
	err := p.Auth.SignOutEverywhere(c.Request().Context(), a, a.Agent(), p.Token(c))
	return p.done(c, a, "sessions", "account.sessions_ended", err)
}

func (p *pages) saveEmail(c echo.Context, a app.Actor) error {
	email := c.FormValue("email")
	_, err := p.Auth.ChangeAgent(c.Request().Context(), a, a.Agent(), app.AgentChange{Email: &email})
	return p.done(c, a, "email", "account.saved", err)
}

func (p *pages) savePassword(c echo.Context, a app.Actor) error {
	err := p.Auth.ChangePassword(c.Request().Context(), a, a.Agent(), c.FormValue("password"), p.Token(c))
	return p.done(c, a, "password", "account.password_saved", err)
}

func (p *pages) removeFactor(c echo.Context, a app.Actor) error {
	err := p.Auth.RemoveFactors(c.Request().Context(), a, a.Agent(), p.Token(c))
	return p.done(c, a, "second", "account.second_removed", err)
}

func (p *pages) newCodes(c echo.Context, a app.Actor) error {
	codes, err := p.Auth.NewRecoveryCodes(c.Request().Context(), a)
	if err != nil {
		return p.done(c, a, "second", "", err)
	}
	return p.showOwn(c, a, http.StatusOK, own{codes: codes})
}

// export answers with everything that is kept about the person, as a file.
func (p *pages) export(c echo.Context, a app.Actor) error {
	out, err := p.Auth.TakeAccount(c.Request().Context(), a)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("writing an account: %w", err)
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="kith-account.json"`)
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, append(body, '\n'))
}

// faultOf is what is wrong with a field of a form; "" is the form itself.
func (o *own) faultOf(form, field string) string {
	if o.form == form && o.field == field {
		return o.fault
	}
	return ""
}

// headlines are the sentences for news about an account.
var headlines = map[app.AuditKind]string{
	app.AuditNewDevice: "account.news_device", app.AuditFactorAdded: "account.news_factor_added",
	app.AuditFactorRemoved: "account.news_factor_removed", app.AuditRecoveryMade: "account.news_codes",
	app.AuditRecoveryUsed: "account.news_code_used", app.AuditPasswordSet: "account.news_password",
	app.AuditAgentChanged: "account.news_email",
}

// Headline says a piece of news about an account in one sentence.
func Headline(l *locale.Locale, n *auth.News) string {
	key, ok := headlines[n.Kind]
	if !ok {
		key = "account.news_other"
	}
	device := n.Device
	if device == "" {
		device = l.T("account.device_unknown")
	}
	return l.T(key, "time", l.DateTime(n.At.Time()), "device", device)
}

func (o *own) device(s *auth.Session) string {
	if s.Device == "" {
		return o.v.Locale.T("account.device_unknown")
	}
	return s.Device
}

func (o *own) languages() []component.Option {
	out := []component.Option{{Label: o.v.Locale.T("account.language_browser"), Selected: o.me.Profile.Language == ""}}
	for _, one := range locale.All() {
		out = append(out, component.Option{Value: one.Tag, Label: one.Name, Selected: one.Tag == o.me.Profile.Language})
	}
	return out
}
