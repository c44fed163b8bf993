// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"
)

// parts are the two partitions; nil in View while nothing was ever pushed.
func (q *Queue[J]) parts(tx *Tx) (due, at *bolt.Bucket, err error) {
	if due, err = tx.sub(&q.bin, dueName, tx.w != nil); err != nil {
		return nil, nil, err
	}
	at, err = tx.sub(&q.bin, atName, tx.w != nil)
	return due, at, err
}

// Due returns up to limit jobs that are due at now, the earliest first.
func (q *Queue[J]) Due(tx *Tx, now time.Time, limit int) ([]Item[J], error) {
	var found []Item[J]
	end := min(dueOf(now), math.MaxInt64)
	err := q.scan(tx, 0, func(due uint64, it func() (Item[J], error)) error {
		if due > end || len(found) >= limit {
			return ErrStop
		}
		item, err := it()
		if err == nil {
			found = append(found, item)
		}
		return err
	})
	return found, err
}

// Next is when the earliest job is due; false when none waits.
func (q *Queue[J]) Next(tx *Tx) (time.Time, bool) {
	b, _, err := q.parts(tx)
	if b == nil || err != nil {
		return time.Time{}, false
	}
	k, _ := b.Cursor().First()
	due, _, ok := parsePair(k)
	if !ok || due == parkedDue {
		return time.Time{}, false
	}
	return timeOf(due), true
}

// Each calls fn with every job, those that are parked last. fn must not write to
// the queue; ErrStop ends the iteration without an error.
func (q *Queue[J]) Each(tx *Tx, fn func(Item[J]) error) error { return q.each(tx, 0, fn) }

// Parked calls fn with the jobs that were put aside. fn must not write to the
// queue; ErrStop ends the iteration without an error.
func (q *Queue[J]) Parked(tx *Tx, fn func(Item[J]) error) error { return q.each(tx, parkedDue, fn) }

// Len is the number of jobs that wait, without those that are parked.
func (q *Queue[J]) Len(tx *Tx) int {
	b, _, err := q.parts(tx)
	if b == nil || err != nil {
		return 0
	}
	n, c := 0, b.Cursor()
	for k, _ := c.First(); len(k) == 16 && binary.BigEndian.Uint64(k) != parkedDue; k, _ = c.Next() {
		n++
	}
	return n
}

// Wake returns a channel that is closed after the next commit that pushed or
// saved a job. Take it before reading; take another to go on.
func (q *Queue[J]) Wake(db *DB) <-chan struct{} { return db.signal(q).watch() }

func (q *Queue[J]) each(tx *Tx, from uint64, fn func(Item[J]) error) error {
	return q.scan(tx, from, func(_ uint64, it func() (Item[J], error)) error {
		item, err := it()
		if err != nil {
			return err
		}
		return fn(item)
	})
}

// scan goes through the jobs from a due time on. A job whose subject was erased
// is passed over: it is about to be removed. So is a damaged one, see Damaged.
func (q *Queue[J]) scan(tx *Tx, from uint64, fn func(due uint64, it func() (Item[J], error)) error) error {
	b, _, err := q.parts(tx)
	if b == nil || err != nil {
		return err
	}
	c, start := b.Cursor(), rowKey(from)
	for k, sealed := c.Seek(start[:]); k != nil; k, sealed = c.Next() {
		due, _, _ := parsePair(k)
		var opening error
		err := fn(due, func() (item Item[J], err error) {
			item, err = q.open(tx, k, sealed)
			opening = err
			return item, err
		})
		if passedOver(opening) {
			continue
		}
		if err != nil {
			return stopped(err)
		}
	}
	return nil
}
