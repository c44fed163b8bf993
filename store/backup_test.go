// SPDX-License-Identifier: Apache-2.0

package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
)

// sampleStore is a store with people, what they wrote, and their attachments.
type sampleStore struct {
	*DB
	dir   string
	files map[Subject]BlobRef
}

func newSampleStore(tb testing.TB, customers int) *sampleStore {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "data")
	s := &sampleStore{openTest(tb, dir, Options{}), dir, map[Subject]BlobRef{}}
	s.add(tb, customers)
	return s
}

// add makes more people; each has a card, three messages and, every fifth of
// them, an attachment.
func (s *sampleStore) add(tb testing.TB, customers int) {
	tb.Helper()
	for range customers {
		var about Subject
		update(tb, s.DB, func(tx *Tx) error {
			about = tx.NextSubject()
			err := people.Put(tx, 1, &person{about, fmt.Sprint("Sample Customer ", about)})
			for i := range uint64(3) {
				ref := Ref{DayKey{Default, DayOf(tx.Now())}, uint64(about), tx.NextID()}
				err = errors.Join(err, messages.Put(tx, ref, &message{about, fmt.Sprint("message ", i), tx.Now()}))
			}
			return errors.Join(err, threads.Put(tx, uint64(about), thread{Subject: about, Last: tx.NextID()}))
		})
		if about%5 == 0 {
			s.attach(tb, about)
		}
	}
}

func (s *sampleStore) attach(tb testing.TB, about Subject) {
	tb.Helper()
	w, err := s.CreateBlob(tb.Context(), about, DayKey{Default, DayOf(time.Now())})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := fmt.Fprint(w, "the picture of ", about); err != nil {
		tb.Fatal(err)
	}
	ref, meta, err := w.Commit()
	if err != nil {
		tb.Fatal(err)
	}
	s.files[about] = ref
	update(tb, s.DB, func(tx *Tx) error { return LinkBlob(tx, ref, meta) })
}

// backedUp is a backup with what lies beside it.
type backedUp struct {
	file, keys, ledger []byte
	manifest           Manifest
	sum                Checksum
	identity           []byte
}

func take(tb testing.TB, s *sampleStore, o BackupOptions) backedUp {
	tb.Helper()
	var t backedUp
	var err error
	if t.sum, err = s.Checksum(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	if t.manifest, _, err = s.Backup(tb.Context(), &out, o); err != nil {
		tb.Fatal(err)
	}
	t.file = out.Bytes()
	t.beside(tb, s)
	if t.identity, err = os.ReadFile(s.dir + identitySuffix); err != nil {
		tb.Fatal(err)
	}
	return t
}

// beside brings the copies of keys and ledger to what they are now.
func (t *backedUp) beside(tb testing.TB, s *sampleStore) {
	tb.Helper()
	var err error
	if t.keys, _, err = s.Escrow(); err != nil {
		tb.Fatal(err)
	}
	if t.ledger, err = s.Ledger(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func (t *backedUp) options() RestoreOptions {
	return RestoreOptions{Identities: [][]byte{t.identity}, Keys: t.keys, Ledger: t.ledger}
}

// restore restores into a new directory.
func (t *backedUp) restore(tb testing.TB, o RestoreOptions) (string, Restored, error) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "restored")
	r, err := Restore(tb.Context(), dir, bytes.NewReader(t.file), o)
	return dir, r, err
}

// reads tells whether everything of a person can be read.
func reads(tb testing.TB, db *DB, about Subject, file BlobRef) bool {
	tb.Helper()
	all := true
	view(tb, db, func(tx *Tx) error {
		_, err := people.Get(tx, about, 1)
		_, ok := threads.Get(tx, uint64(about))
		n := 0
		for _, day := range messages.Days(tx) {
			if err := messages.Back(tx, uint64(about), []DayKey{day}, 0, func(Ref, *message) error { n++; return nil }); err != nil {
				tb.Error(err)
			}
		}
		all = err == nil && ok && n == 3
		if !all && (err == nil || ok || n > 0) {
			tb.Errorf("subject %d is half there: card %v, thread %v, %d messages", about, err, ok, n)
		}
		return nil
	})
	if file != (BlobRef{}) {
		b, err := db.OpenBlob(file)
		if (err == nil) != all {
			tb.Errorf("the attachment of subject %d: %v", about, err)
		}
		if err == nil {
			text := make([]byte, b.Size())
			if _, err := b.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
				tb.Error(err)
			}
			if want := fmt.Sprint("the picture of ", about); string(text) != want {
				tb.Errorf("the attachment is %q, want %q", text, want)
			}
			_ = b.Close()
		}
	}
	return all
}

