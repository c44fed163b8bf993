// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plant writes one record of every kind about s, some of them long.
func plant(t *testing.T, db *DB, s Subject) BlobRef {
	t.Helper()
	w, err := db.CreateBlob(t.Context(), s, DayKey{Default, 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "contents"); err != nil {
		t.Fatal(err)
	}
	ref, meta, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long", 20_000)
	update(t, db, func(tx *Tx) error {
		var errs []error
		for i := range uint64(700) {
			seq := tx.NextID()
			errs = append(errs, messages.Put(tx, Ref{DayKey{Default, Day(2 + i%3)}, uint64(s), seq}, &message{Subject: s, Text: "hello"}))
		}
		id, err := outbox.Push(tx, tx.Now(), &job{s, "later"})
		_, perr := outbox.Push(tx, tx.Now(), &job{s, long})
		return errors.Join(errors.Join(errs...), err, perr, outbox.Park(tx, id, "because"),
			people.Put(tx, 1, &person{s, "Ada"}), people.Put(tx, 2, &person{s, long}),
			messages.Put(tx, Ref{DayKey{Default, 9}, uint64(s), 1}, &message{Subject: s, Text: long}),
			threads.Put(tx, uint64(s), thread{Subject: s, Title: "Ada"}), LinkBlob(tx, ref, meta))
	})
	return ref
}

// traces counts what is left about s, in the buckets and in RAM.
func traces(t *testing.T, db *DB, s Subject) (n int) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		erasers, _ := declared.all()
		for _, e := range append(erasers, blobEraser{}) {
			for after := []byte(nil); ; {
				all, next, err := e.find(tx, subjectSet{s}, after)
				if err != nil {
					return err
				}
				if n += len(all); next == nil {
					break
				}
				after = next
			}
		}
		if _, ok := threads.Get(tx, uint64(s)); ok {
			n++
		}
		return nil
	})
	return n
}

const planted = 700 + 1 + 2 + 2 + 1 + 1 + 1

func TestEraseLeavesNothingAboutOneAndAllAboutOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	a, b := plant(t, db, 1), plant(t, db, 2)
	if traces(t, db, 1) != planted {
		t.Fatalf("%d traces of 1 to begin with", traces(t, db, 1))
	}
	for range 2 { // the second time there is nothing to do
		if err := db.Erase(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		if n, m := traces(t, db, 1), traces(t, db, 2); n != 0 || m != planted {
			t.Errorf("%d traces of 1 and %d of 2", n, m)
		}
		if _, err := db.OpenBlob(a); !errors.Is(err, ErrNotFound) {
			t.Errorf("the attachment: %v", err)
		}
		if f, err := db.OpenBlob(b); err != nil || f.Close() != nil {
			t.Errorf("the other attachment: %v", err)
		}
		err := db.Update(t.Context(), func(tx *Tx) error { return people.Put(tx, 1, &person{1, "Ada"}) })
		if !errors.Is(err, ErrErased) {
			t.Errorf("a new record about 1: %v", err)
		}
		err = db.Update(t.Context(), func(tx *Tx) error { return threads.Put(tx, 1, thread{Subject: 1}) })
		if !errors.Is(err, ErrErased) {
			t.Errorf("a new row about 1: %v", err)
		}
	}
	check()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	check()
	if err := db.Erase(t.Context(), Nobody); err == nil {
		t.Error("nobody was erased")
	}
}

// TestAnErasureCutShortIsCompleted stops the keyring after each step, and opens
// the store again.
func TestAnErasureCutShortIsCompleted(t *testing.T) {
	for step := range 5 {
		for _, again := range []string{"by the next start", "by the next call"} {
			dir := filepath.Join(t.TempDir(), "data")
			db := openTest(t, dir, Options{})
			plant(t, db, 1)
			plant(t, db, 2)
			db.ring.fault = func(n int) error {
				if n == step {
					return errBoom
				}
				return nil
			}
			if err := db.Erase(t.Context(), 1); !errors.Is(err, errBoom) {
				t.Fatalf("step %d: %v", step, err)
			}
			if again == "by the next start" {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = openTest(t, dir, Options{})
				db.resume(t.Context())
			} else {
				db.ring.fault = nil
				if err := db.Erase(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			if n, m := traces(t, db, 1), traces(t, db, 2); n != 0 || m != planted {
				t.Errorf("step %d, %s: %d traces of 1 and %d of 2", step, again, n, m)
			}
			checkOneSecret(t, dir)
			view(t, db, func(tx *Tx) error {
				if open, err := unfinished(tx); len(open) != 0 || err != nil {
					t.Errorf("step %d, %s: the ledger has %d open entries, %v", step, again, len(open), err)
				}
				return nil
			})
		}
	}
}

// TestAnOldCopyDoesNotOpenWhatWasErased puts the data of before the erasure
// beside the keys of after it.
func TestAnOldCopyDoesNotOpenWhatWasErased(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	ref := plant(t, db, 1)
	blob, err := os.ReadFile(db.blobPath(ref.ID))
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, dataFile))
	if err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	if err := errors.Join(db.Erase(t.Context(), 1), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, dataFile), old, 0o600); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	if err := os.WriteFile(db.blobPath(ref.ID), blob, 0o600); err != nil {
		t.Fatal(err)
	}
	view(t, db, func(tx *Tx) error {
		if _, err := people.Get(tx, 1, 1); !errors.Is(err, ErrErased) {
			t.Errorf("record: %v", err)
		}
		if _, err := messages.Get(tx, Ref{DayKey{Default, 9}, 1, 1}); !errors.Is(err, ErrErased) {
			t.Errorf("long record: %v", err)
		}
		if _, ok := threads.Get(tx, 1); ok {
			t.Error("the row is back")
		}
		return nil
	})
	if _, err := db.OpenBlob(ref); !errors.Is(err, ErrErased) {
		t.Errorf("attachment: %v", err)
	}
}
