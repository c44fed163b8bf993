// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Entry is one line of a log: what happened to which, in numbers. It can hold no
// personal data, by type, and is not sealed.
type Entry struct {
	Seq        uint64
	At         int64 // unix seconds
	Kind       uint16
	A, B, C, D uint64
}

// Log is an ordered record of what happened. Entries are appended in the
// transaction of their cause; readers keep cursors by name. The entries of one
// day lie together under the default class.
type Log struct{ bin }

// NewLog declares a log.
func NewLog(name string) *Log {
	l := &Log{newBin(name, fillAppend)}
	declared.addPartitioned(&l.bin, false)
	return l
}

func (e *Entry) append(b []byte) []byte {
	b = binary.AppendVarint(b, e.At)
	for _, n := range [...]uint64{uint64(e.Kind), e.A, e.B, e.C, e.D} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

const maxEntry = 6 * binary.MaxVarintLen64

func parseEntry(k, v []byte) (Entry, bool) {
	if len(k) != 8 {
		return Entry{}, false
	}
	at, n := binary.Varint(v)
	if n <= 0 {
		return Entry{}, false
	}
	v = v[n:]
	var u [5]uint64
	for i := range u {
		if u[i], n = binary.Uvarint(v); n <= 0 {
			return Entry{}, false
		}
		v = v[n:]
	}
	return Entry{binary.BigEndian.Uint64(k), at, uint16(u[0]), u[1], u[2], u[3], u[4]}, u[0] < 1<<16 //nolint:gosec // checked beside it
}

// Append adds an entry and returns its sequence number, which NextID gives. An
// entry without a time gets that of the transaction.
func (l *Log) Append(tx *Tx, e Entry) (uint64, error) {
	if tx.w == nil {
		return 0, errReadOnly
	}
	name := tx.Living(DayKey{Default, DayOf(tx.now)}).bytes()
	b, err := tx.sub(&l.bin, name[:], true)
	if err != nil {
		return 0, err
	}
	e.Seq = tx.NextID()
	if e.At == 0 {
		e.At = tx.now.Unix()
	}
	tx.key = binary.BigEndian.AppendUint64(tx.key[:0], e.Seq)
	if err := tx.put(b, tx.key, e.append(tx.w.arena.take(maxEntry))); err != nil {
		return 0, err
	}
	tx.w.fire = append(tx.w.fire, tx.db.signal(l))
	return e.Seq, nil
}

// Read returns up to limit entries behind a sequence number, in their order.
func (l *Log) Read(tx *Tx, after uint64, limit int) ([]Entry, error) {
	b, err := tx.bucket(&l.bin)
	if b == nil || err != nil || after == ^uint64(0) {
		return nil, err
	}
	var found []Entry
	start := rowKey(after + 1)
	days := l.from(b, start[:])
	for k, _ := days.current(); k != nil && len(found) < limit; k, _ = days.Next() {
		day := b.Bucket(k)
		if day == nil {
			continue
		}
		c := day.Cursor()
		for k, v := c.Seek(start[:]); k != nil && len(found) < limit; k, v = c.Next() {
			e, ok := parseEntry(k, v)
			if !ok {
				return nil, fmt.Errorf("%s: %w", l.name, ErrDamaged)
			}
			found = append(found, e)
		}
	}
	return found, nil
}

// dayCursor is a cursor over the days of a log that can be read where it stands.
type dayCursor struct {
	*bolt.Cursor
	k, v []byte
}

func (d *dayCursor) current() (k, v []byte) { return d.k, d.v }

// from finds the first day that can hold key: the newest that begins at or below
// it. Sequence numbers and days both only grow.
func (l *Log) from(b *bolt.Bucket, key []byte) *dayCursor {
	c := b.Cursor()
	k, v := c.Last()
	for k != nil {
		if day := b.Bucket(k); day != nil {
			if first, _ := day.Cursor().First(); first != nil && string(first) <= string(key) {
				break
			}
		}
		if k, v = c.Prev(); k == nil {
			k, v = c.First()
			break
		}
	}
	return &dayCursor{c, k, v}
}

// Last is the sequence number of the newest entry; 0 when there is none.
func (l *Log) Last(tx *Tx) uint64 {
	b, err := tx.bucket(&l.bin)
	if b == nil || err != nil {
		return 0
	}
	c := b.Cursor()
	for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
		if day := b.Bucket(k); day != nil {
			if last, _ := day.Cursor().Last(); len(last) == 8 {
				return binary.BigEndian.Uint64(last)
			}
		}
	}
	return 0
}

var cursors = reservedBin(cursorBucket)

func (l *Log) cursorKey(tx *Tx, name string) []byte {
	tx.key = append(append(tx.key[:0], l.where...), name...)
	return tx.key
}

// Cursor is how far a named reader has come; 0 for one that never set it.
func (l *Log) Cursor(tx *Tx, name string) (uint64, error) {
	b, err := tx.bucket(&cursors)
	if b == nil || err != nil {
		return 0, err
	}
	v := b.Get(l.cursorKey(tx, name))
	if v == nil {
		return 0, nil
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("cursor %s of %s: %w", name, l.name, ErrDamaged)
	}
	return binary.BigEndian.Uint64(v), nil
}

// SetCursor notes how far a named reader has come, in the transaction of what it
// did with the entries.
func (l *Log) SetCursor(tx *Tx, name string, seq uint64) error {
	b, err := tx.bucket(&cursors)
	if err != nil {
		return err
	}
	if b == nil {
		return errReadOnly
	}
	return tx.put(b, l.cursorKey(tx, name), tx.number(seq))
}

// Watch returns a channel that is closed after the next commit that appended.
// Take it before reading, read, then wait on it; take another to go on.
func (l *Log) Watch(db *DB) <-chan struct{} { return db.signal(l).watch() }
