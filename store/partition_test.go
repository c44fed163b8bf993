// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// fill puts n messages into a day, spread over subjects.
func fill(t *testing.T, db *DB, day DayKey, n int) {
	t.Helper()
	for at := 0; at < n; at += 1000 {
		update(t, db, func(tx *Tx) error {
			for i := at; i < min(at+1000, n); i++ {
				s := Subject(1 + i%7)
				if err := messages.Put(tx, Ref{day, uint64(s), tx.NextID()}, &message{Subject: s, Text: "hello"}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func inDay(t *testing.T, db *DB, day DayKey) (n int) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		return messages.Every(tx, day, func(Ref, *message) error { n++; return nil })
	})
	return n
}

// heaps counts what lies in the trash.
func heaps(t *testing.T, db *DB) (n int) {
	t.Helper()
	err := db.bolt.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(trash.name)
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func dropMessages(tx *Tx, day DayKey) error {
	name := day.bytes()
	return tx.dropPartition(&messages.bin, name[:])
}

func TestADroppedPartitionIsGoneAtOnceAndItsPagesByAndBy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	old, kept := DayKey{Default, 3}, DayKey{Default, 4}
	fill(t, db, old, 2*maxThrown+100)
	fill(t, db, kept, 100)
	update(t, db, func(tx *Tx) error { return dropMessages(tx, old) })
	if inDay(t, db, old) != 0 || inDay(t, db, kept) != 100 || heaps(t, db) != 1 {
		t.Fatalf("after the drop %d and %d messages, %d heaps", inDay(t, db, old), inDay(t, db, kept), heaps(t, db))
	}
	fill(t, db, old, 10) // the partition can be made again
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	for range 2 {
		if err := db.emptyTrash(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if inDay(t, db, old) != 10 || inDay(t, db, kept) != 100 || heaps(t, db) != 0 {
		t.Errorf("in the end %d and %d messages, %d heaps", inDay(t, db, old), inDay(t, db, kept), heaps(t, db))
	}
	if err := db.bolt.View(func(tx *bolt.Tx) error { return <-tx.Check() }); err != nil {
		t.Errorf("the pages: %v", err)
	}
}

// TestDropsShareABatchWithWrites runs the drop behind a write to the same
// partition, before another one, and beside an operation that fails.
func TestDropsShareABatchWithWrites(t *testing.T) {
	db := newTest(t)
	day := DayKey{Default, 3}
	fill(t, db, day, 300)
	put := func(s Subject) func(tx *Tx) error {
		return func(tx *Tx) error { return messages.Put(tx, Ref{day, 9, uint64(s)}, &message{Subject: s, Text: "new"}) }
	}
	wrong := errors.New("wrong")
	ops := []*operation{
		{fn: put(1)},
		{fn: func(tx *Tx) error { return dropMessages(tx, day) }},
		{fn: put(2)},
		{fn: func(tx *Tx) error { return errors.Join(put(3)(tx), wrong) }},
	}
	together(t, db, ops)
	for i, op := range ops[:3] {
		if op.err != nil {
			t.Errorf("operation %d: %v", i, op.err)
		}
	}
	if !errors.Is(ops[3].err, wrong) || inDay(t, db, day) != 1 {
		t.Errorf("%v, and %d messages in the day", ops[3].err, inDay(t, db, day))
	}
}

func TestAnOperationThatFailsAfterADropGivesTheBatchUp(t *testing.T) {
	db := newTest(t)
	day := DayKey{Default, 3}
	fill(t, db, day, 300)
	ops := []*operation{
		{fn: func(tx *Tx) error { return messages.Put(tx, Ref{day, 9, 1}, &message{Subject: 1}) }},
		{fn: func(tx *Tx) error { return errors.Join(dropMessages(tx, day), errors.New("wrong")) }},
	}
	together(t, db, ops)
	if !errors.Is(ops[0].err, ErrUnavailable) || ops[1].err == nil || inDay(t, db, day) != 300 || heaps(t, db) != 0 {
		t.Errorf("%v and %v, %d messages", ops[0].err, ops[1].err, inDay(t, db, day))
	}
	fill(t, db, day, 10)
	if inDay(t, db, day) != 310 {
		t.Errorf("%d messages in the end", inDay(t, db, day))
	}
}

// together runs operations in one batch: they wait behind one that holds the
// committer.
func together(t *testing.T, db *DB, ops []*operation) {
	t.Helper()
	held, let := make(chan struct{}), make(chan struct{})
	go func() {
		_ = db.Update(t.Context(), func(*Tx) error { close(held); <-let; return nil }) // it changes nothing
	}()
	<-held
	for _, op := range ops {
		op.done = make(chan struct{})
		db.ops <- op
	}
	close(let)
	for _, op := range ops {
		<-op.done
	}
}