func TestBackupRestoresEverything(t *testing.T) {
	s := newSampleStore(t, 20)
	b := take(t, s, BackupOptions{})
	if b.manifest.Contents.Sum != b.sum.String() || b.manifest.Contents.Records != b.sum.Records || b.manifest.Attachments != 4 {
		t.Errorf("the manifest says %+v, the store %+v", b.manifest, b.sum)
	}
	dir, r, err := b.restore(t, b.options())
	if err != nil {
		t.Fatal(err)
	}
	if r.NewIdentity || r.Identity != dir+identitySuffix || r.Again != 0 || r.Damaged != 0 {
		t.Errorf("restored: %+v", r)
	}
	back := openTest(t, dir, Options{})
	sum, err := back.Checksum(t.Context())
	if err != nil || sum != b.sum {
		t.Errorf("the restored store has %+v (%v), want %+v", sum, err, b.sum)
	}
	if back.Instance() != s.Instance() || back.Generation() <= s.Generation() {
		t.Errorf("instance %s and generation %d; was %s and %d", back.Instance(), back.Generation(), s.Instance(), s.Generation())
	}
	for about := range Subject(20) {
		if !reads(t, back, about+1, s.files[about+1]) {
			t.Errorf("subject %d is not there", about+1)
		}
	}
	update(t, back, func(tx *Tx) error { return people.Put(tx, 1, &person{tx.NextSubject(), "New Customer"}) })
}

// TestBackupIsAnAgeFileOfATarArchive opens one as anybody would.
func TestBackupIsAnAgeFileOfATarArchive(t *testing.T) {
	s := newSampleStore(t, 5)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b := take(t, s, BackupOptions{Recipients: []string{id.Recipient().String()}})
	plain, err := age.Decrypt(bytes.NewReader(b.file), id)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		text, err := io.ReadAll(r)
		if err != nil || bytes.Contains(text, []byte("Sample Customer")) || bytes.Contains(text, []byte("keyring")) {
			t.Errorf("%s: %v, or it holds something in clear", h.Name, err)
		}
	}
	want := []string{manifestName, dataFile, blobName(s.files[5].ID), sumsName, endName}
	if fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("the archive holds %v, want %v", names, want)
	}
	o := b.options()
	if _, _, err := b.restore(t, o); !errors.Is(err, ErrWrongKey) {
		t.Errorf("with the machine identity alone: %v", err)
	}
	o.Identities = append(o.Identities, []byte(id.String()))
	if _, _, err := b.restore(t, o); err != nil {
		t.Errorf("with both identities: %v", err)
	}
}

func TestBackupRecipients(t *testing.T) {
	s := newSampleStore(t, 1)
	classic, _ := age.GenerateX25519Identity()
	quantum, _ := age.GenerateHybridIdentity()
	for _, c := range []struct {
		to   []string
		want error
	}{
		{[]string{classic.Recipient().String()}, nil},
		{[]string{quantum.Recipient().String()}, nil},
		{[]string{quantum.Recipient().String(), classic.Recipient().String()}, ErrNoRecipient},
		{[]string{classic.String()}, ErrNoRecipient},
		{[]string{"age1nonsense"}, ErrNoRecipient},
	} {
		_, w, err := s.Backup(t.Context(), io.Discard, BackupOptions{Recipients: c.to, Witness: true})
		if !errors.Is(err, c.want) || (err == nil) != (w != nil) {
			t.Errorf("%.20q: %v, want %v", c.to, err, c.want)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte("SECRET")) {
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
}

func TestWitnessChecksABackup(t *testing.T) {
	s := newSampleStore(t, 6)
	var out bytes.Buffer
	m, w, err := s.Backup(t.Context(), &out, BackupOptions{Witness: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := CheckBackup(t.Context(), bytes.NewReader(out.Bytes()), CheckOptions{Witness: w})
	if err != nil || got.Contents.Sum != m.Contents.Sum || got.Contents.Seal == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := CheckBackup(t.Context(), bytes.NewReader(out.Bytes()[:out.Len()-1]), CheckOptions{Witness: w}); !errors.Is(err, ErrDamaged) {
		t.Errorf("cut off by a byte: %v", err)
	}
	if _, err := CheckBackup(t.Context(), &failing{bytes.NewReader(out.Bytes()[:out.Len()/2])}, CheckOptions{Witness: w}); errors.Is(err, ErrDamaged) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a source that fails: %v", err)
	}
}

// failing is a reader that breaks off.
type failing struct{ r io.Reader }

// Read implements io.Reader.
func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrClosedPipe
	}
	return n, err
}

func TestAttachmentsThatGoDuringABackup(t *testing.T) {
	s := newSampleStore(t, 10)
	if err := os.Remove(s.blobPath(s.files[10].ID)); err != nil { // lost
		t.Fatal(err)
	}
	once := false
	progress := func(done, total int64) {
		if once {
			return
		}
		once = true
		update(t, s.DB, func(tx *Tx) error { return UnlinkBlob(tx, s.files[5]) }) // deleted
	}
	b := take(t, s, BackupOptions{Progress: progress})
	c := b.manifest.Contents
	if fmt.Sprint(c.Gone, c.Missing) != fmt.Sprint([]string{s.files[5].String()}, []string{s.files[10].String()}) {
		t.Errorf("gone %v, missing %v", c.Gone, c.Missing)
	}
	if _, _, err := b.restore(t, b.options()); err != nil {
		t.Error(err)
	}
}
