// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"strconv"
	"strings"
	"time"

	"kith/app/word"
	"kith/store"
)

// operators are what narrows a search down, as people type them, in English and Indonesian.
var operators = map[string]string{
	"contact": "contact", "kontak": "contact",
	"inbox": "inbox", "channel": "inbox", "kanal": "inbox",
	"agent": "agent", "agen": "agent",
	"from": "from", "after": "from", "dari": "from",
	"to": "to", "until": "to", "sampai": "to",
	"has": "has", "ada": "has",
	"is": "is",
}

// readQuery takes the operators out of the text and reads the rest as words.
func (d *Desk) readQuery(ctx context.Context, s *search) error {
	text := s.Text
	for _, field := range fieldsOf(text) {
		name, value, ok := strings.Cut(field, ":")
		what := operators[strings.ToLower(name)]
		if !ok || what == "" || value == "" {
			continue
		}
		if err := d.operator(ctx, s, what, strings.Trim(value, `"“”`)); err != nil {
			return err
		}
		text = strings.Replace(text, field, " ", 1)
	}
	if strings.TrimSpace(text) == "" {
		text = ""
	}
	s.words = word.Parse(text)
	narrowed := s.Contact != 0 || s.Inbox != 0 || s.Agent != 0 || s.From != 0 || s.To != 0 || s.File || s.Note
	if s.words.Empty() && !narrowed {
		return invalid("q", "problem.search_empty", "Say what to look for.")
	}
	return nil
}

// fieldsOf splits a text at its spaces, but not within quotes.
func fieldsOf(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if strings.ContainsRune(`"“”`, r) {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n' || r == '\u00a0')
	})
}

func (d *Desk) operator(ctx context.Context, s *search, what, value string) (err error) {
	switch what {
	case "contact":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || n == 0 {
			return invalid("q", "problem.search_contact", "Write the number of the contact behind contact:, such as contact:17.")
		}
		s.Contact = ContactID(n)
	case "inbox":
		s.Inbox, err = d.inboxNamed(ctx, value)
	case "agent":
		s.Agent, err = d.agentNamed(ctx, value)
	case "from":
		s.From, err = searchDay(value)
	case "to":
		s.To, err = searchDay(value)
	case "has":
		switch strings.ToLower(value) {
		case "file", "attachment", "berkas", "lampiran":
			s.File = true
		default:
			return invalid("q", "problem.search_has", "Write has:file to find what has a file.")
		}
	case "is":
		switch strings.ToLower(value) {
		case "note", "catatan":
			s.Note = true
		default:
			return invalid("q", "problem.search_is", "Write is:note to find notes.")
		}
	}
	return err
}

// ParseSearchDay reads a day such as 2026-11-30 of a query.
func ParseSearchDay(field, s string) (store.Day, error) {
	day, err := searchDay(s)
	return day, ofField(err, field)
}

func searchDay(s string) (store.Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1971 || t.Year() > 2148 {
		return 0, invalid("q", "problem.search_day", "Write the day as 2026-11-30: year, month, day.")
	}
	return store.DayOf(t), nil
}

// inboxNamed finds an inbox by its number or the beginning of its name.
func (d *Desk) inboxNamed(ctx context.Context, value string) (InboxID, error) {
	list, err := d.Inboxes(ctx)
	if err != nil {
		return 0, err
	}
	n, _ := strconv.ParseUint(value, 10, 64)
	for i := range list {
		if list[i].ID == InboxID(n) || strings.HasPrefix(folded(list[i].Name), folded(value)) {
			return list[i].ID, nil
		}
	}
	return 0, invalid("q", "problem.search_inbox", "No inbox has this name. Write the beginning of its name behind inbox:.")
}

// agentNamed finds an agent by number or the beginning of the name.
func (d *Desk) agentNamed(ctx context.Context, value string) (AgentID, error) {
	list, err := d.Agents(ctx)
	if err != nil {
		return 0, err
	}
	n, _ := strconv.ParseUint(value, 10, 32)
	for i := range list {
		if list[i].ID == AgentID(n) || strings.HasPrefix(folded(list[i].Name), folded(value)) {
			return list[i].ID, nil
		}
	}
	return 0, invalid("q", "problem.search_agent", "No agent has this name. Write the beginning of the name behind agent:.")
}
