// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Table keeps permanent records: what stays until its subject is erased. The key
// of a record is the number of its subject and its own.
type Table[T any] struct {
	bin
	about func(*T) Subject
}

// NewTable declares a table. about says whom a record is about; for a record
// about nobody it returns Nobody.
func NewTable[T any](name string, about func(*T) Subject) *Table[T] {
	if about == nil {
		panic("store: " + name + " does not say whom its records are about")
	}
	t := &Table[T]{newBin(name, 0), about}
	declared.addEraser(t)
	return t
}

const subjectKeyLen = 4 + 8

func (tx *Tx) subjectKey(s Subject, id uint64) []byte {
	tx.key = binary.BigEndian.AppendUint32(tx.key[:0], uint32(s))
	tx.key = binary.BigEndian.AppendUint64(tx.key, id)
	return tx.key
}

func parseSubjectKey(k []byte) (Subject, uint64, bool) {
	if len(k) != subjectKeyLen {
		return 0, 0, false
	}
	return Subject(binary.BigEndian.Uint32(k)), binary.BigEndian.Uint64(k[4:]), true
}

// Put sets a record.
func (t *Table[T]) Put(tx *Tx, id uint64, v *T) error {
	b, err := tx.bucket(&t.bin)
	if err != nil {
		return err
	}
	s := t.about(v)
	key := tx.subjectKey(s, id)
	sealed, err := tx.sealValue(s, DayKey{}, v, tx.at(&t.bin, nil, key))
	if err != nil {
		return fmt.Errorf("%s %d: %w", t.name, id, err)
	}
	return tx.put(b, key, sealed)
}

// Get returns a record, ErrNotFound or ErrErased.
func (t *Table[T]) Get(tx *Tx, s Subject, id uint64) (*T, error) {
	b, err := tx.bucket(&t.bin)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, t.missing
	}
	key := tx.subjectKey(s, id)
	sealed := b.Get(key)
	if sealed == nil {
		return nil, t.missing
	}
	return t.open(tx, key, sealed)
}

func (t *Table[T]) open(tx *Tx, key, sealed []byte) (*T, error) {
	v := new(T)
	s, id, ok := parseSubjectKey(key)
	about, err := tx.openValue(sealed, tx.at(&t.bin, nil, key), v)
	if err == nil && (!ok || about != s) {
		err = ErrDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("%s %d of subject %d: %w", t.name, id, s, err)
	}
	return v, nil
}

// Delete removes a record; one that is not there is no error.
func (t *Table[T]) Delete(tx *Tx, s Subject, id uint64) error {
	b, err := tx.bucket(&t.bin)
	if b == nil || err != nil {
		return err
	}
	return tx.delete(b, tx.subjectKey(s, id))
}

// Each calls fn with the records of one subject, by ascending number. Here as in
// every iteration, records whose key was destroyed are passed over: they are
// about to be removed. So are damaged ones, see Damaged. fn must not write to the table; ErrStop ends the iteration
// without an error.
func (t *Table[T]) Each(tx *Tx, s Subject, fn func(id uint64, v *T) error) error {
	prefix := binary.BigEndian.AppendUint32(nil, uint32(s))
	return t.scan(tx, prefix, prefix, func(_ Subject, id uint64, v *T) error { return fn(id, v) })
}

// Every calls fn with all records of subjects above after, by ascending subject
// and number; after Nobody means all records, those about nobody included. fn
// must not write to the table; ErrStop ends the iteration without an error.
func (t *Table[T]) Every(tx *Tx, after Subject, fn func(s Subject, id uint64, v *T) error) error {
	switch after {
	case Nobody:
		return t.scan(tx, make([]byte, 4), nil, fn)
	case ^Subject(0):
		return nil
	}
	return t.scan(tx, binary.BigEndian.AppendUint32(nil, uint32(after)+1), nil, fn)
}

func (t *Table[T]) scan(tx *Tx, from, prefix []byte, fn func(Subject, uint64, *T) error) error {
	b, err := tx.bucket(&t.bin)
	if b == nil || err != nil {
		return err
	}
	c := b.Cursor()
	for k, sealed := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, sealed = c.Next() {
		v, err := t.open(tx, k, sealed)
		if passedOver(err) {
			continue
		}
		if err != nil {
			return err
		}
		s, id, _ := parseSubjectKey(k)
		if err := fn(s, id, v); err != nil {
			return stopped(err)
		}
	}
	return nil
}
