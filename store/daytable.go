// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// DayTable keeps records that expire by class and day. The records of one class
// and day lie together; among them the key is a group, a conversation say, and
// a sequence number.
type DayTable[T any] struct {
	bin
	about   func(*T) Subject
	standIn func(Ref) *T
}

// NewDayTable declares a day table. about says whom a record is about.
func NewDayTable[T any](name string, about func(*T) Subject) *DayTable[T] {
	if about == nil {
		panic("store: " + name + " does not say whom its records are about")
	}
	t := &DayTable[T]{bin: newBin(name, fillGroups), about: about}
	declared.addPartitioned(&t.bin, true)
	declared.addEraser(t)
	return t
}

// WhenDamaged makes Back hand out what fn returns in the place of a record that
// is damaged, instead of passing it over. It is part of the declaration.
func (t *DayTable[T]) WhenDamaged(fn func(Ref) *T) *DayTable[T] {
	t.standIn = fn
	return t
}

func (tx *Tx) pairKey(a, b uint64) []byte {
	tx.key = binary.BigEndian.AppendUint64(tx.key[:0], a)
	tx.key = binary.BigEndian.AppendUint64(tx.key, b)
	return tx.key
}

func parsePair(k []byte) (a, b uint64, ok bool) {
	if len(k) != 16 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(k), binary.BigEndian.Uint64(k[8:]), true
}

// Put sets a record.
func (t *DayTable[T]) Put(tx *Tx, ref Ref, v *T) error {
	day := ref.bytes()
	key := tx.pairKey(ref.Group, ref.Seq)
	sealed, err := tx.sealValue(t.about(v), ref.DayKey, v, tx.at(&t.bin, day[:], key))
	if isErased(err) && t.isHeld(tx, ref) {
		ref.Class = Hold
		return t.Put(tx, ref, v)
	}
	if err != nil {
		return fmt.Errorf("%s %d/%d: %w", t.name, ref.Group, ref.Seq, err)
	}
	b, err := tx.sub(&t.bin, day[:], true)
	if err != nil {
		return err
	}
	return tx.put(b, key, sealed)
}

// isHeld tells whether a record is kept by order.
func (t *DayTable[T]) isHeld(tx *Tx, ref Ref) bool {
	b, _, err := tx.held(&t.bin, ref.DayKey)
	return b != nil && err == nil && b.Get(tx.pairKey(ref.Group, ref.Seq)) != nil
}

// Get returns a record, ErrNotFound or ErrErased.
func (t *DayTable[T]) Get(tx *Tx, ref Ref) (*T, error) {
	day := ref.bytes()
	b, err := tx.sub(&t.bin, day[:], false)
	if err != nil {
		return nil, err
	}
	if b == nil {
		if b, ref.DayKey, err = tx.held(&t.bin, ref.DayKey); err != nil {
			return nil, err
		}
	}
	if b == nil {
		return nil, t.missing
	}
	key := tx.pairKey(ref.Group, ref.Seq)
	sealed := b.Get(key)
	if sealed == nil {
		return nil, t.missing
	}
	return t.open(tx, ref, key, sealed)
}

func (t *DayTable[T]) open(tx *Tx, ref Ref, key, sealed []byte) (*T, error) {
	day, v := ref.bytes(), new(T)
	if _, err := tx.openValue(sealed, tx.at(&t.bin, day[:], key), v); err != nil {
		return nil, fmt.Errorf("%s %d/%d: %w", t.name, ref.Group, ref.Seq, err)
	}
	return v, nil
}

// Delete removes a record; one that is not there is no error.
func (t *DayTable[T]) Delete(tx *Tx, ref Ref) error {
	day := ref.bytes()
	b, err := tx.sub(&t.bin, day[:], false)
	if b == nil || err != nil {
		return err
	}
	return tx.delete(b, tx.pairKey(ref.Group, ref.Seq))
}

