// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// committed is what one commit changed. What it refers to is memory of the
// committer: who wants to keep it copies it.
type committed struct {
	number  uint64
	changes []changed
}

// changed is one change, in the order in which they were made.
type changed struct {
	what  changeKind
	in    bucketPath
	key   []byte
	value []byte
}

// changeKind is what happened to a key or a partition. The numbers are written
// into files and are never used again.
type changeKind uint8

const (
	changePut    changeKind = 1
	changeDelete changeKind = 2
	changeDrop   changeKind = 3 // of the whole partition; there is no key
)

// bucketPath is a bucket by its name, or one inside it.
type bucketPath struct{ table, part []byte }

// tap is somebody who hears of every commit.
type tap struct{ fn func(*committed) }

// tap lets fn hear of every commit from the next one on, once it is on disk and
// before those who wait for it go on. fn runs in the committer: it must be quick
// and must not write to the store. The commits before the first one it hears are
// what the function begun sees; begun may be nil.
func (db *DB) tap(ctx context.Context, fn func(*committed), begun func() error) (stop func(), err error) {
	t := &tap{fn}
	err = db.between(ctx, func() error {
		if begun != nil {
			if err := begun(); err != nil {
				return err
			}
		}
		db.taps = append(db.taps, t)
		return nil
	})
	return func() {
		remove := func() error {
			db.taps = slices.DeleteFunc(db.taps, func(o *tap) bool { return o == t })
			return nil
		}
		_ = db.between(context.WithoutCancel(ctx), remove) // a closed store has no commits to hear of
	}, err
}

// between runs fn in the committer when no transaction is open.
func (db *DB) between(ctx context.Context, fn func() error) error {
	return db.submit(ctx, &operation{between: fn, done: make(chan struct{})})
}

// recorder collects what a transaction changes while somebody listens.
type recorder struct {
	on      bool
	changes []changed
	at      int // where the current operation began
	places  map[*bolt.Bucket]bucketPath
}

var errPlace = errors.New("store: a write to a bucket that was not opened by the transaction")

func (r *recorder) begin(on bool) {
	r.on, r.at = on, 0
	clear(r.changes)
	r.changes = r.changes[:0]
	clear(r.places)
}

func (r *recorder) mark() { r.at = len(r.changes) }

func (r *recorder) undo() { r.changes = r.changes[:r.at] }

// know remembers where a bucket is.
func (r *recorder) know(b *bolt.Bucket, table, part []byte) {
	if !r.on || b == nil {
		return
	}
	if _, ok := r.places[b]; ok {
		return
	}
	if r.places == nil {
		r.places = map[*bolt.Bucket]bucketPath{}
	}
	r.places[b] = bucketPath{table, slices.Clone(part)}
}

// add takes a change down. key and value must stay as they are until the commit.
func (r *recorder) add(what changeKind, b *bolt.Bucket, key, value []byte) error {
	if !r.on {
		return nil
	}
	in, ok := r.places[b]
	if !ok {
		return errPlace
	}
	r.changes = append(r.changes, changed{what, in, key, value})
	return nil
}

// dropped takes down that a partition was deleted whole: whoever deletes one
// calls it afterwards.
func (tx *Tx) dropped(t *bin, part []byte) {
	r := &tx.w.rec
	if !r.on {
		return
	}
	for b, p := range r.places {
		if string(p.table) == string(t.name) && string(p.part) == string(part) {
			delete(r.places, b)
		}
	}
	r.changes = append(r.changes, changed{what: changeDrop, in: bucketPath{t.name, slices.Clone(part)}})
}

// tell hands the commit to those who listen.
func (db *DB) tell(tx *Tx) {
	if !tx.w.rec.on {
		return
	}
	c := committed{tx.snap, tx.w.rec.changes}
	for _, t := range db.taps {
		t.fn(&c)
	}
}
