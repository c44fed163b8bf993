// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// manyFrom reads a size from the environment; big tells that it was given, and
// with it that time is to be judged.
func manyFrom(t *testing.T, name string, small int) (n int, big bool) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return small, false
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s is a number of messages, not %q", name, text)
	}
	return n, true
}

// crowd puts n messages into days from first on, about who(i).
func crowd(t *testing.T, db *DB, n int, first Day, days int, who func(i int) Subject) {
	t.Helper()
	const part = 2_000
	for at := 0; at < n; at += part {
		update(t, db, func(tx *Tx) error {
			for i := at; i < min(at+part, n); i++ {
				s, k := who(i), DayKey{Default, first + Day(i%days)} //nolint:gosec // small
				seq := tx.NextID()
				m := &message{Subject: s, Text: "A message of usual length, such as people write to a shop when they ask for an order."}
				err := errors.Join(messages.Put(tx, Ref{k, uint64(s), seq}, m),
					provider.Set(tx, k, strconv.Itoa(i), uint64(s), seq))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// TestErasingAPersonWithManyMessages takes KITH_ERASE_MESSAGES of one person out
// from among ten times as many of others, with a keyring that has
// KITH_ERASE_EARLIER holes.
func TestErasingAPersonWithManyMessages(t *testing.T) {
	n, big := manyFrom(t, "KITH_ERASE_MESSAGES", 1_000)
	earlier, _ := manyFrom(t, "KITH_ERASE_EARLIER", 100)
	db := openAt(t, filepath.Join(t.TempDir(), "data"), newMachine())
	first := DayOf(testNow) - 29
	const person = Subject(77)
	crowd(t, db, 11*n, first, 30, func(i int) Subject {
		if i%11 == 0 {
			return person
		}
		return Subject(100_000 + i%1000) //nolint:gosec // small
	})
	err := db.puncture(func(trees trees) bool {
		for i := range uint64(earlier) { //nolint:gosec // not negative
			trees.subjects.puncture(1_000_000 + i*2_654_435_761%1_000_000)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	w := watchWriters(t, db)
	start := time.Now()
	d, err := db.EraseSubjects(t.Context(), person)
	took := time.Since(start)
	p99, most := w.stop()
	if err != nil || d.Removed["t.messages"] != n {
		t.Fatalf("%+v %v", d, err)
	}
	if traces(t, db, person) != 0 {
		t.Error("something is left about the person")
	}
	ring, err := os.Stat(db.path(keyringFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d messages erased in %v; writers meanwhile p99 %v, at most %v; the keyring has %d bytes after %d erasures",
		n, 11*n, took, p99, most, ring.Size(), earlier+1)
	if big && took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// TestExpiringADayWithManyMessages destroys a day of KITH_EXPIRE_MESSAGES while
// somebody writes.
func TestExpiringADayWithManyMessages(t *testing.T) {
	n, big := manyFrom(t, "KITH_EXPIRE_MESSAGES", 5_000)
	clock := newMachine()
	db := openAt(t, filepath.Join(t.TempDir(), "data"), clock)
	day := DayOf(testNow) - 40
	crowd(t, db, n, day, 1, func(i int) Subject { return Subject(1 + i%1000) }) //nolint:gosec // small
	idle, _ := watchWriters(t, db).after(800)
	w := watchWriters(t, db)
	start := time.Now()
	d, err := db.Expire(t.Context(), Expiry{Class: Default, Before: day + 1})
	took := time.Since(start)
	p99, most := w.stop()
	if err != nil || d.Removed["t.messages"] != n || heaps(t, db) != 0 {
		t.Fatalf("%+v %v", d, err)
	}
	t.Logf("%d messages and identifiers expired in %v; writers p99 %v before, %v meanwhile, at most %v", n, took, idle, p99, most)
	if big && (took > time.Minute || p99 > 50*time.Millisecond) {
		t.Errorf("it took %v, and writers waited %v", took, p99)
	}
}

// writers write a message each, one after the other, and note how long it took.
type writers struct {
	end   context.CancelFunc
	took  chan []time.Duration
	count int
	done  atomic.Int64
}

// after stops the writers when they have written so much.
func (w *writers) after(n int64) (p99, most time.Duration) {
	for w.done.Load() < n {
		runtime.Gosched()
	}
	return w.stop()
}

func watchWriters(t *testing.T, db *DB) *writers {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	w := &writers{end: end, took: make(chan []time.Duration), count: 8}
	for i := range w.count {
		go func() { w.took <- w.writeUntil(ctx, db, Subject(5_000+i)) }() //nolint:gosec // small
	}
	return w
}

func (w *writers) writeUntil(ctx context.Context, db *DB, s Subject) (all []time.Duration) {
	k := DayKey{Default, DayOf(testNow)}
	for ctx.Err() == nil {
		start := time.Now()
		err := db.Update(context.WithoutCancel(ctx), func(tx *Tx) error {
			return messages.Put(tx, Ref{k, uint64(s), tx.NextID()}, &message{Subject: s, Text: "while it goes on"})
		})
		if err != nil {
			break
		}
		all = append(all, time.Since(start))
		w.done.Add(1)
	}
	return all
}

func (w *writers) stop() (p99, most time.Duration) {
	w.end()
	var all []time.Duration
	for range w.count {
		all = append(all, <-w.took...)
	}
	slices.Sort(all)
	if len(all) == 0 {
		return 0, 0
	}
	return all[len(all)*99/100], all[len(all)-1]
}
