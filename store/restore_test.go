// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"filippo.io/age"
)

// isRefusal tells whether a restore failed for a reason it knows.
func isRefusal(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrWrongKey) || errors.Is(err, ErrNewer)
}

// TestRestoreRefusesWhatWasTamperedWith changes a backup at every fiftieth part
// of its length.
func TestRestoreRefusesWhatWasTamperedWith(t *testing.T) {
	s := newSampleStore(t, 10)
	b := take(t, s, BackupOptions{})
	whole := b.file
	dir := filepath.Join(t.TempDir(), "restored")
	try := func(name string, file []byte) {
		_, err := Restore(t.Context(), dir, bytes.NewReader(file), b.options())
		if !isRefusal(err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%s: something was left behind: %v", name, err)
		}
	}
	for i := range 50 {
		at := len(whole) * i / 50
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (i % 8)
		try(fmt.Sprint("a bit flipped at ", at), flipped)
		try(fmt.Sprint("cut off at ", at), whole[:at])
		try(fmt.Sprint("a byte lost at ", at), append(bytes.Clone(whole[:at]), whole[at+1:]...))
	}
	try("without its last byte", whole[:len(whole)-1])
	try("with a byte appended", append(bytes.Clone(whole), 0))
	try("twice", append(bytes.Clone(whole), whole...))
	if _, err := Restore(t.Context(), dir, bytes.NewReader(whole), b.options()); err != nil {
		t.Errorf("the control, unchanged: %v", err)
	}
}

func TestRestoreRefusesWhatDoesNotBelongTogether(t *testing.T) {
	s, other := newSampleStore(t, 3), newSampleStore(t, 3)
	b, o := take(t, s, BackupOptions{}), take(t, other, BackupOptions{})
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
		return b
	}
	for _, c := range []struct {
		name   string
		change func(*RestoreOptions)
		want   error
	}{
		{"no keys", func(r *RestoreOptions) { r.Keys = nil }, ErrWrongKey},
		{"no ledger", func(r *RestoreOptions) { r.Ledger = nil }, ErrLedger},
		{"no identity", func(r *RestoreOptions) { r.Identities = nil }, ErrWrongKey},
		{"another identity", func(r *RestoreOptions) { r.Identities = [][]byte{o.identity} }, ErrWrongKey},
		{"keys of another store", func(r *RestoreOptions) { r.Keys, r.Identities = o.keys, [][]byte{b.identity, o.identity} }, ErrWrongKey},
		{"a ledger of another store", func(r *RestoreOptions) { r.Ledger = o.ledger }, ErrWrongKey},
		{"damaged keys", func(r *RestoreOptions) { r.Keys = flip(b.keys) }, nil},
		{"a damaged ledger", func(r *RestoreOptions) { r.Ledger = flip(b.ledger) }, ErrLedger},
		{"a short ledger", func(r *RestoreOptions) { r.Ledger = b.ledger[:len(b.ledger)-2] }, ErrLedger},
		{"nonsense for an identity", func(r *RestoreOptions) { r.Identities = [][]byte{[]byte("AGE-SECRET-KEY-NONSENSE")} }, ErrWrongKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			with := b.options()
			c.change(&with)
			dir, _, err := b.restore(t, with)
			if err == nil || (c.want != nil && !errors.Is(err, c.want)) || (c.want == nil && !isRefusal(err)) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was left behind: %v", err)
			}
		})
	}
}

// TestForgedBackup is one that somebody made who knows the public key only.
func TestForgedBackup(t *testing.T) {
	s, forger := newSampleStore(t, 3), newSampleStore(t, 3)
	b := take(t, s, BackupOptions{})
	id, err := age.ParseHybridIdentity(secretOf(t, b.identity))
	if err != nil {
		t.Fatal(err)
	}
	forger.instanceID = s.instanceID
	f := take(t, forger, BackupOptions{Recipients: []string{id.Recipient().String()}})
	b.file = f.file
	if _, _, err := b.restore(t, b.options()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a forged backup: %v", err)
	}
}

