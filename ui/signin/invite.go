// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/ui/layout"
	"kith/ui/render"
)

// InvitePath is the path of the link that invites somebody.
func InvitePath(token string) string { return "/invite/" + token }

// guest is what the page of an invitation shows.
type guest struct {
	frame                     layout.View
	path                      string
	email, name, fault, field string
}

func (p *pages) inviteForm(c echo.Context) error {
	who, err := p.Auth.Invited(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	return p.showInvite(c, http.StatusOK, guest{email: who.Email, name: who.Name})
}

func (p *pages) showInvite(c echo.Context, status int, g guest) error {
	g.frame, g.path = p.Frame(c, "signin.invite_title"), InvitePath(c.Param("token"))
	return render.Page(c, status, invitePage(g))
}

// invite gives the invited person a name and a password and lets them in.
func (p *pages) invite(c echo.Context) error {
	ctx := c.Request().Context()
	who, err := p.Auth.Invited(ctx, c.Param("token"))
	if err != nil {
		return err
	}
	g := guest{email: who.Email, name: strings.TrimSpace(c.FormValue("name"))}
	token, err := p.Auth.Accept(ctx, c.Param("token"), g.name, c.FormValue("password"), p.visitor(c))
	if err != nil {
		return p.refuse(c, err, func(status int, text, field string) error {
			g.fault, g.field = text, field
			return p.showInvite(c, status, g)
		})
	}
	return p.letIn(c, token, "/inbox")
}
