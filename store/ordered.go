// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Ordered is an index of numbers: a tuple leads to a number. It can hold no
// personal data, by type, and is not sealed.
type Ordered struct{ bin }

// NewOrdered declares an index of numbers.
func NewOrdered(name string) *Ordered { return &Ordered{newBin(name, fillGroups)} }

func (tx *Tx) tuple(key []uint64) []byte {
	tx.key = tx.key[:0]
	for _, n := range key {
		tx.key = binary.BigEndian.AppendUint64(tx.key, n)
	}
	return tx.key
}

// Put sets the number of a tuple, which has at least one part.
func (o *Ordered) Put(tx *Tx, key []uint64, v uint64) error {
	b, err := tx.bucket(&o.bin)
	if err != nil {
		return err
	}
	if b == nil {
		return errReadOnly
	}
	return tx.put(b, tx.tuple(key), tx.number(v))
}

// Delete removes a tuple; one that is not there is no error.
func (o *Ordered) Delete(tx *Tx, key []uint64) error {
	b, err := tx.bucket(&o.bin)
	if b == nil || err != nil {
		return err
	}
	return tx.delete(b, tx.tuple(key))
}

// Get returns the number of a tuple; false when there is none.
func (o *Ordered) Get(tx *Tx, key []uint64) (uint64, bool) {
	b, err := tx.bucket(&o.bin)
	if b == nil || err != nil {
		return 0, false
	}
	v := b.Get(tx.tuple(key))
	if len(v) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(v), true
}

// Scan calls fn with the tuples that begin with prefix, in ascending order, whose
// next part is above from; 0 begins at the start. fn must not keep key and must
// not write to the index; ErrStop ends the iteration without an error.
func (o *Ordered) Scan(tx *Tx, prefix []uint64, from uint64, fn func(key []uint64, v uint64) error) error {
	b, err := tx.bucket(&o.bin)
	if b == nil || err != nil {
		return err
	}
	start := slices.Clone(tx.tuple(prefix))
	within := start
	if from != 0 {
		if from == ^uint64(0) {
			return nil
		}
		start = binary.BigEndian.AppendUint64(slices.Clip(start), from+1)
	}
	c := b.Cursor()
	k, v := c.Seek(start)
	return o.each(k, v, within, c.Next, fn)
}

// Back is Scan from the end: tuples whose next part is below from, the largest
// first; 0 begins at the end.
func (o *Ordered) Back(tx *Tx, prefix []uint64, from uint64, fn func(key []uint64, v uint64) error) error {
	b, err := tx.bucket(&o.bin)
	if b == nil || err != nil {
		return err
	}
	within := slices.Clone(tx.tuple(prefix))
	c := b.Cursor()
	var k, v []byte
	switch end := after(within); {
	case from != 0:
		k, v = seekBelow(c, binary.BigEndian.AppendUint64(slices.Clip(within), from))
	case end == nil:
		k, v = c.Last()
	default:
		k, v = seekBelow(c, end)
	}
	return o.each(k, v, within, c.Prev, fn)
}

// after is the first key behind all that begin with prefix; nil for none.
func after(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func (o *Ordered) each(k, v, within []byte, step func() ([]byte, []byte), fn func([]uint64, uint64) error) error {
	var key []uint64
	for ; k != nil && bytes.HasPrefix(k, within); k, v = step() {
		if len(k)%8 != 0 || len(v) != 8 {
			return fmt.Errorf("%s: %w", o.name, ErrDamaged)
		}
		key = key[:0]
		for i := 0; i < len(k); i += 8 {
			key = append(key, binary.BigEndian.Uint64(k[i:]))
		}
		if err := fn(key, binary.BigEndian.Uint64(v)); err != nil {
			return stopped(err)
		}
	}
	return nil
}