func secretOf(tb testing.TB, identity []byte) string {
	tb.Helper()
	for line := range bytes.Lines(identity) {
		if bytes.HasPrefix(line, []byte("AGE-SECRET-KEY-")) {
			return string(bytes.TrimSpace(line))
		}
	}
	tb.Fatal("no secret in the identity")
	return ""
}

// TestErasedStaysErasedAfterRestore restores a backup that is older than an
// erasure, with every combination of what may lie beside it.
func TestErasedStaysErasedAfterRestore(t *testing.T) {
	const gone, control = Subject(5), Subject(10)
	s := newSampleStore(t, 10)
	before := take(t, s, BackupOptions{})
	if dir, _, err := before.restore(t, before.options()); err != nil || !reads(t, openTest(t, dir, Options{}), gone, s.files[gone]) {
		t.Fatalf("before the erasure the backup must hold the person: %v", err)
	}
	if err := s.Erase(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	s.add(t, 5) // a contact made after the copy of the keys opens with it, too
	after := take(t, s, BackupOptions{})

	for _, c := range []struct {
		name         string
		file         []byte
		keys, ledger []byte
		refused      bool
		again        int
	}{
		{"all from before, the new ledger", before.file, before.keys, after.ledger, false, 1},
		{"the keys of today", before.file, after.keys, after.ledger, false, 1},
		{"the data of today, the keys of before", after.file, before.keys, after.ledger, false, 0},
		{"the data of today, the ledger of before", after.file, before.keys, before.ledger, true, 0},
		{"the data of today, the keys of today, the ledger of before", after.file, after.keys, before.ledger, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := backedUp{file: c.file, keys: c.keys, ledger: c.ledger, identity: before.identity}
			dir, r, err := b.restore(t, b.options())
			if c.refused {
				if !errors.Is(err, ErrLedger) {
					t.Errorf("not refused: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			back := openTest(t, dir, Options{})
			if r.Again != c.again {
				t.Errorf("%d destructions done again, want %d", r.Again, c.again)
			}
			if reads(t, back, gone, s.files[gone]) {
				t.Error("the erased person is back")
			}
			if !reads(t, back, control, s.files[control]) {
				t.Error("the control person is gone")
			}
			if _, err := os.Stat(back.blobPath(s.files[gone].ID)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the attachment of the erased person is still there: %v", err)
			}
			var next Subject
			update(t, back, func(tx *Tx) error { next = tx.NextSubject(); return people.Put(tx, 1, &person{next, "New"}) })
			if next <= control {
				t.Errorf("the number %d is given out again", next)
			}
		})
	}
}

// TestRestoreWithTheRecoveryKey is a disaster: the machine is gone with its
// identity.
func TestRestoreWithTheRecoveryKey(t *testing.T) {
	s := newSampleStore(t, 5)
	secret, recipient, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddRecipient(recipient, RecipientRecovery, ""); err != nil {
		t.Fatal(err)
	}
	b := take(t, s, BackupOptions{})
	o := b.options()
	o.Identities = [][]byte{[]byte(secret)}
	dir, r, err := b.restore(t, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.NewIdentity {
		t.Error("no new machine identity was made")
	}
	text, err := os.ReadFile(dir + identitySuffix)
	if err != nil || bytes.Contains(text, []byte(secret)) || secretOf(t, text) == secretOf(t, b.identity) {
		t.Errorf("the identity of the restored store is not a new one: %v", err)
	}
	back := openTest(t, dir, Options{})
	if !reads(t, back, 5, s.files[5]) {
		t.Error("subject 5 is not there")
	}
	kinds := map[string]int{}
	for _, one := range back.Custody().Recipients {
		kinds[one.Kind]++
	}
	if kinds[RecipientMachine] != 1 || kinds[RecipientRecovery] != 1 || len(kinds) != 2 {
		t.Errorf("the restored store opens for %v", kinds)
	}
}

// TestRestoreWithAProtectedIdentity keeps the protection.
func TestRestoreWithAProtectedIdentity(t *testing.T) {
	const passphrase = "a passphrase for the tests"
	s := newSampleStore(t, 2)
	b := take(t, s, BackupOptions{})
	id, err := age.ParseHybridIdentity(secretOf(t, b.identity))
	if err != nil {
		t.Fatal(err)
	}
	if b.identity, err = identityText(id, passphrase); err != nil {
		t.Fatal(err)
	}
	o := b.options()
	if _, _, err := b.restore(t, o); !errors.Is(err, ErrSealed) {
		t.Errorf("without a passphrase: %v", err)
	}
	o.Passphrase = "another passphrase"
	if _, _, err := b.restore(t, o); !errors.Is(err, ErrWrongKey) {
		t.Errorf("with another passphrase: %v", err)
	}
	o.Passphrase = passphrase
	dir, _, err := b.restore(t, o)
	if err != nil {
		t.Fatal(err)
	}
	if sealed, err := IsSealed(dir, Options{}); !sealed || err != nil {
		t.Errorf("the restored store is not sealed: %v", err)
	}
	if !reads(t, openTest(t, dir, Options{Passphrase: passphrase}), 1, BlobRef{}) {
		t.Error("subject 1 is not there")
	}
}

// TestRestoreThatWasCutShort ends at every step and begins anew.
func TestRestoreThatWasCutShort(t *testing.T) {
	s := newSampleStore(t, 5)
	b := take(t, s, BackupOptions{})
	steps := map[string]bool{}
	o := b.options()
	o.Progress = func(p Progress) { steps[p.Step] = true }
	if _, _, err := b.restore(t, o); err != nil {
		t.Fatal(err)
	}
	for step := range steps {
		t.Run(step, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "restored")
			cutShort(t, dir, step, b)
			if _, err := os.Stat(filepath.Join(dir, restoringDir)); err != nil {
				t.Fatalf("the restore was to leave something behind: %v", err)
			}
			if _, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("half a store opens: %v", err)
			}
			if _, err := Restore(t.Context(), dir, bytes.NewReader(b.file), b.options()); err != nil {
				t.Fatal(err)
			}
			if !reads(t, openTest(t, dir, Options{}), 5, s.files[5]) {
				t.Error("subject 5 is not there")
			}
		})
	}
}

// cutShort runs a restore that dies when it comes to a step, without the chance
// to clean up.
func cutShort(tb testing.TB, dir, step string, b backedUp) {
	tb.Helper()
	o := b.options()
	o.Progress = func(p Progress) {
		if p.Step == step {
			runtime.Goexit()
		}
	}
	r, err := newRestorer(dir, &o)
	if err == nil {
		err = r.prepare()
	}
	if err != nil {
		tb.Fatal(err)
	}
	ctx, died := tb.Context(), true
	var wg sync.WaitGroup
	wg.Go(func() {
		err = errors.Join(r.receive(ctx, bytes.NewReader(b.file)), r.examine(ctx), r.build(ctx), r.settle())
		died = false
	})
	wg.Wait()
	if !died {
		tb.Fatalf("the restore did not come to %q: %v", step, err)
	}
	if err := r.lock.Close(); err != nil {
		tb.Error(err)
	}
}

// TestRestoreThatDiesWhileItMoves dies between the two halves of putting things in
// place.
func TestRestoreThatDiesWhileItMoves(t *testing.T) {
	s := newSampleStore(t, 5)
	b := take(t, s, BackupOptions{})
	dir := filepath.Join(t.TempDir(), "restored")
	cutShort(t, dir, "putting it in place", b)
	stage := filepath.Join(dir, restoringDir)
	all := names(t, stage)
	var moving []byte
	for i, name := range all {
		if name == dataFile || name == "LOCK" {
			continue
		}
		moving = append(moving, name+"\n"...)
		if i%2 == 0 {
			if err := os.Rename(filepath.Join(stage, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(stage, movingFile), moving, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("half a store opens: %v", err)
	}
	if _, err := Restore(t.Context(), dir, bytes.NewReader(b.file), b.options()); err != nil {
		t.Fatal(err)
	}
	if !reads(t, openTest(t, dir, Options{}), 5, s.files[5]) {
		t.Error("subject 5 is not there")
	}
}

func TestRestoreKeepsWhatIsThere(t *testing.T) {
	s := newSampleStore(t, 1)
	b := take(t, s, BackupOptions{})
	dir := t.TempDir()
	note := filepath.Join(dir, "note.txt")
	if err := os.WriteFile(note, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), dir, bytes.NewReader(b.file), b.options()); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("into a directory that is not empty: %v", err)
	}
	if _, err := Restore(t.Context(), s.dir, bytes.NewReader(b.file), b.options()); !errors.Is(err, ErrLocked) {
		t.Errorf("into a store that is open: %v", err)
	}
	if text, err := os.ReadFile(note); string(text) != "mine" {
		t.Errorf("the note was changed: %v", err)
	}
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), dir, bytes.NewReader(b.file), b.options()); err != nil {
		t.Errorf("into an empty directory: %v", err)
	}
	if _, err := Restore(t.Context(), dir, bytes.NewReader(b.file), b.options()); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("into a store that was restored: %v", err)
	}
}

