// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Index finds the records of a day table by terms: words, and whatever else they
// are to be found by. It lies on disk in sealed segments, behind a tail in RAM
// that takes what is new; both are kept up behind the scenes by following a log.
//
// What it finds are candidates, newest first: now and then one that has the
// terms no longer, or only some of them. Whoever searches looks at each record.
type Index[T any] struct{ core *indexCore }

// IndexOptions say what an index is made of.
type IndexOptions[T any] struct {
	// Version is of what Terms calls back with. Another version than that on disk
	// builds the index anew; the old one answers meanwhile.
	Version uint32
	// Log tells of every record that is added or changed.
	Log *Log
	// Of says which record an entry of the log is about and whether it is new;
	// false for an entry that concerns no record.
	Of func(Entry) (ref Ref, fresh, ok bool)
	// Rewritten tells whether the terms of a record that is not new may differ
	// from those it began with.
	Rewritten func(*T) bool
	// Terms calls add with every term of a record: any bytes but the zero byte.
	Terms func(tx *Tx, ref Ref, v *T, add func(term []byte))
}

// indexCore is an index without the type of its records.
type indexCore struct {
	segments bin // number u32 / blocks
	list     bin // "s" number -> segmentInfo; "e" edition -> edition
	table    *bin
	version  uint32
	log      *Log
	of       func(Entry) (Ref, bool, bool)
	// read collects the terms of a record; false when there is nothing to index.
	read func(tx *Tx, ref Ref, fresh bool, terms []byte) ([]byte, Subject, bool, error)
	// scan reads records of a day behind a place, oldest key first.
	scan func(tx *Tx, at scanPlace, fn func(ref Ref, about Subject, terms []byte) error) error
}

// NewIndex declares an index over a table.
func NewIndex[T any](name string, t *DayTable[T], o IndexOptions[T]) *Index[T] {
	if o.Log == nil || o.Of == nil || o.Terms == nil || o.Rewritten == nil {
		panic("store: " + name + " does not say how records are found")
	}
	c := &indexCore{
		segments: newBin(name, fillAppend), list: newBin(name+".list", 0),
		table: &t.bin, version: o.Version, log: o.Log, of: o.Of,
	}
	collect := func(tx *Tx, ref Ref, v *T, terms []byte) []byte {
		o.Terms(tx, ref, v, func(term []byte) {
			if len(term) > 0 && bytes.IndexByte(term, 0) < 0 {
				terms = append(append(terms, term...), 0)
			}
		})
		return terms
	}
	c.read = func(tx *Tx, ref Ref, fresh bool, terms []byte) ([]byte, Subject, bool, error) {
		v, err := t.Get(tx, ref)
		if unreadable(err) || errors.Is(err, ErrNotFound) {
			return nil, Nobody, false, nil
		}
		if err != nil || !fresh && !o.Rewritten(v) {
			return nil, Nobody, false, err
		}
		return collect(tx, ref, v, terms), t.about(v), true, nil
	}
	c.scan = func(tx *Tx, at scanPlace, fn func(Ref, Subject, []byte) error) error {
		var terms []byte
		return t.behind(tx, at, func(ref Ref, v *T) error {
			terms = collect(tx, ref, v, terms[:0])
			return fn(ref, t.about(v), terms)
		})
	}
	declared.addIndex(c)
	return &Index[T]{c}
}

