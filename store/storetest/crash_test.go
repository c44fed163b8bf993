// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"kith/store"
)

type note struct {
	Subject store.Subject `cbor:"1,keyasint,omitempty"`
	Text    string        `cbor:"2,keyasint,omitempty"`
	Blob    store.BlobRef `cbor:"3,keyasint"`
}

var (
	notes  = store.NewTable("crash.notes", func(n *note) store.Subject { return n.Subject })
	rows   = store.NewResident("crash.rows", store.ResidentOptions[note]{About: func(n *note) store.Subject { return n.Subject }, Tally: func(_ *note, count func(uint64)) { count(1) }})
	events = store.NewLog("crash.events")
	gone   = store.NewTable("crash.gone", func(n *note) store.Subject { return n.Subject })
	jobs   = store.NewQueue("crash.jobs", func(n *note) store.Subject { return n.Subject })
)

func TestWhatWasAcknowledgedSurvivesKill(t *testing.T) { Crash(t, writeNotes, checkNotes) }

// writeNotes writes one note after the other from several goroutines, each to
// every kind of table.
func writeNotes(t *testing.T, dir string, acked func(string)) {
	t.Helper()
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				id, err := writeNote(t, db, n%10 == 0)
				if err != nil {
					t.Error(err)
					return
				}
				acked(strconv.FormatUint(id, 10))
			}
		})
	}
	wg.Go(func() {
		for {
			id, err := writeAndErase(t, db)
			if err != nil {
				t.Error(err)
				return
			}
			acked("erased " + strconv.FormatUint(id, 10))
		}
	})
	wg.Wait()
}

// writeAndErase ratchets the keyring beside the other writers.
func writeAndErase(t *testing.T, db *store.DB) (id uint64, err error) {
	t.Helper()
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		n := note{Subject: tx.NextSubject(), Text: "to be forgotten"}
		id = uint64(n.Subject)
		return gone.Put(tx, id, &n)
	})
	if err != nil {
		return 0, err
	}
	return id, db.Erase(t.Context(), store.Subject(id))
}

func writeNote(t *testing.T, db *store.DB, withBlob bool) (id uint64, err error) {
	t.Helper()
	n := note{}
	var meta store.BlobMeta
	if withBlob {
		w, err := db.CreateBlob(t.Context(), store.Nobody, store.DayKey{Class: store.Default, Day: 3})
		if err != nil {
			return 0, err
		}
		if _, err := io.WriteString(w, "contents"); err != nil {
			return 0, err
		}
		if n.Blob, meta, err = w.Commit(); err != nil {
			return 0, err
		}
	}
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		n.Subject = tx.NextSubject()
		id = uint64(n.Subject)
		n.Text = fmt.Sprint("note ", id)
		_, eerr := events.Append(tx, store.Entry{A: id})
		_, jerr := jobs.Push(tx, tx.Now(), &n)
		err := errors.Join(eerr, jerr, notes.Put(tx, id, &n), rows.Put(tx, id, n))
		if withBlob {
			err = errors.Join(err, store.LinkBlob(tx, n.Blob, meta))
		}
		return err
	})
	return id, err
}

// checkNotes holds the store against what was acknowledged, and its parts
// against each other: what was not acknowledged is there wholly or not at all.
func checkNotes(t *testing.T, dir string, acked []string) {
	t.Helper()
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	want, erased := map[uint64]bool{}, map[uint64]bool{}
	for _, line := range acked {
		number, isErased := strings.CutPrefix(line, "erased ")
		id, err := strconv.ParseUint(number, 10, 64)
		if isErased && err == nil {
			erased[id] = true
			continue
		}
		if err != nil || want[id] {
			t.Fatalf("%q was acknowledged twice or is no number", line)
		}
		want[id] = true
	}
	err = db.View(t.Context(), func(tx *store.Tx) error {
		for id := range erased {
			if _, err := gone.Get(tx, store.Subject(id), id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%d was erased and is there: %v", id, err)
			}
		}
		queued, logged := map[uint64]bool{}, map[uint64]bool{}
		err := jobs.Each(tx, func(it store.Item[note]) error { queued[uint64(it.Job.Subject)] = true; return nil })
		entries, eerr := events.Read(tx, 0, 1<<30)
		for _, e := range entries {
			logged[e.A] = true
		}
		there := 0
		err = errors.Join(err, eerr, notes.Every(tx, store.Nobody, func(_ store.Subject, id uint64, n *note) error {
			there++
			delete(want, id)
			row, ok := rows.Get(tx, id)
			if !ok || row != *n || !queued[id] || !logged[id] || n.Text != fmt.Sprint("note ", id) {
				t.Errorf("note %d is not whole", id)
			}
			if n.Blob != (store.BlobRef{}) {
				checkBlob(t, db, n.Blob)
			}
			return nil
		}))
		if len(queued) != there || len(logged) != there || rows.Len(tx) != there || rows.Count(tx, 1) != there {
			t.Errorf("%d notes, %d queued, %d logged, %d rows", there, len(queued), len(logged), rows.Len(tx))
		}
		return err
	})
	if err != nil || len(want) != 0 {
		t.Errorf("%d of %d acknowledged notes are lost; %v", len(want), len(acked), err)
	}
}

func checkBlob(t *testing.T, db *store.DB, ref store.BlobRef) {
	t.Helper()
	b, err := db.OpenBlob(ref)
	if err != nil {
		t.Errorf("attachment: %v", err)
		return
	}
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if string(text) != "contents" || err != nil || b.Close() != nil {
		t.Errorf("attachment: %q %v", text, err)
	}
}

func TestOpenIsAStoreOfItsOwn(t *testing.T) {
	a, b := Open(t), Open(t)
	if a.Dir() == b.Dir() || !strings.HasSuffix(filepath.Dir(a.Dir())+"/", "/") {
		t.Errorf("%s and %s", a.Dir(), b.Dir())
	}
	if _, err := os.Stat(a.Dir()); err != nil {
		t.Error(err)
	}
}
