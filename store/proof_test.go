// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"
)

// TestProof is the promise of erasure, done for real: of 1,000 people one is
// erased, and then somebody who has every file and every key that is left tries
// to read that person, in the live file, in its free pages, in a raw copy of data
// and attachments from before, in the index of words, and in a backup from before
// that is restored afterwards. The same attack, made before the erasure, reads
// everything; a control person stays readable everywhere.
func TestProof(t *testing.T) {
	const gone, control = Subject(500), Subject(505)
	s := proofStore(t, 1_000)
	backup := take(t, s, BackupOptions{})
	copied := t.TempDir()
	copyStore(t, s.dir, copied)
	places := placesOf(t, filepath.Join(copied, dataFile), gone, control)

	before := reachableKeys(t, s)
	for _, who := range []Subject{gone, control} {
		for _, where := range []string{s.dir, copied} {
			if n := before.attack(t, where, places[who], s.files[who], who); n != everything(places[who]) {
				t.Fatalf("before the erasure the attack on %d reads %v, not %v: it proves nothing", who, n, everything(places[who]))
			}
		}
	}
	d, err := s.EraseSubjects(t.Context(), gone)
	if err != nil {
		t.Fatal(err)
	}
	if d.After != d.Before+1 {
		t.Errorf("the keyring went from %d to %d", d.Before, d.After)
	}
	after := reachableKeys(t, s)
	for _, where := range []string{s.dir, copied} {
		if n := after.attack(t, where, places[gone], s.files[gone], gone); n != (loot{}) {
			t.Errorf("%s: of the erased person %v", filepath.Base(where), n)
		}
		n := after.attack(t, where, places[control], s.files[control], control)
		want := everything(places[control])
		if where == copied {
			want.words = 0 // the segment in which both stood together was written anew
		}
		if n != want {
			t.Errorf("%s: of the control person only %v", filepath.Base(where), n)
		}
	}
	backup.beside(t, s) // the keys and the ledger of today
	restored, _, err := backup.restore(t, backup.options())
	if err != nil {
		t.Fatal(err)
	}
	back := openTest(t, restored, Options{})
	keys := &attacker{back.keys}
	if n := keys.attack(t, restored, places[gone], s.files[gone], gone); n != (loot{}) {
		t.Errorf("restored: of the erased person %v", n)
	}
	if n := keys.attack(t, restored, places[control], s.files[control], control); n.values == 0 || n.files != 1 {
		t.Errorf("restored: of the control person only %v", n)
	}
}

