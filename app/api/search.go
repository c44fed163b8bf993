// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// searchJSON is what a search found.
type searchJSON struct {
	Contacts []contactJSON `json:"contacts"`
	Messages []messageJSON `json:"messages"`
	// SearchedBackTo is null when every message was looked at.
	SearchedBackTo stamp `json:"searched_back_to"`
}

// search finds contacts by phone number, e-mail address or the beginning of any word of their name, and messages by
// what is written in them.
func (x *API) search(c echo.Context, a app.Actor) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(c.QueryParam("q"))
	if text == "" {
		return invalid("q", "problem.search_empty", "Say what to look for as q.")
	}
	ctx := c.Request().Context()
	out := searchJSON{}
	if out.Contacts, err = x.searchContacts(ctx, a, text, limit); err != nil {
		return err
	}
	found, err := x.desk.SearchMessages(ctx, a, text, limit)
	if err != nil {
		return err
	}
	out.SearchedBackTo = stamp(app.InstantOf(found.Back))
	if out.Messages, err = x.withNames(ctx, a, found.Messages); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]searchJSON{"data": out})
}

func (x *API) searchContacts(ctx context.Context, a app.Actor, text string, limit int) ([]contactJSON, error) {
	q := app.ContactQuery{Prefix: text, Limit: limit}
	if strings.Contains(text, "@") {
		q = app.ContactQuery{Email: text, Limit: limit}
	} else if _, err := app.NormalPhone(text); err == nil {
		q = app.ContactQuery{Phone: text, Limit: limit}
	}
	found, _, err := x.desk.Contacts(ctx, a, q)
	out := make([]contactJSON, len(found))
	for i := range found {
		out[i] = contactOf(&found[i])
	}
	return out, err
}

// withNames writes messages of several conversations, each with its contact.
func (x *API) withNames(ctx context.Context, a app.Actor, list []app.Message) ([]messageJSON, error) {
	all, err := x.names(ctx)
	if err != nil {
		return nil, err
	}
	people := map[app.ContactID]refJSON{}
	out := make([]messageJSON, len(list))
	for i := range list {
		m := &list[i]
		who, known := people[m.Contact]
		if !known {
			who = refJSON{ID: formatID(m.Contact)}
			card, err := x.desk.Contact(ctx, a, m.Contact)
			if err == nil {
				who = refJSON{ID: formatID(card.ID), Name: card.DisplayName()}
			} else if !errors.Is(err, app.ErrNotFound) {
				return nil, err
			}
			people[m.Contact] = who
		}
		out[i] = all.message(m, who)
	}
	return out, nil
}
