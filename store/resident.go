// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ResidentOptions say what a resident table keeps beside its rows.
type ResidentOptions[T any] struct {
	// About is the subject of a row.
	About func(*T) Subject
	// Order puts the largest first, for Walk; nil keeps rows by number.
	Order func(*T) uint64
	// Tally calls back with every key under which the row is counted.
	Tally func(row *T, count func(key uint64))
}

// Resident keeps records decoded in RAM, beside their sealed copies on disk:
// conversations, and the order of the inbox. Rows that changed are sealed once
// per commit.
//
// What Get and Walk hand out shares memory with the row: build a new slice or
// map instead of changing one.
type Resident[T any] struct {
	bin
	about func(*T) Subject
	order func(*T) uint64
	tally func(*T, func(uint64))
	place int
}

// resident makes the rows of one table for one store.
type resident interface{ newRows() rows }

// rows are the rows of one resident table in one store, as the committer sees
// them.
type rows interface {
	load(db *DB) error
	mark()                 // an operation begins
	undo()                 // it is taken back
	dirty() bool           // is there anything to write
	finish(tx *Tx) error   // seal and put what changed
	stage(id uint64)       // show it to views that see commit id
	publish(oldest uint64) // commit done: order, counts; forget what no view needs
	discard()              // the commit failed: as if nothing had been
	has(id, snap uint64) bool
}

// NewResident declares a resident table.
func NewResident[T any](name string, o ResidentOptions[T]) *Resident[T] {
	if o.About == nil {
		panic("store: " + name + " does not say whom its rows are about")
	}
	r := &Resident[T]{bin: newBin(name, 0), about: o.About, order: o.Order, tally: o.Tally}
	r.place = declared.addResident(r)
	declared.addEraser(r)
	return r
}

// errNotLoaded is a programmer's mistake.
var errNotLoaded = errors.New("store: a resident table was declared after the store was opened")

func (r *Resident[T]) newRows() rows {
	return &shelf[T]{r: r, index: map[uint64]int32{}, head: none, tail: none, tally: map[uint64]int{}, drafts: map[uint64]*version[T]{}}
}

func (r *Resident[T]) of(tx *Tx) *shelf[T] {
	if r.place >= len(tx.db.rows) {
		panic(errNotLoaded)
	}
	return tx.db.rows[r.place].(*shelf[T]) //nolint:errcheck,forcetypeassert // made by newRows
}

// Get returns a row; false when there is none.
func (r *Resident[T]) Get(tx *Tx, id uint64) (T, bool) {
	s := r.of(tx)
	var v *version[T]
	if tx.w != nil {
		v = s.current(id)
	} else {
		v = s.seen(id, tx.snap)
	}
	if v == nil || v.gone {
		var none T
		return none, false
	}
	return v.row, true
}

// Put sets a row; ErrErased when its subject was erased.
func (r *Resident[T]) Put(tx *Tx, id uint64, v T) error {
	if tx.w == nil {
		return errReadOnly
	}
	d := &version[T]{row: v}
	if !tx.db.keys.alive(r.about(&d.row)) {
		return fmt.Errorf("%s %d: %w", r.name, id, ErrErased)
	}
	// A row that Order or Tally cannot bear must fail here, where it can be taken
	// back, and not once it is committed.
	_ = r.orderOf(&d.row)
	if r.tally != nil {
		r.tally(&d.row, func(uint64) {})
	}
	r.of(tx).draft(id, d)
	return nil
}

// Delete removes a row; a row that is not there is no error.
func (r *Resident[T]) Delete(tx *Tx, id uint64) error {
	if tx.w == nil {
		return errReadOnly
	}
	if s := r.of(tx); s.current(id) != nil {
		s.draft(id, &version[T]{gone: true})
	}
	return nil
}

// Len is the number of rows.
func (r *Resident[T]) Len(tx *Tx) int {
	s := r.of(tx)
	if tx.w == nil {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.count
	}
	n := s.count
	for id, v := range s.drafts {
		n += live(v) - live(s.published(id))
	}
	return n
}

// Count is the number of rows counted under key.
func (r *Resident[T]) Count(tx *Tx, key uint64) int {
	s := r.of(tx)
	if tx.w == nil {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.tally[key]
	}
	n := s.tally[key]
	for id, v := range s.drafts {
		n += s.counted(v, key) - s.counted(s.published(id), key)
	}
	return n
}

func (r *Resident[T]) orderOf(row *T) uint64 {
	if r.order == nil {
		return 0
	}
	return r.order(row)
}

func rowKey(id uint64) [8]byte {
	var k [8]byte
	binary.BigEndian.PutUint64(k[:], id)
	return k
}
