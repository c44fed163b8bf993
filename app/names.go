// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"kith/store"
)

// nameIndex keeps the names of contacts in memory, folded, so that finding people by the beginning of a word does not
// open every card. It is read in once, at the first search, and follows the events from there on.
type nameIndex struct {
	mu     sync.Mutex
	loaded bool
	seq    uint64 // the newest event that is known here
	names  []contactName
	erased map[ContactID]struct{}
}

type contactName struct {
	id   ContactID
	name string
}

// find calls fn with the contacts behind after whose name has a word that begins with prefix, in the order they came,
// until fn returns false.
func (x *nameIndex) find(tx *store.Tx, prefix string, after ContactID, fn func(ContactID) (bool, error)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.follow(tx); err != nil {
		return err
	}
	prefix = folded(prefix)
	from, _ := slices.BinarySearchFunc(x.names, after+1, compareName)
	for _, n := range x.names[from:] {
		if !strings.HasPrefix(n.name, prefix) && !strings.Contains(n.name, " "+prefix) {
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
		if _, gone := x.erased[s]; !gone && c.MergedInto == 0 {
			x.names = append(x.names, contactName{s, folded(c.DisplayName())})
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
	name := ""
	if _, gone := x.erased[id]; err == nil && !gone && c.MergedInto == 0 {
		name = folded(c.DisplayName())
	}
	x.set(id, name)
	return nil
}

// set puts a name in its place; an empty one takes the entry away.
func (x *nameIndex) set(id ContactID, name string) {
	i, have := slices.BinarySearchFunc(x.names, id, compareName)
	switch {
	case have && name == "":
		x.names = slices.Delete(x.names, i, i+1)
	case have:
		x.names[i].name = name
	case name != "":
		x.names = slices.Insert(x.names, i, contactName{id, name})
	}
}

func compareName(n contactName, id ContactID) int { return cmp.Compare(n.id, id) }
