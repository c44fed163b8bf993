// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// fillEveryKind puts one of everything into a store.
func fillEveryKind(t *testing.T, db *DB) BlobRef {
	t.Helper()
	ref, meta, err := writeAttachment(t, db, 7, "contents of a file")
	if err != nil {
		t.Fatal(err)
	}
	day := DayKey{Default, DayOf(epoch)}
	update(t, db, func(tx *Tx) error {
		_, err := outbox.Push(tx, epoch, &job{7, "job"})
		_, jerr := journal.Append(tx, Entry{Kind: 1, A: 7})
		return errors.Join(
			err, jerr, people.Put(tx, 1, &person{7, "Sample Customer"}), people.Put(tx, 2, &person{7, "Sample Colleague"}),
			messages.Put(tx, Ref{day, 1, 1}, &message{7, "first", epoch}), messages.Put(tx, Ref{day, 1, 2}, &message{7, "second", epoch}),
			numbers.Set(tx, "phone", "100", 7), provider.Set(tx, day, "id", 1, 1), byNumber.Put(tx, []uint64{7, 1}, 1),
			threads.Put(tx, 1, thread{7, 1, 0, "one", nil}), threads.Put(tx, 2, thread{7, 2, 0, "two", nil}),
			LinkBlob(tx, ref, meta), journal.SetCursor(tx, "reader", 1),
		)
	})
	return ref
}

func writeAttachment(t *testing.T, db *DB, s Subject, text string) (BlobRef, BlobMeta, error) {
	t.Helper()
	w, err := db.CreateBlob(t.Context(), s, DayKey{})
	if err != nil {
		return BlobRef{}, BlobMeta{}, err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return BlobRef{}, BlobMeta{}, errors.Join(err, w.Abort())
	}
	return w.Commit()
}

func TestVerifyFindsASoundStoreSound(t *testing.T) {
	db := newTest(t)
	fillEveryKind(t, db)
	v, err := db.Verify(t.Context(), VerifyOptions{AtRest: true})
	if err != nil {
		t.Fatal(err)
	}
	if !v.Fine() || !v.Pages || v.Records < 8 || v.Numbers < 5 || v.Blobs != 1 || v.Files < 5 {
		t.Errorf("a sound store: %+v", v)
	}
}

// spoil changes data.db behind the back of the store.
func spoil(t *testing.T, db *DB, fn func(tx *bolt.Tx) error) {
	t.Helper()
	if err := db.bolt.now().Update(fn); err != nil {
		t.Fatal(err)
	}
}

// flipFirst flips a bit in the first value of a bucket.
func flipFirst(b *bolt.Bucket) error {
	k, v := b.Cursor().First()
	v = slices.Clone(v)
	v[len(v)-1] ^= 4
	return b.Put(slices.Clone(k), v)
}

func TestOneDamagedRecordIsLeftOutAndListed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ref := fillEveryKind(t, db)
	day := DayKey{Default, DayOf(epoch)}
	name := day.bytes()
	spoil(t, db, func(tx *bolt.Tx) error {
		var errs [6]error
		errs[0] = flipFirst(tx.Bucket(people.name))
		errs[1] = flipFirst(tx.Bucket(messages.name).Bucket(name[:]))
		errs[2] = flipFirst(tx.Bucket(threads.name))
		errs[3] = flipFirst(tx.Bucket(outbox.name).Bucket(dueName))
		errs[4] = tx.Bucket(byNumber.name).Put(rowBytesOf(99), []byte("Sample Customers"))
		errs[5] = os.WriteFile(db.blobPath(ref.ID), []byte("age-encryption.org/v1\nno more"), 0o600)
		return errors.Join(errs[:]...)
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	if got := tablesOf(db.Damaged()); !cmp.Equal(got, []string{"t.threads"}) {
		t.Errorf("damaged at the start: %v", got)
	}
	readAround(t, db, day)
	v, err := db.Verify(t.Context(), VerifyOptions{AtRest: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := tablesOf(v.Damaged); !cmp.Equal(got, []string{"blobs", "t.messages", "t.outbox", "t.people", "t.threads"}) {
		t.Errorf("verify lists %v", got)
	}
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0], "t.index") {
		t.Errorf("verify says %q", v.Problems)
	}
	keptAside(t, db)
}

func rowBytesOf(n uint64) []byte {
	k := rowKey(n)
	return k[:]
}

func tablesOf(list []Damage) (names []string) {
	for _, d := range list {
		names = append(names, d.Table)
	}
	return names
}

// readAround reads what lies beside the damaged records.
func readAround(t *testing.T, db *DB, day DayKey) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		if _, err := people.Get(tx, 7, 1); !errors.Is(err, ErrDamaged) {
			t.Errorf("the damaged record: %v", err)
		}
		var names, texts []string
		err := people.Each(tx, 7, func(_ uint64, p *person) error { names = append(names, p.Name); return nil })
		standing := *messages
		standing.WhenDamaged(func(Ref) *message { return &message{Text: "damaged"} })
		err = errors.Join(err, standing.Back(tx, 1, []DayKey{day}, 0, func(_ Ref, m *message) error { texts = append(texts, m.Text); return nil }))
		if err != nil || !cmp.Equal(names, []string{"Sample Colleague"}) || !cmp.Equal(texts, []string{"second", "damaged"}) {
			t.Errorf("around: %v %v %v", names, texts, err)
		}
		if jobs, err := outbox.Due(tx, epoch, 9); len(jobs) != 0 || err != nil {
			t.Errorf("jobs: %v %v", jobs, err)
		}
		if threads.Len(tx) != 1 {
			t.Errorf("%d rows", threads.Len(tx))
		}
		return nil
	})
}

// keptAside writes over damaged records and looks for what they held.
func keptAside(t *testing.T, db *DB) {
	t.Helper()
	update(t, db, func(tx *Tx) error {
		return errors.Join(people.Put(tx, 1, &person{7, "new"}), threads.Put(tx, 1, thread{7, 1, 0, "new", nil}))
	})
	view(t, db, func(tx *Tx) error {
		n := tx.b.Bucket(aside.name).Stats().KeyN
		if p, err := people.Get(tx, 7, 1); err != nil || p.Name != "new" || n != 2 {
			t.Errorf("%v %v, %d put aside", p, err, n)
		}
		return nil
	})
	if got := tablesOf(db.Damaged()); slices.Contains(got, "t.people") || slices.Contains(got, "t.threads") {
		t.Errorf("still listed: %v", got)
	}
	if err := db.Erase(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	view(t, db, func(tx *Tx) error {
		if n := tx.b.Bucket(aside.name).Stats().KeyN; n != 0 {
			t.Errorf("%d records put aside outlived their subject", n)
		}
		return nil
	})
}