// Back calls fn with the records of a group from the newest to the oldest, over
// the days it is given, newest first. before is a sequence number of the first
// day to begin below; 0 begins at the end. fn must not write to the table;
// ErrStop ends the iteration without an error.
func (t *DayTable[T]) Back(tx *Tx, group uint64, days []DayKey, before uint64, fn func(ref Ref, v *T) error) error {
	var kept map[Day]bool
	for _, day := range days {
		name := day.bytes()
		b, err := tx.sub(&t.bin, name[:], false)
		from := Ref{DayKey: day, Group: group, Seq: before}
		if b == nil && err == nil && !kept[day.Day] {
			if b, from.DayKey, err = tx.held(&t.bin, day); b != nil {
				if kept == nil {
					kept = map[Day]bool{}
				}
				kept[day.Day] = true
			}
		}
		if err != nil {
			return err
		}
		if b != nil {
			if done, err := t.backDay(tx, b, from, day.Class, fn); done || err != nil {
				return err
			}
		}
		before = 0
	}
	return nil
}

// backDay reads a day backwards; what is held keeps the place it had in its class.

func (t *DayTable[T]) backDay(tx *Tx, b *bolt.Bucket, from Ref, class Class, fn func(Ref, *T) error) (done bool, err error) {
	c := b.Cursor()
	for k, sealed := seekBelow(c, tx.groupEnd(from.Group, from.Seq)); k != nil; k, sealed = c.Prev() {
		group, seq, ok := parsePair(k)
		if !ok || group != from.Group {
			return false, nil
		}
		ref := Ref{from.DayKey, group, seq}
		v, err := t.open(tx, ref, k, sealed)
		if errors.Is(err, ErrDamaged) && t.standIn != nil {
			v, err = t.standIn(ref), nil
		}
		if passedOver(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		ref.Class = class
		if err := fn(ref, v); err != nil {
			return true, stopped(err)
		}
	}
	return false, nil
}

// groupEnd is a key that everything of the group to be read lies below.
func (tx *Tx) groupEnd(group, before uint64) []byte {
	if before != 0 {
		return tx.pairKey(group, before)
	}
	return append(tx.pairKey(group, ^uint64(0)), 0)
}

// seekBelow moves to the last key below one.
func seekBelow(c *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// Every calls fn with all records of a class and day. fn must not write to the
// table; ErrStop ends the iteration without an error.
func (t *DayTable[T]) Every(tx *Tx, key DayKey, fn func(Ref, *T) error) error {
	name := key.bytes()
	b, err := tx.sub(&t.bin, name[:], false)
	if b == nil || err != nil {
		return err
	}
	c := b.Cursor()
	for k, sealed := c.First(); k != nil; k, sealed = c.Next() {
		group, seq, ok := parsePair(k)
		if !ok {
			return fmt.Errorf("%s: a key of the wrong length: %w", t.name, ErrDamaged)
		}
		ref := Ref{key, group, seq}
		v, err := t.open(tx, ref, k, sealed)
		if passedOver(err) {
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

// Days lists the classes and days that hold records, in ascending order.
func (t *DayTable[T]) Days(tx *Tx) []DayKey { return tx.days(&t.bin) }

// days lists the partitions of a bucket that are not empty.
func (tx *Tx) days(t *bin) []DayKey {
	b := tx.b.Bucket(t.name)
	if b == nil {
		return nil
	}
	var days []DayKey
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if day, ok := parseDayKey(k); ok && v == nil && !empty(b.Bucket(k)) {
			days = append(days, day)
		}
	}
	return days
}

func empty(b *bolt.Bucket) bool {
	k, _ := b.Cursor().First()
	return k == nil
}

// hasDay tells whether a partition exists, without making it.
func hasDay(b *bolt.Bucket, day DayKey) bool {
	name := day.bytes()
	k, _ := b.Cursor().Seek(name[:])
	return bytes.Equal(k, name[:])
}