func TestRestoreThatIsCancelled(t *testing.T) {
	s := newSampleStore(t, 3)
	b := take(t, s, BackupOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	dir := filepath.Join(t.TempDir(), "restored")
	half := io.MultiReader(bytes.NewReader(b.file[:len(b.file)/2]), reader(func([]byte) (int, error) { cancel(); return 0, nil }))
	if _, err := Restore(ctx, dir, half, b.options()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was left behind: %v", err)
	}
}

// reader is a function that reads.
type reader func([]byte) (int, error)

// Read implements io.Reader.
func (r reader) Read(p []byte) (int, error) { return r(p) }

func TestRestoreRefusesRecordsThatDoNotOpen(t *testing.T) {
	s := newSampleStore(t, 4)
	update(t, s.DB, func(tx *Tx) error {
		b, err := tx.bucket(&people.bin)
		if err != nil {
			return err
		}
		key := bytes.Clone(tx.subjectKey(2, 1))
		v := bytes.Clone(b.Get(key))
		v[len(v)-1] ^= 1
		return tx.put(b, key, v)
	})
	b := take(t, s, BackupOptions{})
	if _, _, err := b.restore(t, b.options()); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a damaged record: %v", err)
	}
	o := b.options()
	o.AcceptDamage = true
	if _, r, err := b.restore(t, o); err != nil || r.Damaged != 1 {
		t.Errorf("accepted: %d damaged, %v", r.Damaged, err)
	}
}

