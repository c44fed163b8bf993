// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"kith/app/word"
	"kith/store"
)

// SearchQuery selects messages and notes. Zero members select everything; there must be something in Text.
type SearchQuery struct {
	// Text is words, beginnings of words (merah*) and "phrases", and what narrows them down: contact:ID, inbox:NAME,
	// agent:NAME, from:2026-11-01, to:2026-11-30, has:file, is:note.
	Text    string
	Contact ContactID
	Inbox   InboxID
	Agent   AgentID
	From    store.Day // the first day, in UTC
	To      store.Day // the last one
	File    bool      // only what has a file
	Note    bool      // only notes
	After   MessageID // the cursor of the last page
	Limit   int
}

// Found is what a search through the messages gave.
type Found struct {
	Messages []Message  // newest first
	Next     MessageID  // the cursor for older ones; zero when there are no more
	Words    word.Query // what was looked for, to mark it
	// Back is the beginning of the oldest day that was searched; zero when everything was.
	Back time.Time
	// Building says that older messages are still being read into the index.
	Building bool
}

// mostLookedAt bounds how many messages one search opens. The index gives hardly more than what is found, but for
// phrases of words that are everywhere.
const mostLookedAt = 10_000

// wordIndex finds messages by their words, and by marks for what narrows a search down.
var wordIndex = store.NewIndex("words", messages, store.IndexOptions[Message]{
	Version: 1,
	Log:     events,
	Of: func(e store.Entry) (ref store.Ref, fresh, ok bool) {
		ev := eventOf(e)
		switch ev.Kind {
		case MessageReceived, MessageQueued, MessageChanged:
			return store.Ref(ev.Message), ev.Kind != MessageChanged, ev.Message.Seq != 0
		default:
			return ref, false, false
		}
	},
	Rewritten: func(m *Message) bool { return m.EditedAt != 0 || m.RevokedAt != 0 },
	Terms:     indexTerms,
})

// The marks. No word begins with a control character.
const (
	markContact = "\x01c"
	markInbox   = "\x01i"
	markAgent   = "\x01a"
	markFile    = "\x01f"
	markNote    = "\x01n"
)

func mark(kind string, id uint64) string { return kind + strconv.FormatUint(id, 36) }

// indexTerms gives what a message is found by: nothing once it was taken back.
func indexTerms(tx *store.Tx, ref store.Ref, m *Message, add func([]byte)) {
	if m.RevokedAt != 0 {
		return
	}
	m.texts(func(s string) { word.Each(s, add) })
	add([]byte(mark(markContact, uint64(m.Contact))))
	if c, ok := conversations.Get(tx, ref.Group); ok {
		add([]byte(mark(markInbox, uint64(c.Inbox))))
	}
	if m.Agent != 0 {
		add([]byte(mark(markAgent, uint64(m.Agent))))
	}
	if len(m.Attachments) > 0 {
		add([]byte(markFile))
	}
	if m.Direction == Note {
		add([]byte(markNote))
	}
}

// SearchMessages finds the newest messages and notes that a query selects.
func (d *Desk) SearchMessages(ctx context.Context, a Actor, q SearchQuery) (f Found, err error) {
	g, err := d.ask(ctx, a, MayRead)
	if err != nil {
		return f, err
	}
	s := search{SearchQuery: q, limit: max(q.Limit, 1), grant: g}
	if err := d.readSearch(ctx, &s); err != nil {
		return f, err
	}
	if err := wordIndex.Wait(ctx, d.db); err != nil {
		return f, err
	}
	if s.people != nil || s.Contact == 0 {
		err = wordIndex.Find(ctx, d.db, s.wants(), s.look)
	}
	if err != nil {
		return f, err
	}
	f = s.found
	f.Words = s.words
	progress, err := wordIndex.Progress(ctx, d.db)
	if err == nil && !progress.Complete {
		f.Building = true
		if f.Next.Seq == 0 {
			f.Back = progress.Since.Time()
		}
	}
	if err != nil {
		return Found{}, err
	}
	return f, d.read(ctx, a, AuditSearched, 0, 0)
}

// search is one search under way.
type search struct {
	SearchQuery
	words  word.Query
	people []ContactID // Contact and those that were merged into it
	limit  int
	looked int
	grant  *Grant // of who looks
	found  Found
}

