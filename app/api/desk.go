// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strings"

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

func (x *API) listAgents(c echo.Context, _ app.Actor) error {
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
	}
	return answerList(c, out, "")
}

// searchJSON is what a search found. Messages are not searched yet: the list is there so that its place is known.
type searchJSON struct {
	Contacts []contactJSON `json:"contacts"`
	Messages []messageJSON `json:"messages"`
}

// search finds contacts by phone number, e-mail address or the beginning of any word of their name.
func (x *API) search(c echo.Context, a app.Actor) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(c.QueryParam("q"))
	if text == "" {
		return invalid("q", "problem.search_empty", "Say what to look for as q.")
	}
	q := app.ContactQuery{Prefix: text, Limit: limit}
	if strings.Contains(text, "@") {
		q = app.ContactQuery{Email: text, Limit: limit}
	} else if _, err := app.NormalPhone(text); err == nil {
		q = app.ContactQuery{Phone: text, Limit: limit}
	}
	found, _, err := x.desk.Contacts(c.Request().Context(), a, q)
	if err != nil {
		return err
	}
	out := searchJSON{Contacts: make([]contactJSON, len(found)), Messages: []messageJSON{}}
	for i := range found {
		out.Contacts[i] = contactOf(&found[i])
	}
	return c.JSON(http.StatusOK, map[string]searchJSON{"data": out})
}