func TestTrialRestoresAndLeavesNothing(t *testing.T) {
	s := newSampleStore(t, 6)
	var out bytes.Buffer
	m, w, err := s.Backup(t.Context(), &out, BackupOptions{Witness: true})
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, s.dir)
	for _, streamed := range []bool{false, true} {
		r, err := s.Trial(t.Context(), bytes.NewReader(out.Bytes()), CheckOptions{Witness: w}, streamed)
		if err != nil || r.Contents.Sum != m.Contents.Sum || r.Damaged != 0 {
			t.Errorf("streamed %v: %+v, %v", streamed, r, err)
		}
		for at := 1; at < out.Len(); at += out.Len() / 7 {
			bad := bytes.Clone(out.Bytes())
			bad[at] ^= 4
			if _, err := s.Trial(t.Context(), bytes.NewReader(bad), CheckOptions{Witness: w}, streamed); !isRefusal(err) {
				t.Errorf("streamed %v, a bit flipped at %d: %v", streamed, at, err)
			}
		}
	}
	if after := names(t, s.dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the directory holds %v, before %v", after, before)
	}
	other := newSampleStore(t, 1)
	if _, err := other.Trial(t.Context(), bytes.NewReader(out.Bytes()), CheckOptions{Witness: w}, false); !errors.Is(err, ErrWrongKey) {
		t.Errorf("a backup of another store: %v", err)
	}
	b := take(t, s, BackupOptions{})
	if r, err := TrialRestore(t.Context(), filepath.Join(t.TempDir(), "scratch"), bytes.NewReader(b.file), b.options()); err != nil || r.Contents.Sum != b.sum.String() {
		t.Errorf("without the store: %+v, %v", r, err)
	}
}

func names(tb testing.TB, dir string) (all []string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
