// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// ledgerEntry is one destruction: what was or is to be destroyed, in numbers.
// The ledger is never shortened; with an old backup it says what must be
// destroyed again. Numbers of fields are never used again.
type ledgerEntry struct {
	n      uint64
	Kind   uint8  `cbor:"1,keyasint"`
	Number uint64 `cbor:"2,keyasint"`           // of the subject; or class<<16 | the first day that is kept
	At     int64  `cbor:"3,keyasint"`           // unix seconds of the intent
	Done   int64  `cbor:"4,keyasint,omitempty"` // unix seconds; 0 while unfinished
	Gen    uint64 `cbor:"5,keyasint,omitempty"` // of the keyring without the key
	// Removed counts what was removed, by the number that stands for the name of the
	// table; it is kept with the first entry of those that were carried out together.
	Removed map[uint64]int `cbor:"8,keyasint,omitempty"`
	GenWas  uint64         `cbor:"7,keyasint,omitempty"` // of a keyring that had the key
}

// Kinds of what is destroyed.
const (
	ledgerSubject uint8 = 1
	ledgerDays    uint8 = 2 // all days of a class below one
)

var ledger = bin{name: []byte(ledgerBucket), where: []byte(ledgerBucket + "\x00"), missing: ErrNotFound, fill: fillAppend}

func daysEntry(c Class, before Day) ledgerEntry {
	return ledgerEntry{Kind: ledgerDays, Number: DayKey{c, before}.leaf()}
}

// subject is whom an entry of that kind destroys.
func (e *ledgerEntry) subject() Subject { return Subject(e.Number) } //nolint:gosec // written from a Subject

// until is the first day that an entry of that kind leaves.
func (e *ledgerEntry) until() DayKey { return DayKey{Class(e.Number >> 16), Day(e.Number)} } //nolint:gosec // written from a DayKey

// same tells whether two entries destroy the same.
func (e *ledgerEntry) same(o *ledgerEntry) bool { return e.Kind == o.Kind && e.Number == o.Number }

// puncture destroys in trees what the entry names. Carrying an entry out that is
// of a kind this program does not know is refused elsewhere.
func (e *ledgerEntry) puncture(t trees) (changed bool) {
	switch e.Kind {
	case ledgerSubject:
		return t.subjects.puncture(uint64(e.subject()))
	case ledgerDays:
		end := e.until()
		lo, hi := DayKey{Class: end.Class}.leaf(), end.leaf()
		if changed = t.days.overlaps(lo, hi); changed {
			t.days.punctureRange(lo, hi)
		}
	}
	return changed
}

// write puts an entry under its number, a new one when it has none yet.
func (e *ledgerEntry) write(tx *Tx) error {
	b, err := tx.bucket(&ledger)
	if err != nil {
		return err
	}
	if e.n == 0 {
		e.n, e.At, e.GenWas = tx.NextID(), tx.now.Unix(), tx.db.currentRing().Gen
	}
	v, err := encoding.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	key := rowKey(e.n)
	return tx.put(b, key[:], v)
}

// attachmentsName is what attachments are counted under.
const attachmentsName = "attachments"

// countRemoved puts counts by table into the entry.
func (e *ledgerEntry) countRemoved(by map[string]int) {
	e.Removed = make(map[uint64]int, len(by))
	for name, n := range by {
		e.Removed[standIn(name)] = n
	}
}

// removed gives the counts their names again; those of tables that this program
// does not know any more are counted as other.
func (e *ledgerEntry) removed() map[string]int {
	by := make(map[string]int, len(e.Removed))
	names := declared.numbers()
	for number, n := range e.Removed {
		by[cmp.Or(names[number], "other")] += n
	}
	return by
}

// numbers are the names of all tables by the number that stands for each.
func (r *registry) numbers() map[uint64]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := map[uint64]string{standIn(attachmentsName): attachmentsName}
	for name := range r.names {
		names[standIn(name)] = name
	}
	return names
}

// eachEntry calls fn with the entries of the ledger in their order.
func eachEntry(tx *Tx, fn func(*ledgerEntry) error) error {
	b, err := tx.bucket(&ledger)
	if b == nil || err != nil {
		return err
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var e ledgerEntry
		if err := decoding.Unmarshal(v, &e); err != nil || len(k) != 8 {
			return fmt.Errorf("%w: an entry of the ledger cannot be read", ErrDamaged)
		}
		e.n = binary.BigEndian.Uint64(k)
		if err := fn(&e); err != nil {
			return err
		}
	}
	return nil
}

// unfinished lists the destructions that were intended and not completed.
func unfinished(tx *Tx) (found []*ledgerEntry, err error) {
	err = eachEntry(tx, func(e *ledgerEntry) error {
		if e.Done == 0 {
			found = append(found, e)
		}
		return nil
	})
	return found, err
}
