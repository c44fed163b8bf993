// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// wasteful fills a store with records and deletes most of them again.
func wasteful(t *testing.T, db *DB, n uint64) {
	t.Helper()
	for at := uint64(1); at <= n; at += 100 {
		update(t, db, func(tx *Tx) error {
			for id := at; id < at+100; id++ {
				err := errors.Join(people.Put(tx, id, &person{Subject(id), strings.Repeat("x", 1000)}), threads.Put(tx, id, thread{Subject: Subject(id), Last: id}))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	update(t, db, func(tx *Tx) error {
		for id := uint64(1); id <= n; id++ {
			if id%10 != 0 {
				if err := errors.Join(people.Delete(tx, Subject(id), id), threads.Delete(tx, id)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func checksum(t *testing.T, db *DB) Checksum {
	t.Helper()
	c, err := db.Checksum(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompactionGivesSpaceBackAndKeepsEverything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	wasteful(t, db, 20_000)
	want, before := checksum(t, db), db.Space()
	if before.Free < before.File/2 || before.File == 0 {
		t.Errorf("the gauge says %+v", before)
	}
	var last CompactProgress
	done, err := db.Compact(t.Context(), func(p CompactProgress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	if got := checksum(t, db); got != want {
		t.Errorf("it held %+v and holds %+v", want, got)
	}
	if done.After >= done.Before/2 || last.Copied == 0 || sizeOf(db.path(dataFile)) != done.After {
		t.Errorf("%+v, progress %+v", done, last)
	}
	disturb(t, db, 20, 1)
	want = checksum(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	if got := checksum(t, db); got != want {
		t.Errorf("after a restart it holds %+v instead of %+v", got, want)
	}
}

// TestCompactionBesideWriters compacts again and again while four writers change
// every kind of table, and holds rows in RAM against records on disk.
func TestCompactionBesideWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	wasteful(t, db, 1000)
	var wg sync.WaitGroup
	var over atomic.Bool
	wg.Go(func() {
		for seed := uint64(0); !over.Load(); seed++ {
			disturb(t, db, 5, seed)
		}
	})
	wg.Go(func() {
		for i := 0; !over.Load(); i++ {
			title := fmt.Sprint(i)
			update(t, db, func(tx *Tx) error {
				return errors.Join(threads.Put(tx, 1, thread{Subject: 1, Title: title}), people.Put(tx, 1, &person{1, title}))
			})
			view(t, db, checkPair)
		}
	})
	for range 5 {
		if _, err := db.Compact(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	over.Store(true)
	wg.Wait()
	want := checksum(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	if got := checksum(t, db); got != want {
		t.Errorf("after a restart it holds %+v instead of %+v", got, want)
	}
}

func TestAViewOutlivesACompaction(t *testing.T) {
	db := newTest(t)
	wasteful(t, db, 500)
	set := func(title string) {
		update(t, db, func(tx *Tx) error {
			return errors.Join(threads.Put(tx, 1, thread{Subject: 1, Title: title}), people.Put(tx, 1, &person{1, title}))
		})
	}
	set("before")
	sees := func(tx *Tx, title string) {
		row, _ := threads.Get(tx, 1)
		p, err := people.Get(tx, 1, 1)
		if err != nil || row.Title != title || p.Name != title {
			t.Errorf("a view of %q sees %q and %v, %v", title, row.Title, p, err)
		}
	}
	view(t, db, func(old *Tx) error {
		for _, title := range []string{"after", "later"} {
			if _, err := db.Compact(t.Context(), nil); err != nil {
				return err
			}
			set(title)
			view(t, db, func(tx *Tx) error { sees(tx, title); return nil })
			sees(old, "before")
		}
		return nil
	})
	view(t, db, func(tx *Tx) error { sees(tx, "later"); return nil })
}

func TestACompactionThatIsCutShortLeavesAWholeStore(t *testing.T) {
	for _, step := range []string{"rename", "renamed"} {
		t.Run(step, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			db := openTest(t, dir, Options{})
			wasteful(t, db, 300)
			want := checksum(t, db)
			db.faultStep = func(at string) error {
				if at == step {
					return errBoom
				}
				return nil
			}
			if _, err := db.Compact(t.Context(), nil); !errors.Is(err, errBoom) {
				t.Fatal(err)
			}
			err := db.Update(t.Context(), func(tx *Tx) error { tx.NextID(); return nil })
			if fails := step == "renamed"; (err != nil) != fails || (db.Err() != nil) != fails {
				t.Errorf("writing afterwards: %v; the store: %v", err, db.Err())
			}
			if _, err := os.Stat(db.path(compactFile)); err == nil {
				t.Error("the copy was left behind")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, compactFile), []byte("left over"), 0o600); err != nil {
				t.Fatal(err)
			}
			db = openTest(t, dir, Options{})
			if got := checksum(t, db); got != want {
				t.Errorf("it holds %+v instead of %+v", got, want)
			}
			if _, err := os.Stat(filepath.Join(dir, compactFile)); err == nil {
				t.Error("the start left the copy behind")
			}
			if _, err := db.Compact(t.Context(), nil); err != nil {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

func TestACompactionEndsWithItsCallerAndWithTheStore(t *testing.T) {
	db := newTest(t)
	wasteful(t, db, 300)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Compact(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	update(t, db, func(tx *Tx) error { tx.NextID(); return nil })
	db.compacting.Lock()
	if _, err := db.Compact(t.Context(), nil); !errors.Is(err, ErrLocked) {
		t.Errorf("a second one: %v", err)
	}
	db.compacting.Unlock()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Compact(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
