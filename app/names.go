// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"kith/app/word"
	"kith/store"
)

// nameIndex keeps what contacts are called in memory: the words of their names, their numbers and addresses, so that
// finding people does not open every card. It is read in once, at the first search, and follows the events from there on.
type nameIndex struct {
	mu     sync.Mutex
	loaded bool
	seq    uint64 // the newest event that is known here
	names  []contactName
	erased map[ContactID]struct{}
}

// contactName is a contact and its terms, a zero byte before each.
type contactName struct {
	id    ContactID
	terms string
}

// termsOf are the terms of a contact; "" when nobody is to find it.
func termsOf(c *Contact) string {
	if c.MergedInto != 0 {
		return ""
	}
	var b []byte
	add := func(term []byte) { b = append(append(b, 0), term...) }
	word.Each(c.DisplayName(), add)
	word.Each(c.Username, add)
	for _, s := range slices.Concat(c.Phones, c.Emails) {
		if s != c.DisplayName() {
			word.Each(s, add)
		}
	}
	for _, id := range c.Identities {
		if id.Kind == IdentityWaID {
			word.Each(id.Value, add)
		}
	}
	return string(b)
}

// lookedFor is one term that people are looked for by.
type lookedFor struct{ begins, within string }

// peopleTerms makes the beginning of any word of a name match, and any four digits of a number.
func peopleTerms(text string) (all []lookedFor) {
	q := word.Parse(text)
	for _, t := range q.Terms {
		l := lookedFor{begins: "\x00" + t.Text}
		if digits := strings.TrimLeft(t.Text, "0"); len(t.Text) >= 4 && digits != "" && strings.Trim(digits, "0123456789") == "" {
			l.within = digits // of a number at home, too, which begins with 0 instead of its country
		}
		all = append(all, l)
	}
	return all
}

func (n *contactName) is(all []lookedFor) bool {
	return !slices.ContainsFunc(all, func(l lookedFor) bool {
		return !strings.Contains(n.terms, l.begins) && (l.within == "" || !strings.Contains(n.terms, l.within))
	})
}

// find calls fn with the contacts behind after that have a word that begins with each word of text, in the order they
// came, until fn returns false.
func (x *nameIndex) find(tx *store.Tx, text string, after ContactID, fn func(ContactID) (bool, error)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.follow(tx); err != nil {
		return err
	}
	all := peopleTerms(text)
	if len(all) == 0 {
		return nil
	}
	from, _ := slices.BinarySearchFunc(x.names, after+1, compareName)
	for i := range x.names[from:] {
		n := &x.names[from+i]
		if !n.is(all) {
			continue
		}
		if more, err := fn(n.id); err != nil || !more {
			return err
		}
	}
	return nil
}

// forget drops the name of somebody who was erased, for good.
func (x *nameIndex) forget(id ContactID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.erased == nil {
		x.erased = map[ContactID]struct{}{}
	}
	x.erased[id] = struct{}{}
	x.set(id, "")
}

func (x *nameIndex) follow(tx *store.Tx) error {
	if !x.loaded {
		return x.load(tx)
	}
	for {
		list, err := events.Read(tx, x.seq, 1000)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			if ev := eventOf(e); ev.Kind == ContactChanged {
				if err := x.read(tx, ev.Contact); err != nil {
					return err
				}
			}
			x.seq = e.Seq
		}
	}
}

func (x *nameIndex) load(tx *store.Tx) error {
	x.names, x.seq = nil, events.Last(tx)
	err := contacts.Every(tx, 0, func(s store.Subject, _ uint64, c *Contact) error {
		if _, gone := x.erased[s]; !gone {
			if terms := termsOf(c); terms != "" {
				x.names = append(x.names, contactName{s, terms})
			}
		}
		return nil
	})
	x.loaded = err == nil
	return err
}

func (x *nameIndex) read(tx *store.Tx, id ContactID) error {
	c, err := contacts.Get(tx, id, 0)
	if ignoreMissing(err) != nil {
		return err
	}
	terms := ""
	if _, gone := x.erased[id]; err == nil && !gone {
		terms = termsOf(c)
	}
	x.set(id, terms)
	return nil
}

// set puts the terms of a contact in their place; none take the entry away.
func (x *nameIndex) set(id ContactID, terms string) {
	i, have := slices.BinarySearchFunc(x.names, id, compareName)
	switch {
	case have && terms == "":
		x.names = slices.Delete(x.names, i, i+1)
	case have:
		x.names[i].terms = terms
	case terms != "":
		x.names = slices.Insert(x.names, i, contactName{id, terms})
	}
}

func compareName(n contactName, id ContactID) int { return cmp.Compare(n.id, id) }

// SearchContacts finds people: whom a whole number or address belongs to comes first, then those whose names, numbers
// and addresses have all the words of a text or begin with them.
func (d *Desk) SearchContacts(ctx context.Context, a Actor, text string, limit int) (list []Contact, err error) {
	text = strings.TrimSpace(text)
	if q := word.Parse(text); q.Empty() {
		_, err := d.ask(ctx, a, MaySeeContacts)
		return nil, err
	}
	queries := []ContactQuery{{Prefix: text, Limit: limit}}
	if strings.Contains(text, "@") && !strings.HasPrefix(text, "@") {
		queries = slices.Insert(queries, 0, ContactQuery{Email: text, Limit: limit})
	} else if _, err := NormalPhone(text); err == nil {
		queries = slices.Insert(queries, 0, ContactQuery{Phone: text, Limit: limit})
	}
	for _, q := range queries {
		some, _, err := d.Contacts(ctx, a, q)
		if err != nil {
			return nil, err
		}
		for i := range some {
			if !slices.ContainsFunc(list, func(c Contact) bool { return c.ID == some[i].ID }) && len(list) < limit {
				list = append(list, some[i])
			}
		}
	}
	return list, nil
}
