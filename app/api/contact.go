// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// contactJSON is a contact as programs see it.
type contactJSON struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Username   string            `json:"username,omitempty"`
	Phones     []string          `json:"phones"`
	Emails     []string          `json:"emails"`
	Fields     map[string]string `json:"fields"`
	Labels     []string          `json:"labels"`
	Identities []app.Identity    `json:"identities"`
	Consent    consentJSON       `json:"consent"`
	Sensitive  bool              `json:"sensitive"`
	Masked     bool              `json:"masked"`
	CreatedAt  stamp             `json:"created_at"`
	UpdatedAt  stamp             `json:"updated_at"`
}

type consentJSON struct {
	MarketingStopped   bool   `json:"marketing_stopped"`
	MarketingChangedAt stamp  `json:"marketing_changed_at"`
	Evidence           string `json:"evidence,omitempty"`
}

func contactOf(c *app.Contact) contactJSON {
	out := contactJSON{
		ID: formatID(c.ID), Name: c.DisplayName(), Username: c.Username, Phones: nonNil(c.Phones), Emails: nonNil(c.Emails),
		Fields: c.Fields, Labels: nonNil(c.Labels), Identities: nonNil(c.Identities),
		Consent: consentJSON{
			MarketingStopped: c.Consent.MarketingStopped, MarketingChangedAt: stamp(c.Consent.MarketingChangedAt),
			Evidence: c.Consent.Evidence,
		},
		Sensitive: c.Sensitive, Masked: c.Masked, CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
	if out.Fields == nil {
		out.Fields = map[string]string{}
	}
	return out
}

// contactRequest is what a program says about a contact. A field that is null is removed.
type contactRequest struct {
	Name   *string            `json:"name"`
	Phones []string           `json:"phones"`
	Emails []string           `json:"emails"`
	Fields map[string]*string `json:"fields"`
	Labels []string           `json:"labels"`
	// Sensitive flags the contact: only who may see what is sensitive knows of it then.
	Sensitive *bool `json:"sensitive"`
}

func (r *contactRequest) input() app.ContactInput {
	in := app.ContactInput{Name: r.Name, Phones: r.Phones, Emails: r.Emails, Labels: r.Labels, Sensitive: r.Sensitive}
	if len(r.Fields) > 0 {
		in.Fields = make(map[string]string, len(r.Fields))
		for name, value := range r.Fields {
			if in.Fields[name] = ""; value != nil {
				in.Fields[name] = *value
			}
		}
	}
	return in
}

func (x *API) listContacts(c echo.Context, a app.Actor) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(c)
	if err != nil {
		return err
	}
	q := app.ContactQuery{Phone: phoneQuery(c), Email: c.QueryParam("email"), Prefix: strings.TrimSpace(c.QueryParam("q")), Limit: limit}
	if cursor != "" {
		n, err := strconv.ParseUint(cursor, 10, 32)
		if err != nil {
			return badCursor()
		}
		q.After = app.ContactID(n)
	}
	found, more, err := x.desk.Contacts(c.Request().Context(), a, q)
	if err != nil {
		return err
	}
	out, next := make([]contactJSON, len(found)), ""
	for i := range found {
		out[i] = contactOf(&found[i])
	}
	if more {
		next = formatID(found[len(found)-1].ID)
	}
	return answerList(c, out, next)
}

// phoneQuery takes a plus sign that was not escaped, and so arrived as a space, for what it was.
func phoneQuery(c echo.Context) string { return strings.TrimSpace(c.QueryParam("phone")) }

func (x *API) addContact(c echo.Context, a app.Actor) error {
	var r contactRequest
	if err := body(c, &r); err != nil {
		return err
	}
	in := r.input()
	var err error
	if in.Key, err = repeatKey(c); err != nil {
		return err
	}
	made, err := x.desk.AddContact(c.Request().Context(), a, in)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/contacts/"+formatID(made.ID))
	return c.JSON(http.StatusCreated, contactOf(made))
}

func (x *API) getContact(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 32)
	if err != nil {
		return err
	}
	found, err := x.desk.Contact(c.Request().Context(), a, app.ContactID(n))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, contactOf(found))
}

func (x *API) changeContact(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 32)
	if err != nil {
		return err
	}
	var r contactRequest
	if err := body(c, &r); err != nil {
		return err
	}
	changed, err := x.desk.ChangeContact(c.Request().Context(), a, app.ContactID(n), r.input())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, contactOf(changed))
}

// revealContact shows a masked contact in full. It is a POST because it is an act: it is audited each time.
func (x *API) revealContact(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 32)
	if err != nil {
		return err
	}
	found, err := x.desk.Reveal(c.Request().Context(), a, app.ContactID(n))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, contactOf(found))
}

func (x *API) eraseContact(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 32)
	if err != nil {
		return err
	}
	if err := x.desk.EraseContact(c.Request().Context(), a, app.ContactID(n)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