// proofStore has people with a card, messages, a long one, a job, an attachment
// and essays that are found by words which nobody else uses.
func proofStore(t *testing.T, n int) *sampleStore {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s := &sampleStore{openTest(t, dir, Options{}), dir, map[Subject]BlobRef{}}
	for at := 1; at <= n; at += 100 {
		update(t, s.DB, func(tx *Tx) error {
			for i := at; i < at+100; i++ {
				if err := proofPerson(tx, tx.NextSubject()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, who := range []Subject{499, 500, 505} {
		s.attach(t, who)
	}
	if err := essayIn.core.in(s.DB).advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func proofPerson(tx *Tx, s Subject) error {
	day := DayKey{Default, DayOf(tx.Now())}
	text := fmt.Sprint("the text of ", s)
	_, err := outbox.Push(tx, tx.Now(), &job{s, text})
	err = errors.Join(err, people.Put(tx, 1, &person{s, text}), threads.Put(tx, uint64(s), thread{Subject: s, Title: text}))
	for range 3 {
		err = errors.Join(err, messages.Put(tx, Ref{day, uint64(s), tx.NextID()}, &message{Subject: s, Text: text}))
	}
	if s%50 == 0 || s == 505 {
		long := &message{Subject: s, Text: strings.Repeat(text, 8_000)}
		err = errors.Join(err, messages.Put(tx, Ref{day, uint64(s), tx.NextID()}, long))
	}
	for range 5 {
		ref := Ref{day, uint64(s), tx.NextID()}
		_, lerr := essayLog.Append(tx, Entry{Kind: 1, A: ref.Group, B: ref.Seq, C: uint64(day.Class)<<16 | uint64(day.Day)})
		err = errors.Join(err, lerr, essays.Put(tx, ref, &essay{Subject: s, Text: ownWord(s)}))
	}
	return err
}

// tailOf is the end of a word that only one person uses. Its beginning is such
// that it shares little with its neighbours, so that the end stands in the index
// as it is.
func tailOf(s Subject) string { return fmt.Sprintf("z%dz", s) }

func ownWord(s Subject) string {
	sum := sha256.Sum256([]byte(tailOf(s)))
	return fmt.Sprintf("%x%s", sum[:8], tailOf(s))
}

// sealedPlace is where a value was, and how long it was.
type sealedPlace struct {
	where  []byte
	length int
}

// placesOf lists the values about people in a copy of data.db. Where they are is
// no secret: whoever has the copy can do the same.
func placesOf(t *testing.T, path string, who ...Subject) map[Subject][]sealedPlace {
	t.Helper()
	found := map[Subject][]sealedPlace{}
	readCopy(t, path, func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return eachValue(b, append(bytes.Clone(name), 0), func(where, v []byte) {
				s, ok := subjectOf(v)
				for _, one := range who {
					if ok && s == one {
						found[s] = append(found[s], sealedPlace{bytes.Clone(where), len(v)})
					}
				}
			})
		})
	})
	return found
}

func eachValue(b *bolt.Bucket, where []byte, fn func(where, v []byte)) error {
	return b.ForEach(func(k, v []byte) error {
		at := append(bytes.Clone(where), k...)
		if v == nil {
			return eachValue(b.Bucket(k), at, fn)
		}
		fn(at, v)
		return nil
	})
}

// readCopy reads a copy of a file, which may be one of a store that runs.
func readCopy(t *testing.T, path string, fn func(*bolt.Tx) error) {
	t.Helper()
	mine := filepath.Join(t.TempDir(), "copy.db")
	copyFile(t, path, mine)
	b, err := bolt.Open(mine, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.View(fn), b.Close()); err != nil {
		t.Fatal(err)
	}
}

func copyStore(t *testing.T, from, to string) {
	t.Helper()
	copyFile(t, filepath.Join(from, dataFile), filepath.Join(to, dataFile))
	if err := os.CopyFS(filepath.Join(to, blobDir), os.DirFS(filepath.Join(from, blobDir))); err != nil {
		t.Fatal(err)
	}
}

// attacker has every key that can be made from what is left.
type attacker struct{ *keys }

// reachableKeys opens the keyring from the files of the store, as somebody does
// who has them and the identity. What the running store has in RAM must be the
// same.
func reachableKeys(t *testing.T, s *sampleStore) *attacker {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{anchorFile, keyringFile} {
		copyFile(t, filepath.Join(s.dir, name), filepath.Join(dir, name))
	}
	text, err := os.ReadFile(s.dir + identitySuffix)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRing(dir, ids...)
	if err != nil {
		t.Fatal(err)
	}
	ks, err := r.body.keys()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ks.trees.subjects.bytes(), s.keys.snapshot().subjects.bytes()) {
		t.Error("the keyring on disk is not the one in RAM")
	}
	return &attacker{ks}
}

// loot is what an attack on a person read.
type loot struct {
	values int // in the tree of the file
	raw    int // distinct places that opened anywhere in its bytes
	files  int // attachments
	words  int // blocks of the index that hold the person's word
}

func everything(places []sealedPlace) loot { return loot{len(places), len(places), 1, 1} }

func (a *attacker) attack(t *testing.T, dir string, places []sealedPlace, file BlobRef, who Subject) (n loot) {
	t.Helper()
	path := filepath.Join(dir, dataFile)
	readCopy(t, path, func(tx *bolt.Tx) error {
		wanted := map[string]bool{}
		for _, p := range places {
			wanted[string(p.where)] = true
		}
		err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return eachValue(b, append(bytes.Clone(name), 0), func(where, v []byte) {
				if wanted[string(where)] && a.reads(v, where, who) {
					n.values++
				}
			})
		})
		if err != nil {
			return err
		}
		n.words = min(a.words(tx, tailOf(who)), 1)
		return nil
	})
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n.raw = a.scan(raw, places, who)
	n.files = a.blob(t, dir, file)
	return n
}

// reads opens a value and tells whether it is about the person.
func (a *attacker) reads(v, where []byte, who Subject) bool {
	plain, s, err := open(nil, a.keys, v, where)
	return err == nil && s == who && len(plain) > 0
}

// scan looks at every byte of the file, used or free, where a value about the
// person may begin, and tries every place and length that the person's had.
func (a *attacker) scan(raw []byte, places []sealedPlace, who Subject) int {
	opened := map[int]bool{}
	head := []byte(liteHead[:len(liteHead)-2]) // both kinds of stanza
	for at := 0; ; at++ {
		next := bytes.Index(raw[at:], head)
		if next < 0 {
			return len(opened)
		}
		at += next
		if s, ok := subjectOf(raw[at:]); !ok || s != who {
			continue
		}
		for i, p := range places {
			if at+p.length <= len(raw) && a.reads(raw[at:at+p.length], p.where, who) {
				opened[i] = true
			}
		}
	}
}

// words counts the blocks of the index that hold the end of a word once they are
// opened.
func (a *attacker) words(tx *bolt.Tx, tail string) (n int) {
	b := tx.Bucket(essayIn.core.segments.name)
	if b == nil {
		return 0
	}
	_ = b.ForEachBucket(func(name []byte) error {
		number := binary.BigEndian.Uint32(name)
		key, err := a.segment(number)
		if err != nil {
			return nil //nolint:nilerr // destroyed
		}
		return b.Bucket(name).ForEach(func(k, v []byte) error {
			plain, _, err := open(nil, key, v, blockWhere(&essayIn.core.segments, number, k))
			if err == nil && bytes.Contains(plain, []byte(tail)) {
				n++
			}
			return nil
		})
	})
	return n
}

// blob reads an attachment, wherever it lies.
func (a *attacker) blob(t *testing.T, dir string, ref BlobRef) int {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, blobDir, ref.String()[:2], ref.String()))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := age.Decrypt(f, &wrap{ks: a.keys, where: blobWhere(ref.ID)})
	if err != nil {
		return 0
	}
	if b, err := io.ReadAll(r); err != nil || len(b) == 0 {
		return 0
	}
	return 1
}