// behind calls fn with the records of a day that lie behind a place in it.
func (t *DayTable[T]) behind(tx *Tx, at scanPlace, fn func(Ref, *T) error) error {
	name := at.Day.bytes()
	b, err := tx.sub(&t.bin, name[:], false)
	if b == nil || err != nil {
		return err
	}
	c := b.Cursor()
	for k, sealed := c.Seek(append(tx.pairKey(at.Group, at.Seq), 0)); k != nil; k, sealed = c.Next() {
		group, seq, ok := parsePair(k)
		if !ok {
			return fmt.Errorf("%s: a key of the wrong length: %w", t.name, ErrDamaged)
		}
		ref := Ref{at.Day, group, seq}
		v, err := t.open(tx, ref, k, sealed)
		if unreadable(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := fn(ref, v); err != nil {
			return stopped(err)
		}
	}
	return nil
}

// unreadable tells that a record, or a segment, has nothing to give: its key was
// destroyed, or it is damaged.
func unreadable(err error) bool { return isErased(err) || errors.Is(err, ErrDamaged) }

// scanPlace is how far an edition has read the records that were there before
// it: all of the days it has left behind it, and a day up to a record.
type scanPlace struct {
	Day   DayKey `cbor:"1,keyasint"`
	Group uint64 `cbor:"2,keyasint,omitempty"`
	Seq   uint64 `cbor:"3,keyasint,omitempty"`
}

// editionState is the line of an edition in the list. Numbers of fields are
// never used again.
type editionState struct {
	Version uint32    `cbor:"1,keyasint"`
	Seq     uint64    `cbor:"2,keyasint,omitempty"` // the log is in the segments up to here
	Scanned bool      `cbor:"3,keyasint,omitempty"` // so are all records that were there before it
	Begun   bool      `cbor:"4,keyasint,omitempty"` // Place has a meaning
	Place   scanPlace `cbor:"5,keyasint,omitempty"`
}

// edition is one making of an index: that of a version.
type edition struct {
	id    uint32
	saved editionState // as the segments have it
	now   editionState // with what is in the tail
	tail  *indexTail
}

// The keys of the list.
func segmentLine(number uint32) []byte { return append([]byte{'s'}, segmentName(number)...) }
func editionLine(id uint32) []byte     { return append([]byte{'e'}, segmentName(id)...) }

// isIndexList tells whether a bucket is the list of an index.
func isIndexList(table []byte) bool {
	return slices.ContainsFunc(declared.allIndexes(), func(i index) bool {
		x, ok := i.(*indexCore)
		return ok && bytes.Equal(x.list.name, table)
	})
}

// indexLine tells whether an entry of such a list is what this kith writes:
// numbers and nothing else.
func indexLine(key, value []byte) bool {
	if len(key) != 5 {
		return false
	}
	var line any = new(segmentInfo)
	if key[0] == 'e' {
		line = new(editionState)
	}
	if err := decoding.Unmarshal(value, line); err != nil {
		return false
	}
	again, err := encoding.Marshal(line)
	return err == nil && bytes.Equal(again, value)
}

// allSegments reads the list.
func (x *indexCore) allSegments(tx *Tx) (all []segmentInfo, err error) {
	err = x.lines(tx, 's', func(n uint32, v []byte) error {
		i := segmentInfo{number: n}
		if err := decoding.Unmarshal(v, &i); err != nil {
			return ErrDamaged
		}
		all = append(all, i)
		return nil
	})
	return all, err
}

// live lists the segments that belong to an edition, oldest age first.
func (x *indexCore) live(tx *Tx, id uint32) ([]segmentInfo, error) {
	all, err := x.allSegments(tx)
	all = slices.DeleteFunc(all, func(i segmentInfo) bool { return i.State != segmentLive || i.Edition != id })
	slices.SortFunc(all, byAge)
	return all, err
}

func byAge(a, b segmentInfo) int {
	switch {
	case a.Age < b.Age:
		return -1
	case a.Age > b.Age:
		return 1
	}
	return int(a.number) - int(b.number)
}

func (x *indexCore) editions(tx *Tx) (all []*edition, err error) {
	err = x.lines(tx, 'e', func(n uint32, v []byte) error {
		e := &edition{id: n, tail: newIndexTail()}
		if err := decoding.Unmarshal(v, &e.saved); err != nil {
			return ErrDamaged
		}
		e.now = e.saved
		all = append(all, e)
		return nil
	})
	return all, err
}

func (x *indexCore) lines(tx *Tx, kind byte, fn func(n uint32, v []byte) error) error {
	b, err := tx.bucket(&x.list)
	if b == nil || err != nil {
		return err
	}
	c := b.Cursor()
	for k, v := c.Seek([]byte{kind}); len(k) == 5 && k[0] == kind; k, v = c.Next() {
		if err := fn(uint32(k[1])<<24|uint32(k[2])<<16|uint32(k[3])<<8|uint32(k[4]), v); err != nil {
			return fmt.Errorf("%s: %w", x.list.name, err)
		}
	}
	return nil
}

func (x *indexCore) putLine(tx *Tx, key []byte, v any) error {
	b, err := tx.bucket(&x.list)
	if err != nil {
		return err
	}
	plain, err := encoding.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", x.list.name, err)
	}
	return tx.put(b, key, plain)
}

func (x *indexCore) deleteLine(tx *Tx, key []byte) error {
	b, err := tx.bucket(&x.list)
	if err != nil {
		return err
	}
	return tx.delete(b, key)
}

// segmentNumbers keeps the last number that a segment of any index was given.
var segmentNumbers = reservedBin(segmentBucket)

// takeNumbers gives out numbers for segments whose blocks are about to be
// written. A number whose key is destroyed, as a restored backup can have them,
// is passed over.
func (x *indexCore) takeNumbers(ctx context.Context, db *DB, count int) (numbers []uint32, err error) {
	err = db.Update(ctx, func(tx *Tx) error {
		numbers = numbers[:0]
		b, err := tx.bucket(&segmentNumbers)
		if err != nil {
			return err
		}
		key := []byte("last")
		var last uint64
		if v := b.Get(key); v != nil {
			if len(v) != 8 {
				return fmt.Errorf("%s: %w", segmentNumbers.name, ErrDamaged)
			}
			last = binary.BigEndian.Uint64(v)
		}
		for len(numbers) < count {
			last++
			if n := uint32(last); tx.db.keys.segmentAlive(n) { //nolint:gosec // four thousand million segments
				numbers = append(numbers, n)
			}
		}
		if err := tx.put(b, key, tx.number(last)); err != nil {
			return err
		}
		for _, n := range numbers {
			if err := x.putLine(tx, segmentLine(n), segmentInfo{State: segmentBuilding}); err != nil {
				return err
			}
		}
		return nil
	})
	return numbers, err
}

// replace puts new segments into the place of old ones, whose numbers wait for
// their destruction. It is the last thing in its transaction.
func (x *indexCore) replace(tx *Tx, add, retire []segmentInfo) error {
	for _, i := range add {
		i.State = segmentLive
		if err := x.putLine(tx, segmentLine(i.number), i); err != nil {
			return err
		}
	}
	for _, i := range retire {
		if err := x.putLine(tx, segmentLine(i.number), segmentInfo{State: segmentRetired}); err != nil {
			return err
		}
	}
	for _, i := range retire {
		if err := tx.dropPartition(&x.segments, segmentName(i.number)); err != nil {
			return err
		}
	}
	return nil
}
