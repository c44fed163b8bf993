// SPDX-License-Identifier: Apache-2.0

package api

import (
	"github.com/labstack/echo/v4"

	"kith/app"
)

type labelJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Hue  uint8  `json:"hue"`
}

func (x *API) listLabels(c echo.Context, _ app.Actor) error {
	all, err := x.desk.Labels(c.Request().Context())
	if err != nil {
		return err
	}
	out := make([]labelJSON, len(all))
	for i, l := range all {
		out[i] = labelJSON{ID: formatID(l.ID), Name: l.Name, Hue: l.Hue}
	}
	return answerList(c, out, "")
}

type agentJSON struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Email     string `json:"email"`
	Role      string `json:"role"`
	Disabled  bool   `json:"disabled"`
	CreatedAt stamp  `json:"created_at"`
	UpdatedAt stamp  `json:"updated_at"`
}

// listAgents names everybody who works here; only who may add people sees their addresses.
func (x *API) listAgents(c echo.Context, a app.Actor) error {
	all, err := x.desk.Agents(c.Request().Context())
	if err != nil {
		return err
	}
	out := make([]agentJSON, len(all))
	for i, p := range all {
		out[i] = agentJSON{
			ID: formatID(p.ID), Name: p.Name, Email: p.Email, Role: p.Role.String(), Disabled: p.Disabled,
			CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.CreatedAt),
		}
		if !a.May(app.MayAgents) {
			out[i].Email = ""
		}
	}
	return answerList(c, out, "")
}
