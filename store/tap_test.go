// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestATapHearsEverything replays what a tap heard onto an empty file: it must
// come to hold what the store holds, whatever was done and taken back.
func TestATapHearsEverything(t *testing.T) {
	db := newTest(t)
	replica, err := bolt.Open(filepath.Join(t.TempDir(), "replica.db"), 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Close() })
	var heard []commitRecord
	stop, err := db.tap(t.Context(), func(c *committed) { heard = append(heard, c.copy()) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	disturb(t, db, 60, 1)
	if err := db.Erase(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	stop()
	want, err := db.Checksum(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(heard, func(a, b commitRecord) int { return int(a.Number) - int(b.Number) }) { //nolint:gosec // small numbers
		t.Error("commits came out of order")
	}
	err = replica.Update(func(tx *bolt.Tx) error {
		for i := range heard {
			if err := heard[i].apply(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := checksumFile(t, replica); got != want || want.Records < 50 {
		t.Errorf("replayed: %+v, the store: %+v", got, want)
	}
	disturb(t, db, 2, 2)
	if now, err := db.Checksum(t.Context()); err != nil || now == want {
		t.Errorf("more writes change nothing: %v", err)
	}
}

func checksumFile(t *testing.T, b *bolt.DB) (c Checksum) {
	t.Helper()
	err := b.View(func(tx *bolt.Tx) (err error) {
		c, err = checksumOf(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// disturb writes, overwrites, deletes and takes back in every kind of table, from
// several goroutines.
func disturb(tb testing.TB, db *DB, rounds int, seed uint64) {
	tb.Helper()
	var wg sync.WaitGroup
	for w := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, w))
			for range rounds {
				err := db.Update(tb.Context(), func(tx *Tx) error { return disturbance(tx, r) })
				if err != nil && !errors.Is(err, errBoom) && !errors.Is(err, ErrErased) {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func disturbance(tx *Tx, r *rand.Rand) error {
	id, s, day := r.Uint64N(20)+2, Subject(r.Uint32N(9)+2), DayKey{Default, Day(r.Uint32N(3) + 1)}
	_, lerr := journal.Append(tx, Entry{Kind: 1, A: id})
	job, qerr := outbox.Push(tx, tx.Now(), &job{Subject: s})
	err := errors.Join(
		people.Put(tx, id, &person{s, "Sample Customer"}), messages.Put(tx, Ref{day, id, tx.NextID()}, &message{Subject: s, Text: "words"}),
		provider.Set(tx, day, string(rune(id)), id, 2), byNumber.Put(tx, []uint64{id, uint64(s)}, 3), lerr, qerr,
		threads.Put(tx, id, thread{Subject: s, Last: id}), numbers.Set(tx, "phone", string(rune(id)), id),
	)
	if err != nil {
		return err
	}
	switch r.IntN(6) {
	case 0:
		return errBoom
	case 1:
		return errors.Join(outbox.Delete(tx, job), threads.Delete(tx, id), byNumber.Delete(tx, []uint64{id, uint64(s)}))
	case 2:
		return errors.Join(people.Delete(tx, s, id), provider.Delete(tx, day, string(rune(id))))
	}
	return nil
}
