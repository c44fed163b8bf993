// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/word"
)

// searchJSON is what a search found.
type searchJSON struct {
	Contacts []contactJSON      `json:"contacts"`
	Messages []foundMessageJSON `json:"messages"`
	// SearchedBackTo is null when every message was looked at.
	SearchedBackTo stamp `json:"searched_back_to"`
	// Indexing is null unless older messages are still being read into the index.
	Indexing *indexingJSON `json:"indexing"`
}

// indexingJSON says how many of the days with messages are in the index.
type indexingJSON struct {
	Days     int `json:"days"`
	DaysDone int `json:"days_done"`
}

// foundMessageJSON is a message and the parts of its text that were looked for.
type foundMessageJSON struct {
	messageJSON
	Highlights []word.Range `json:"highlights"`
}

// search finds contacts by phone number, e-mail address or the beginning of any word of their name, and messages by
// what is written in them.
func (x *API) search(c echo.Context, a app.Actor) error {
	q, err := searchQuery(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	out := searchJSON{Contacts: []contactJSON{}}
	if q.After.Seq == 0 && q.Text != "" {
		people, err := x.desk.SearchContacts(ctx, a, q.Text, q.Limit)
		if err != nil {
			return err
		}
		for i := range people {
			out.Contacts = append(out.Contacts, contactOf(&people[i]))
		}
	}
	found, err := x.desk.SearchMessages(ctx, a, q)
	if err != nil {
		return err
	}
	out.SearchedBackTo = stamp(app.InstantOf(found.Back))
	if found.Building {
		p, err := x.desk.SearchProgress(ctx)
		if err != nil {
			return err
		}
		out.Indexing = &indexingJSON{p.Days, p.DaysDone}
	}
	list, err := x.withNames(ctx, a, found.Messages)
	if err != nil {
		return err
	}
	out.Messages = make([]foundMessageJSON, len(list))
	for i := range list {
		out.Messages[i] = foundMessageJSON{list[i], characters(list[i].Text, found.Words.Highlights(list[i].Text))}
	}
	answer := struct {
		Data searchJSON `json:"data"`
		Next *string    `json:"next"`
	}{Data: out}
	if found.Next.Seq != 0 {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(found.Next.String()))
		answer.Next = &cursor
	}
	return c.JSON(http.StatusOK, answer)
}

func searchQuery(c echo.Context) (q app.SearchQuery, err error) {
	if q.Limit, err = limitOf(c); err != nil {
		return q, err
	}
	cursor, err := cursorOf(c)
	if err != nil {
		return q, err
	}
	if cursor != "" {
		if q.After, err = app.ParseMessageID(cursor); err != nil {
			return q, badCursor()
		}
	}
	q.Text = c.QueryParam("q")
	if strings.TrimSpace(q.Text) == "" {
		q.Text = ""
	}
	for name, into := range map[string]func(uint64){
		"contact": func(n uint64) { q.Contact = app.ContactID(n) }, //nolint:gosec // read as 32 bits
		"agent":   func(n uint64) { q.Agent = app.AgentID(n) },     //nolint:gosec // read as 32 bits
		"inbox":   func(n uint64) { q.Inbox = app.InboxID(n) },
	} {
		bits := 32
		if name == "inbox" {
			bits = 64
		}
		n, err := numberQuery(c, name, bits)
		if err != nil {
			return q, err
		}
		into(n)
	}
	if s := c.QueryParam("from"); s != "" {
		if q.From, err = app.ParseSearchDay("from", s); err != nil {
			return q, err
		}
	}
	if s := c.QueryParam("to"); s != "" {
		if q.To, err = app.ParseSearchDay("to", s); err != nil {
			return q, err
		}
	}
	switch s := c.QueryParam("has"); s {
	case "":
	case "file":
		q.File = true
	default:
		return q, invalid("has", "problem.search_has", "has is file, or left out.")
	}
	return q, nil
}

// characters turns places counted in bytes into places counted in characters (Unicode code points).
func characters(text string, ranges []word.Range) []word.Range {
	out := make([]word.Range, len(ranges))
	at, n := 0, 0
	to := func(b int) int {
		n += utf8.RuneCountInString(text[at:b])
		at = b
		return n
	}
	for i, r := range ranges {
		out[i].Start = to(r.Start)
		out[i].End = to(r.End)
	}
	return out
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
			name, err := x.desk.ContactName(ctx, a, m.Contact)
			if err != nil {
				return nil, err
			}
			who = refJSON{ID: formatID(m.Contact), Name: name}
			people[m.Contact] = who
		}
		out[i] = all.message(m, who)
	}
	return out, nil
}