// readSearch reads the query and finds out whom it is about.
func (d *Desk) readSearch(ctx context.Context, s *search) error {
	if err := d.readQuery(ctx, s); err != nil {
		return err
	}
	if s.Contact == 0 {
		return nil
	}
	return d.db.View(ctx, func(tx *store.Tx) error {
		c, err := contactOf(tx, s.Contact)
		if err != nil {
			return ignoreMissing(err)
		}
		s.people = append([]ContactID{c.ID}, c.Merged...)
		return nil
	})
}

// wants is the query as the index understands it.
func (s *search) wants() store.IndexQuery {
	q := store.IndexQuery{From: s.From, To: s.To, Before: store.Ref(s.After)}
	for _, t := range s.words.Terms {
		q.All = append(q.All, store.Want{Any: []string{t.Text}, Prefix: t.Prefix})
	}
	if s.Contact != 0 {
		var any []string
		for _, id := range s.people {
			any = append(any, mark(markContact, uint64(id)))
		}
		q.All = append(q.All, store.Want{Any: any})
	}
	for _, m := range []struct {
		on   bool
		mark string
	}{
		{s.Inbox != 0, mark(markInbox, uint64(s.Inbox))},
		{s.Agent != 0, mark(markAgent, uint64(s.Agent))},
		{s.File, markFile},
		{s.Note, markNote},
	} {
		if m.on {
			q.All = append(q.All, store.Want{Any: []string{m.mark}})
		}
	}
	return q
}

// look reads what the index offers and decides.
func (s *search) look(tx *store.Tx, ref store.Ref) error {
	m, err := messages.Get(tx, ref)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) || errors.Is(err, store.ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	m.ID = MessageID(ref)
	s.looked++
	if s.selects(tx, m) {
		if len(s.found.Messages) == s.limit {
			s.found.Next = s.found.Messages[s.limit-1].ID
			s.found.Back = s.found.Next.Day.Time()
			return store.ErrStop
		}
		s.grant.masks.message(m)
		s.found.Messages = append(s.found.Messages, *m)
	}
	if s.looked >= mostLookedAt {
		s.found.Next, s.found.Back = m.ID, ref.Day.Time()
		return store.ErrStop
	}
	return nil
}

// selects reports whether the message is one that is looked for.
func (s *search) selects(tx *store.Tx, m *Message) bool {
	switch {
	case m.RevokedAt != 0,
		s.Contact != 0 && !slices.Contains(s.people, m.Contact),
		s.Agent != 0 && m.Agent != s.Agent,
		s.File && len(m.Attachments) == 0,
		s.Note && m.Direction != Note:
		return false
	}
	c, ok := conversations.Get(tx, m.ID.Group)
	if !ok || !s.grant.sees(&c) || s.Inbox != 0 && c.Inbox != s.Inbox {
		return false // or erased meanwhile
	}
	var texts []string
	m.texts(func(t string) { texts = append(texts, t) })
	return s.words.Matches(texts...)
}

// texts calls fn with everything that people read of a message.
func (m *Message) texts(fn func(string)) {
	say := func(texts ...string) {
		for _, t := range texts {
			if t != "" {
				fn(t)
			}
		}
	}
	c := &m.Content
	say(c.Text, c.Detail)
	for i := range m.Attachments {
		say(m.Attachments[i].Name)
	}
	if t := c.Template; t != nil {
		say(append([]string{t.Title, t.Text, t.Footer}, t.Labels...)...)
	}
	if ch := c.Choice; ch != nil {
		say(ch.Title, ch.Description)
		for _, f := range ch.Fields {
			say(f.Value)
		}
	}
	if l := c.Location; l != nil {
		say(l.Name, l.Address)
	}
	for i := range c.Cards {
		card := &c.Cards[i]
		say(card.Name, card.Org)
		say(slices.Concat(card.Phones, card.Emails, card.Addresses)...)
	}
	if i := c.Interactive; i != nil {
		say(i.Header, i.Footer)
		for _, o := range slices.Concat(i.Buttons, i.Rows) {
			say(o.Title, o.Description)
		}
	}
	if o := c.Order; o != nil {
		for _, item := range o.Items {
			say(item.Product)
		}
	}
	if r := c.Referral; r != nil {
		say(r.Headline, r.Body)
	}
}

// SearchProgress tells how far the index of messages has come.
func (d *Desk) SearchProgress(ctx context.Context) (store.IndexProgress, error) {
	return wordIndex.Progress(ctx, d.db)
}

var foldCase = cases.Fold()

// folded makes texts comparable: compatible characters alike, no case.
func folded(s string) string { return foldCase.String(norm.NFKC.String(s)) }
