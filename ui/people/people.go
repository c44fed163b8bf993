// SPDX-License-Identifier: Apache-2.0

// Package people is where owners and admins look after who works here: invitations, roles, teams, and how everybody signs
// in.
package people

import (
	"context"
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

// Path is where the people are.
const Path = "/settings/people"

// PersonPath is the page of one person.
func PersonPath(id app.AgentID) string { return Path + "/" + strconv.FormatUint(uint64(id), 10) }

// Deps is what the pages need.
type Deps struct {
	Desk   *app.Desk
	Auth   *auth.Auth
	Signed func(h func(c echo.Context, a app.Actor) error) echo.HandlerFunc
	// Fresh is Signed for what is dangerous: people prove first who they are, and come back to the page that back names.
	Fresh func(back func(c echo.Context) string, h func(c echo.Context, a app.Actor) error) echo.HandlerFunc
	View  func(c echo.Context, a app.Actor, title string) (layout.View, error)
	// Problem says an error in the language of the page; ok is false when it is not one for people.
	Problem func(l *locale.Locale, err error) (text string, ok bool)
	Now     func() time.Time
	// Base is the address of kith as others see it; it stands before the links of invitations.
	Base string
}

type pages struct{ Deps }

// Register adds the routes.
func Register(e *echo.Echo, d Deps) {
	p := pages{d}
	list := func(echo.Context) string { return Path }
	one := func(c echo.Context) string { return Path + "/" + c.Param("id") }
	e.GET(Path, p.signed(p.list))
	e.POST(Path, p.Fresh(list, p.may(p.invite)))
	e.GET(Path+"/:id", p.signed(p.one))
	e.POST(Path+"/:id/role", p.Fresh(one, p.may(p.role)))
	e.POST(Path+"/:id/link", p.Fresh(one, p.may(p.link)))
	e.POST(Path+"/:id/disable", p.Fresh(one, p.may(p.disable)))
	e.POST(Path+"/:id/enable", p.Fresh(one, p.may(p.enable)))
	e.POST(Path+"/:id/second", p.Fresh(one, p.may(p.resetFactor)))
	e.POST(Path+"/:id/sign-out", p.signed(p.signOut))
	e.POST("/settings/sign-in", p.Fresh(list, p.may(p.policy)))
	e.POST("/settings/teams", p.signed(p.addTeam))
	e.POST("/settings/teams/:id", p.signed(p.changeTeam))
	e.POST("/settings/teams/:id/remove", p.signed(p.removeTeam))
}

// may lets only those in who may look after people.
func (p *pages) may(h func(c echo.Context, a app.Actor) error) func(c echo.Context, a app.Actor) error {
	return func(c echo.Context, a app.Actor) error {
		if !a.May(app.MayAgents) {
			return &app.Problem{
				Kind: app.ErrForbidden, Key: "problem.forbidden", Args: []any{a.Role.String()},
				Text: fmt.Sprintf("Your role (%s) does not allow this. Ask an owner or admin.", a.Role),
			}
		}
		return h(c, a)
	}
}

func (p *pages) signed(h func(c echo.Context, a app.Actor) error) echo.HandlerFunc {
	return p.Signed(p.may(h))
}

// room is what the pages show.
type room struct {
	v       layout.View
	l       *locale.Locale
	actor   app.Actor
	people  []app.Agent
	pending map[app.AgentID]time.Time // ends of invitations
	teams   []app.Team
	policy  auth.Policy
	custom  []app.CustomRole
	now     time.Time

	who      *app.Agent // of the page of one person
	factors  auth.Factors
	sessions int
	link     string // of an invitation, shown once
	linkFor  string

	form, field, fault string
	typed              app.NewAgent
}

func (p *pages) room(c echo.Context, a app.Actor) (r *room, err error) {
	ctx := c.Request().Context()
	r = &room{actor: a, now: p.Now()}
	if r.v, err = p.View(c, a, ""); err != nil {
		return nil, err
	}
	r.l = r.v.Locale
	r.v.Title = r.l.T("people.title")
	if r.people, err = p.Desk.Agents(ctx); err != nil {
		return nil, err
	}
	if r.pending, err = p.Auth.Pending(ctx, a); err != nil {
		return nil, err
	}
	if r.teams, err = p.Desk.Teams(ctx); err != nil {
		return nil, err
	}
	if r.custom, err = p.Desk.Roles(ctx); err != nil {
		return nil, err
	}
	r.policy, err = p.Auth.Policy(ctx)
	return r, err
}

// fill adds what the page of one person shows.
func (p *pages) fill(ctx context.Context, r *room, id app.AgentID) (err error) {
	if r.who, err = p.Desk.Agent(ctx, id); err != nil {
		return err
	}
	if r.factors, err = p.Auth.Factors(ctx, r.who); err != nil {
		return err
	}
	r.v.Title = r.who.Name
	if !r.mayChange(r.who) {
		return nil
	}
	living, err := p.Auth.Sessions(ctx, r.actor, id)
	r.sessions = len(living)
	return err
}

func (p *pages) list(c echo.Context, a app.Actor) error {
	r, err := p.room(c, a)
	if err != nil {
		return err
	}
	return render.Page(c, http.StatusOK, listPage(r))
}

func (p *pages) one(c echo.Context, a app.Actor) error {
	id, err := agentID(c)
	if err != nil {
		return err
	}
	return p.showOne(c, a, id, http.StatusOK, func(*room) {})
}

func (p *pages) showOne(c echo.Context, a app.Actor, id app.AgentID, status int, with func(r *room)) error {
	r, err := p.room(c, a)
	if err != nil {
		return err
	}
	if err := p.fill(c.Request().Context(), r, id); err != nil {
		return err
	}
	with(r)
	return render.Page(c, status, personPage(r))
}

func agentID(c echo.Context) (app.AgentID, error) {
	n, err := strconv.ParseUint(c.Param("id"), 10, 32)
	if err != nil {
		return 0, &app.Problem{Kind: app.ErrNotFound, Key: "problem.agent_missing", Text: "This agent does not exist."}
	}
	return app.AgentID(n), nil
}

// text says an error in words, and where; ok is false when it is not one for the form.
func (p *pages) text(l *locale.Locale, err error) (text, field string, ok bool) {
	text, ok = p.Problem(l, err)
	if pr := (*app.Problem)(nil); errors.As(err, &pr) {
		field = pr.Field
		ok = ok && !errors.Is(pr, app.ErrNotFound)
	}
	return text, field, ok
}

// invite adds a person and shows the link with which they come in.
func (p *pages) invite(c echo.Context, a app.Actor) error {
	n := app.NewAgent{Name: strings.TrimSpace(c.FormValue("name")), Email: strings.TrimSpace(c.FormValue("email"))}
	role, err := p.Desk.RoleNamed(c.Request().Context(), c.FormValue("role"))
	n.Role = role
	var who *app.Agent
	var token string
	if err == nil {
		who, token, err = p.Auth.Invite(c.Request().Context(), a, n)
	}
	r, broken := p.room(c, a)
	if broken != nil {
		return broken
	}
	status := http.StatusOK
	if err != nil {
		text, field, ok := p.text(r.l, err)
		if !ok {
			return err
		}
		r.form, r.fault, r.field, r.typed, status = "invite", text, field, n, http.StatusUnprocessableEntity
	} else {
		r.link, r.linkFor = p.url(c, token), who.Name
	}
	return render.Page(c, status, listPage(r))
}

// url is the whole address of an invitation.
func (p *pages) url(c echo.Context, token string) string {
	base := strings.TrimSuffix(p.Base, "/")
	if base == "" {
		base = c.Scheme() + "://" + c.Request().Host
	}
	return base + "/invite/" + token
}

func (p *pages) link(c echo.Context, a app.Actor) error {
	return p.about(c, a, func(ctx context.Context, id app.AgentID) (func(*room), error) {
		token, err := p.Auth.InviteAgain(ctx, a, id)
		return func(r *room) { r.link, r.linkFor = p.url(c, token), r.who.Name }, err
	})
}

// about does something to the person of the page and shows the page again: with what show adds, or what is wrong.
func (p *pages) about(c echo.Context, a app.Actor, do func(ctx context.Context, id app.AgentID) (show func(*room), err error)) error {
	id, err := agentID(c)
	if err != nil {
		return err
	}
	show, err := do(c.Request().Context(), id)
	if err == nil && show == nil {
		render.SetFlash(c, render.Flash{Key: "people.saved", Kind: string(component.OK)})
		return render.Redirect(c, PersonPath(id))
	}
	if err == nil {
		return p.showOne(c, a, id, http.StatusOK, show)
	}
	v, broken := p.View(c, a, "")
	if broken != nil {
		return broken
	}
	text, _, ok := p.text(v.Locale, err)
	if !ok {
		return err
	}
	return p.showOne(c, a, id, http.StatusUnprocessableEntity, func(r *room) { r.fault = text })
}

func (p *pages) role(c echo.Context, a app.Actor) error {
	return p.about(c, a, func(ctx context.Context, id app.AgentID) (func(*room), error) {
		role, err := p.Desk.RoleNamed(ctx, c.FormValue("role"))
		if err == nil {
			_, err = p.Auth.ChangeAgent(ctx, a, id, app.AgentChange{Role: &role})
		}
		return nil, err
	})
}

func (p *pages) disable(c echo.Context, a app.Actor) error {
	return p.about(c, a, func(ctx context.Context, id app.AgentID) (func(*room), error) {
		return nil, p.Auth.DisableAgent(ctx, a, id)
	})
}

func (p *pages) enable(c echo.Context, a app.Actor) error {
	return p.about(c, a, func(ctx context.Context, id app.AgentID) (func(*room), error) {
		return nil, p.Desk.EnableAgent(ctx, a, id)
	})
}

func (p *pages) resetFactor(c echo.Context, a app.Actor) error {
	return p.about(c, a, func(ctx context.Context, id app.AgentID) (func(*room), error) {
		return nil, p.Auth.RemoveFactors(ctx, a, id, "")
	})
}

func (p *pages) signOut(c echo.Context, a app.Actor) error {
	return p.about(c, a, func(ctx context.Context, id app.AgentID) (func(*room), error) {
		return nil, p.Auth.SignOutEverywhere(ctx, a, id, "")
	})
}
