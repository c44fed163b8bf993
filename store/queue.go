// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Queue keeps jobs until they are done. A worker reads what is due, notes the
// attempt with Save before it acts, acts outside of any transaction, and settles
// with Delete, Save or Park.
//
// Two partitions: "due" holds the sealed jobs by due time and number, "at" leads
// from a number to its due time. A parked job is due at the end of time.
type Queue[J any] struct {
	bin
	about func(*J) Subject
}

// NewQueue declares a queue. about says whom a job is about.
func NewQueue[J any](name string, about func(*J) Subject) *Queue[J] {
	if about == nil {
		panic("store: " + name + " does not say whom its jobs are about")
	}
	q := &Queue[J]{newBin(name, 0), about}
	declared.addEraser(q)
	return q
}

// Item is a job and what happened to it so far.
type Item[J any] struct {
	ID       uint64
	Due      time.Time
	Attempts int
	Parked   bool   // waits for a person
	Reason   string // why it is parked, or what the last attempt said
	Job      J
}

// sealedItem is what an item looks like on disk.
type sealedItem[J any] struct {
	Attempts int    `cbor:"1,keyasint,omitempty"`
	Parked   bool   `cbor:"2,keyasint,omitempty"`
	Reason   string `cbor:"3,keyasint,omitempty"`
	Job      J      `cbor:"4,keyasint"`
	Due      int64  `cbor:"5,keyasint,omitempty"` // of a parked job, as it was
}

var (
	dueName = []byte("due")
	atName  = []byte("at")
)

const parkedDue = ^uint64(0)

func dueOf(t time.Time) uint64 {
	if t.IsZero() || t.Unix() < 0 {
		return 0
	}
	return uint64(t.UnixNano()) //nolint:gosec // not negative
}

func timeOf(due uint64) time.Time {
	return time.Unix(0, int64(due)).UTC() //nolint:gosec // made by dueOf
}

// Push adds a job that is due at an instant and returns its number.
func (q *Queue[J]) Push(tx *Tx, due time.Time, job *J) (uint64, error) {
	if tx.w == nil {
		return 0, errReadOnly
	}
	it := Item[J]{ID: tx.NextID(), Due: due, Job: *job}
	return it.ID, q.write(tx, &it)
}

// write puts a job where its due time says and wakes the workers.
func (q *Queue[J]) write(tx *Tx, it *Item[J]) error {
	due, at, err := q.parts(tx)
	if err != nil {
		return err
	}
	when, stored := dueOf(it.Due), sealedItem[J]{it.Attempts, it.Parked, it.Reason, it.Job, 0}
	if it.Parked {
		stored.Due, when = int64(when), parkedDue //nolint:gosec // made by dueOf
	}
	key := tx.pairKey(when, it.ID)
	sealed, err := tx.sealValue(q.about(&it.Job), DayKey{}, &stored, tx.at(&q.bin, dueName, key))
	if err != nil {
		return fmt.Errorf("%s %d: %w", q.name, it.ID, err)
	}
	if err := tx.put(due, key, sealed); err != nil {
		return err
	}
	tx.w.fire = append(tx.w.fire, tx.db.signal(q))
	return tx.put(at, key[8:], tx.number(when))
}

// dueAt is the due time of a job.
func (q *Queue[J]) dueAt(tx *Tx, id uint64) (uint64, error) {
	_, at, err := q.parts(tx)
	if err != nil {
		return 0, err
	}
	if at == nil {
		return 0, q.missing
	}
	tx.key = binary.BigEndian.AppendUint64(tx.key[:0], id)
	v := at.Get(tx.key)
	if len(v) != 8 {
		return 0, q.missing
	}
	return binary.BigEndian.Uint64(v), nil
}

func (q *Queue[J]) open(tx *Tx, key, sealed []byte) (Item[J], error) {
	var stored sealedItem[J]
	due, id, ok := parsePair(key)
	_, err := tx.openValue(sealed, tx.at(&q.bin, dueName, key), &stored)
	if err == nil && !ok {
		err = ErrDamaged
	}
	if err != nil {
		return Item[J]{}, fmt.Errorf("%s %d: %w", q.name, id, err)
	}
	if due == parkedDue {
		due = uint64(stored.Due) //nolint:gosec // made by dueOf
	}
	return Item[J]{id, timeOf(due), stored.Attempts, stored.Parked, stored.Reason, stored.Job}, nil
}

// Get returns a job by its number, or ErrNotFound.
func (q *Queue[J]) Get(tx *Tx, id uint64) (Item[J], error) {
	when, err := q.dueAt(tx, id)
	if err != nil {
		return Item[J]{}, err
	}
	due, _, err := q.parts(tx)
	if err != nil {
		return Item[J]{}, err
	}
	key := tx.pairKey(when, id)
	sealed := due.Get(key)
	if sealed == nil {
		return Item[J]{}, q.missing
	}
	return q.open(tx, key, sealed)
}

// Save writes a job back and moves it when its due time changed. A job that is
// no longer in the queue is not put back: ErrNotFound.
func (q *Queue[J]) Save(tx *Tx, it Item[J]) error {
	if err := q.remove(tx, it.ID); err != nil {
		return err
	}
	return q.write(tx, &it)
}

// Delete removes a job; one that is not there is no error.
func (q *Queue[J]) Delete(tx *Tx, id uint64) error {
	if err := q.remove(tx, id); err != nil && err != q.missing { //nolint:errorlint // the very value that dueAt returns
		return err
	}
	return nil
}

func (q *Queue[J]) remove(tx *Tx, id uint64) error {
	if tx.w == nil {
		return errReadOnly
	}
	when, err := q.dueAt(tx, id)
	if err != nil {
		return err
	}
	due, at, err := q.parts(tx)
	if err != nil {
		return err
	}
	key := tx.pairKey(when, id)
	if err := tx.delete(due, key); err != nil {
		return err
	}
	return tx.delete(at, key[8:])
}

// Park puts a job aside for a person to look at, with the reason.
func (q *Queue[J]) Park(tx *Tx, id uint64, reason string) error {
	it, err := q.Get(tx, id)
	if err != nil {
		return err
	}
	it.Parked, it.Reason = true, reason
	return q.Save(tx, it)
}
