// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Tx is one transaction: a steady picture of the records in View, and the right
// to change them in Update. It belongs to the goroutine that runs the function
// it was given to, and ends with it.
type Tx struct {
	db    *DB
	b     *bolt.Tx
	now   time.Time
	snap  uint64  // commits up to this one are visible
	w     *writer // nil in View
	key   []byte  // scratch: the key being looked up
	where []byte  // scratch: the place of the value being opened
	plain []byte  // scratch: a value in clear
}

// writer is what a transaction needs to change records and to take it back.
type writer struct {
	arena   arena
	changes []change
	after   []func()  // run once the commit is on disk
	fire    []*signal // closed once the commit is on disk
	encoded bytes.Buffer
	touched bool
	// dropping says that the operation dropped a partition, which cannot be undone
	dropping bool
	rec      recorder
	// where the current operation began in after and fire
	opAfter, opFire int
}

// change remembers what a key held before, nil for nothing.
type change struct {
	in        *bolt.Bucket
	key, prev []byte
}

// Now is the instant of this transaction in UTC; it never lies before the last
// one that was committed. In a view the clock is read at the first call: what
// runs behind the scenes has no use for it.
func (tx *Tx) Now() time.Time {
	if tx.w == nil && tx.now.IsZero() {
		tx.now = tx.db.instant(time.Time{})
	}
	return tx.now
}

// Writable tells whether the transaction may change records.
func (tx *Tx) Writable() bool { return tx.w != nil }

// NextSubject takes a new subject number. Numbers are never used again.
func (tx *Tx) NextSubject() Subject {
	tx.mustWrite()
	tx.db.counters.Subject++
	return Subject(tx.db.counters.Subject)
}

// NextID takes a new number, larger than every one before, for a record, a
// message or an entry of a log. Numbers are never used again; gaps are normal.
func (tx *Tx) NextID() uint64 {
	tx.mustWrite()
	tx.db.counters.ID++
	return tx.db.counters.ID
}

func (tx *Tx) mustWrite() {
	if tx.w == nil {
		panic(errReadOnly)
	}
}

// bucket is the bucket of a table; nil in View while nothing was ever put there.
func (tx *Tx) bucket(t *bin) (*bolt.Bucket, error) {
	b := tx.b.Bucket(t.name)
	if b == nil && tx.w != nil {
		var err error
		if b, err = tx.b.CreateBucket(t.name); err != nil {
			return nil, err
		}
	}
	if b != nil && t.fill != 0 {
		b.FillPercent = t.fill
	}
	if tx.w != nil {
		tx.w.rec.know(b, t.name, nil)
	}
	return b, nil
}

// sub is a bucket inside a bucket; nil when it does not exist and make is false.
func (tx *Tx) sub(t *bin, name []byte, create bool) (*bolt.Bucket, error) {
	b, err := tx.bucket(t)
	if b == nil || err != nil {
		return nil, err
	}
	s := b.Bucket(name)
	if s == nil && create {
		if tx.w == nil {
			return nil, errReadOnly
		}
		if s, err = b.CreateBucket(name); err != nil {
			return nil, err
		}
	}
	if s != nil && t.fill != 0 {
		s.FillPercent = t.fill
	}
	if tx.w != nil {
		tx.w.rec.know(s, t.name, name)
	}
	return s, nil
}

// put sets a key and remembers what was there. The key may be scratch memory;
// the value must stay as it is until the commit.
func (tx *Tx) put(b *bolt.Bucket, key, value []byte) error {
	if tx.w == nil {
		return errReadOnly
	}
	if err := tx.putAside(b, key); err != nil {
		return err
	}
	k := tx.note(b, key)
	if err := b.Put(key, value); err != nil {
		return err
	}
	return tx.w.rec.add(changePut, b, k, value)
}

