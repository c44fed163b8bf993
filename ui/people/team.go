// SPDX-License-Identifier: Apache-2.0

package people

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
	"kith/ui/component"
	"kith/ui/render"
)

// again leads back to the list, or shows it with what is wrong with a form.
func (p *pages) again(c echo.Context, a app.Actor, form string, err error) error {
	if err == nil {
		render.SetFlash(c, render.Flash{Key: "people.saved", Kind: string(component.OK)})
		return render.Redirect(c, Path)
	}
	r, broken := p.room(c, a)
	if broken != nil {
		return broken
	}
	text, field, ok := p.text(r.l, err)
	if !ok {
		return err
	}
	r.form, r.fault, r.field = form, text, field
	return render.Page(c, http.StatusUnprocessableEntity, listPage(r))
}

func (p *pages) addTeam(c echo.Context, a app.Actor) error {
	_, err := p.Desk.AddTeam(c.Request().Context(), a, c.FormValue("team"))
	return p.again(c, a, "team", err)
}

func teamID(c echo.Context) (app.TeamID, error) {
	n, err := strconv.ParseUint(c.Param("id"), 10, 64)
	if err != nil {
		return 0, &app.Problem{Kind: app.ErrNotFound, Key: "problem.team_missing", Text: "This team does not exist."}
	}
	return app.TeamID(n), nil
}

// changeTeam keeps the name and the members that are ticked.
func (p *pages) changeTeam(c echo.Context, a app.Actor) error {
	id, err := teamID(c)
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return &app.Problem{Kind: app.ErrInvalid, Key: "problem.form", Text: "The browser did not send the whole form. Try again."}
	}
	var members []app.AgentID
	for _, m := range form["member"] {
		n, err := strconv.ParseUint(m, 10, 32)
		if err != nil {
			return &app.Problem{Kind: app.ErrInvalid, Field: "members", Key: "problem.agent_missing", Text: "This agent does not exist."}
		}
		members = append(members, app.AgentID(n))
	}
	return p.again(c, a, "team"+c.Param("id"), p.Desk.ChangeTeam(c.Request().Context(), a, id, c.FormValue("team"), members))
}

func (p *pages) removeTeam(c echo.Context, a app.Actor) error {
	id, err := teamID(c)
	if err != nil {
		return err
	}
	return p.again(c, a, "team", p.Desk.RemoveTeam(c.Request().Context(), a, id))
}

// policy keeps how people sign in.
func (p *pages) policy(c echo.Context, a app.Actor) error {
	second, err := strconv.ParseUint(c.FormValue("second"), 10, 8)
	if err != nil {
		second = 255
	}
	idle, err1 := minutes(c.FormValue("idle"), time.Hour)
	most, err2 := minutes(c.FormValue("absolute"), 24*time.Hour)
	pol := auth.Policy{Second: auth.Demand(second), Idle: idle, Absolute: most}
	switch {
	case err1 != nil:
		err = &app.Problem{Kind: app.ErrInvalid, Field: "idle", Key: "problem.policy_idle", Text: "Enter from 5 minutes to a year."}
	case err2 != nil:
		err = &app.Problem{Kind: app.ErrInvalid, Field: "absolute", Key: "problem.policy_absolute", Text: "Enter from 15 minutes to a year."}
	default:
		err = p.Auth.SavePolicy(c.Request().Context(), a, pol)
	}
	return p.again(c, a, "policy", err)
}

// minutes reads a number of units; nothing is 0.
func minutes(s string, unit time.Duration) (uint32, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint32(n) * uint32(unit.Minutes()), err
}

// faultOf is what is wrong with a field of a form; "" is the form itself.
func (r *room) faultOf(form, field string) string {
	if r.form == form && r.field == field {
		return r.fault
	}
	return ""
}

// mayChange reports whether whoever looks may change the person: owners are changed by owners.
func (r *room) mayChange(who *app.Agent) bool {
	return who.Role != app.Owner || r.actor.Role == app.Owner
}

func (r *room) self(who *app.Agent) bool { return r.actor.Agent() == who.ID }

// roles are the roles that whoever looks may give.
func (r *room) roles(chosen app.Role) []component.Option {
	var out []component.Option
	for _, role := range app.BuiltInRoles() {
		if role != app.Owner || r.actor.Role == app.Owner {
			out = append(out, component.Option{Value: role.String(), Label: r.roleName(role), Selected: role == chosen})
		}
	}
	for i := range r.custom {
		one := &r.custom[i]
		out = append(out, component.Option{Value: one.Name, Label: one.Name, Selected: one.ID == chosen})
	}
	return out
}

func (r *room) roleName(role app.Role) string {
	for i := range r.custom {
		if r.custom[i].ID == role {
			return r.custom[i].Name
		}
	}
	if key := "people.role_" + role.String(); r.l.Has(key) {
		return r.l.T(key)
	}
	return role.String()
}

// state is what is to be known about a person at a glance.
func (r *room) state(who *app.Agent) (component.Kind, string) {
	until, invited := r.pending[who.ID]
	switch {
	case who.Disabled:
		return component.Plain, r.l.T("people.state_disabled")
	case who.LeaveAt != 0:
		return component.Danger, r.l.T("people.state_leaving")
	case invited && until.Before(r.now):
		return component.Danger, r.l.T("people.state_expired")
	case invited:
		return component.Warn, r.l.T("people.state_invited")
	case who.Away:
		return component.Warn, r.l.T("people.state_away")
	}
	return component.OK, r.l.T("people.state_active")
}

// teamsOf names the teams of a person.
func (r *room) teamsOf(id app.AgentID) string {
	var names []string
	for i := range r.teams {
		if slices.Contains(r.teams[i].Members, id) {
			names = append(names, r.teams[i].Name)
		}
	}
	return strings.Join(names, ", ")
}

func (r *room) demands() []component.Option {
	var out []component.Option
	for i, key := range []string{"people.second_default", "people.second_privileged", "people.second_everybody", "people.second_nobody"} {
		out = append(out, component.Option{Value: strconv.Itoa(i), Label: r.l.T(key), Selected: int(r.policy.Second) == i})
	}
	return out
}

// units writes minutes as whole units, nothing for 0.
func units(n uint32, unit time.Duration) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n) / int(unit.Minutes()))
}
