// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type person struct {
	Subject Subject `cbor:"1,keyasint,omitempty"`
	Name    string  `cbor:"2,keyasint,omitempty"`
}

type message struct {
	Subject Subject   `cbor:"1,keyasint,omitempty"`
	Text    string    `cbor:"2,keyasint,omitempty"`
	At      time.Time `cbor:"3,keyasint,omitzero"`
}

type thread struct {
	Subject Subject  `cbor:"1,keyasint,omitempty"`
	Last    uint64   `cbor:"2,keyasint,omitempty"`
	Status  uint64   `cbor:"3,keyasint,omitempty"`
	Title   string   `cbor:"4,keyasint,omitempty"`
	Days    []DayKey `cbor:"5,keyasint,omitempty"`
}

type job struct {
	Subject Subject `cbor:"1,keyasint,omitempty"`
	Text    string  `cbor:"2,keyasint,omitempty"`
}

var (
	people   = NewTable("t.people", func(p *person) Subject { return p.Subject })
	messages = NewDayTable("t.messages", func(m *message) Subject { return m.Subject })
	numbers  = NewLookup("t.numbers")
	provider = NewDayLookup("t.provider")
	byNumber = NewOrdered("t.index")
	journal  = NewLog("t.journal")
	outbox   = NewQueue("t.outbox", func(j *job) Subject { return j.Subject })
	threads  = NewResident("t.threads", ResidentOptions[thread]{
		About: func(t *thread) Subject { return t.Subject },
		Order: func(t *thread) uint64 { return t.Last },
		Tally: func(t *thread, count func(uint64)) { count(t.Status) },
	})
)

// openTest opens the store in dir and closes it at the end of the test.
func openTest(tb testing.TB, dir string, o Options) *DB {
	tb.Helper()
	db, err := Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func newTest(tb testing.TB) *DB {
	tb.Helper()
	return openTest(tb, filepath.Join(tb.TempDir(), "data"), Options{})
}

func update(tb testing.TB, db *DB, fn func(*Tx) error) {
	tb.Helper()
	if err := db.Update(tb.Context(), fn); err != nil {
		tb.Fatal(err)
	}
}

func view(tb testing.TB, db *DB, fn func(*Tx) error) {
	tb.Helper()
	if err := db.View(tb.Context(), fn); err != nil {
		tb.Fatal(err)
	}
}

func TestEverythingOnceAndAgainAfterReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	day := DayKey{Default, DayOf(time.Now())}
	watch := journal.Watch(db)
	wake := outbox.Wake(db)

	w, err := db.CreateBlob(t.Context(), 1, day)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "a picture"); err != nil {
		t.Fatal(err)
	}
	ref, meta, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	meta.Name = "cat.png"

	at := Ref{DayKey: day, Group: 7}
	var jobID uint64
	update(t, db, func(tx *Tx) error {
		s := tx.NextSubject()
		at.Seq = tx.NextID()
		var err error
		jobID, err = outbox.Push(tx, tx.Now(), &job{s, "send it"})
		_, lerr := journal.Append(tx, Entry{Kind: 3, A: 7, B: at.Seq})
		return errors.Join(err, lerr,
			people.Put(tx, 1, &person{s, "Ada"}),
			messages.Put(tx, at, &message{s, "hello", tx.Now()}),
			numbers.Set(tx, "phone", "+4912345", uint64(s)),
			provider.Set(tx, day, "wamid.1", 7, at.Seq),
			byNumber.Put(tx, []uint64{4, 5}, 6),
			threads.Put(tx, 7, thread{Subject: s, Last: at.Seq, Status: 2, Title: "Ada", Days: []DayKey{day}}),
			LinkBlob(tx, ref, meta))
	})
	<-watch
	<-wake
	check := func(db *DB) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			p, err := people.Get(tx, 1, 1)
			if err != nil || p.Name != "Ada" {
				t.Errorf("person: %v %v", p, err)
			}
			var texts []string
			err = messages.Back(tx, 7, []DayKey{day}, 0, func(_ Ref, m *message) error {
				texts = append(texts, m.Text)
				return nil
			})
			if err != nil || !cmp.Equal(texts, []string{"hello"}) {
				t.Errorf("messages: %v %v", texts, err)
			}
			if v, ok, err := numbers.Get(tx, "phone", "+4912345"); v != 1 || !ok || err != nil {
				t.Errorf("lookup: %v %v %v", v, ok, err)
			}
			if r, ok, err := provider.Find(tx, Default, day.Day, 3, "wamid.1"); r != at || !ok || err != nil {
				t.Errorf("day lookup: %v %v %v", r, ok, err)
			}
			if v, ok := byNumber.Get(tx, []uint64{4, 5}); v != 6 || !ok {
				t.Errorf("index: %v %v", v, ok)
			}
			es, err := journal.Read(tx, 0, 10)
			if err != nil || len(es) != 1 || es[0].B != at.Seq || journal.Last(tx) != es[0].Seq {
				t.Errorf("log: %v %v", es, err)
			}
			items, err := outbox.Due(tx, tx.Now(), 5)
			if err != nil || len(items) != 1 || items[0].ID != jobID || items[0].Job.Text != "send it" {
				t.Errorf("queue: %v %v", items, err)
			}
			if th, ok := threads.Get(tx, 7); !ok || th.Title != "Ada" || threads.Count(tx, 2) != 1 || threads.Len(tx) != 1 {
				t.Errorf("thread: %v %v", th, ok)
			}
			if m, err := BlobInfo(tx, ref); err != nil || m != meta {
				t.Errorf("blob: %v %v", m, err)
			}
			return nil
		})
		b, err := db.OpenBlob(ref)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(io.NewSectionReader(b, 2, 7))
		if err != nil || string(text) != "picture" || b.Close() != nil {
			t.Errorf("blob: %q %v", text, err)
		}
	}
	check(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	check(openTest(t, dir, Options{}))
}