func (tx *Tx) delete(b *bolt.Bucket, key []byte) error {
	if tx.w == nil {
		return errReadOnly
	}
	k := tx.note(b, key)
	if err := b.Delete(key); err != nil {
		return err
	}
	return tx.w.rec.add(changeDelete, b, k, nil)
}

// set and unset are put and delete for what no operation takes back.
func (tx *Tx) set(b *bolt.Bucket, key, value []byte) error {
	if err := b.Put(key, value); err != nil || !tx.w.rec.on {
		return err
	}
	return tx.w.rec.add(changePut, b, tx.w.arena.copy(key), value)
}

func (tx *Tx) unset(b *bolt.Bucket, key []byte) error {
	if err := b.Delete(key); err != nil || !tx.w.rec.on {
		return err
	}
	return tx.w.rec.add(changeDelete, b, tx.w.arena.copy(key), nil)
}

// note writes the journal. What a key held stays valid without a copy: pages of
// the last commit are not overwritten by this one, and values put by this one
// lie in the arena.
func (tx *Tx) note(b *bolt.Bucket, key []byte) []byte {
	k := tx.w.arena.copy(key)
	tx.w.changes = append(tx.w.changes, change{b, k, b.Get(k)})
	return k
}

// undo takes back what the current operation did.
func (tx *Tx) undo() error {
	for i := len(tx.w.changes) - 1; i >= 0; i-- {
		c := &tx.w.changes[i]
		var err error
		if c.prev == nil {
			err = c.in.Delete(c.key)
		} else {
			err = c.in.Put(c.key, c.prev)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// afterCommit runs fn when the changes are on disk.
func (tx *Tx) afterCommit(fn func()) { tx.w.after = append(tx.w.after, fn) }

// at builds the place of a value in scratch memory.
func (tx *Tx) at(t *bin, sub, key []byte) []byte {
	tx.where = append(tx.where[:0], t.where...)
	tx.where = append(tx.where, sub...)
	tx.where = append(tx.where, key...)
	return tx.where
}

// sealValue encodes and seals v for a place, into memory that lives until the
// commit.
func (tx *Tx) sealValue(s Subject, k DayKey, v any, where []byte) ([]byte, error) {
	if tx.w == nil {
		return nil, errReadOnly
	}
	tx.w.encoded.Reset()
	if err := encoding.MarshalToBuffer(v, &tx.w.encoded); err != nil {
		return nil, err
	}
	plain := tx.w.encoded.Bytes()
	return tx.db.codec.seal(tx.w.arena.take(overhead+len(plain)), tx.db.keys, s, k, plain, where)
}

// openValue opens and decodes what was sealed at a place.
func (tx *Tx) openValue(sealed, where []byte, into any) (Subject, error) {
	plain, s, err := tx.db.codec.open(tx.plain[:0], tx.db.keys, sealed, where)
	if err != nil {
		if errors.Is(err, ErrDamaged) {
			tx.db.damaged(where, reasonSeal)
		}
		return s, err
	}
	tx.plain = plain
	if err := decoding.Unmarshal(plain, into); err != nil {
		tx.db.damaged(where, reasonDecode)
		return s, ErrDamaged
	}
	return s, nil
}

// arena is memory for keys and values of one commit: bbolt holds on to them
// until it is done.
type arena struct {
	full [][]byte
	cur  []byte
}

const arenaBlock = 256 << 10

// take returns an empty slice with room for n bytes.
func (a *arena) take(n int) []byte {
	if n > arenaBlock/4 {
		return make([]byte, 0, n)
	}
	if cap(a.cur)-len(a.cur) < n {
		a.full = append(a.full, a.cur)
		a.cur = make([]byte, 0, arenaBlock)
	}
	at := len(a.cur)
	a.cur = a.cur[:at+n]
	return a.cur[at : at : at+n]
}

func (a *arena) copy(b []byte) []byte { return append(a.take(len(b)), b...) }

// reset gives the memory back once nothing points to it any more.
func (a *arena) reset() { a.full, a.cur = nil, a.cur[:0] }
