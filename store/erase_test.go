// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
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
				checkCertificates(t, db)
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

// checkCertificates reads the certificates that the store wrote by itself.
func checkCertificates(t *testing.T, db *DB) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(db.path(certificateDir), "*.json"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%d certificates: %v", len(names), err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	if c, err := VerifyCertificate(b); err != nil || !slices.Equal(c.Subjects, []Subject{1}) {
		t.Errorf("%+v %v", c, err)
	}
}

// lateIndex is an index that takes something in while the keys are destroyed.
type lateIndex struct {
	t       *testing.T
	calls   []string
	dropped []uint32
}

func (x *lateIndex) forget(_ context.Context, db *DB, gone func(Subject, DayKey) bool) ([]uint32, error) {
	x.calls = append(x.calls, "forget")
	if !gone(1, DayKey{Default, 3}) || gone(2, DayKey{Default, 3}) {
		x.t.Error("the index is told of others, or not of the one who is erased")
	}
	first := db.keys.alive(1)
	if want := len(x.calls) == 1; first != want {
		x.t.Errorf("call %d of forget: the key is there: %v", len(x.calls), first)
	}
	if first {
		return []uint32{7}, nil
	}
	return []uint32{7, 9}, nil
}

func (x *lateIndex) drop(_ context.Context, db *DB, replaced []uint32) error {
	x.calls = append(x.calls, "drop")
	for _, n := range replaced {
		if db.keys.segmentAlive(n) {
			x.t.Errorf("segment %d is dropped before its key is destroyed", n)
		}
	}
	x.dropped = replaced
	return nil
}

// TestIndexesForgetBeforeAndDropAfter also takes out what came into an index
// between its first step and the destruction of the keys.
func TestIndexesForgetBeforeAndDropAfter(t *testing.T) {
	db := newTest(t)
	plant(t, db, 1)
	x := &lateIndex{t: t}
	was := declared.allIndexes()
	declared.addIndex(x)
	defer func() { declared.indexes = was }()
	if err := db.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(x.calls, []string{"forget", "forget", "drop"}) || !slices.Equal(x.dropped, []uint32{7, 9}) {
		t.Errorf("%v, then dropped %v", x.calls, x.dropped)
	}
	if !db.keys.segmentAlive(8) {
		t.Error("another segment is gone")
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
