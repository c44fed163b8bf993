// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filled makes a store with some records, closes it and returns its directory.
func filled(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	for i := range uint64(40) {
		update(t, db, func(tx *Tx) error {
			return errors.Join(
				people.Put(tx, i, &person{Subject(i), strings.Repeat("x", 1000)}),
				threads.Put(tx, i, thread{Subject: Subject(i)}))
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// refuses opens dir and wants one of the sentinels and the name of a file.
func refuses(t *testing.T, dir string, o Options, want error, names string) {
	t.Helper()
	db, err := Open(dir, o)
	if err == nil {
		_ = db.Close()
		t.Fatalf("it opened; wanted %v", want)
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), names) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v; wanted %v and %s", err, want, names)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	truncated := func(name string, n int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Truncate(filepath.Join(dir, name), n); err != nil {
				t.Fatal(err)
			}
		}
	}
	removed := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	scribbled := func(name string, from, to int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(b[from:], random(min(to, len(b))-from))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, string)
		want  error
		file  string
	}{
		"data half there":       {truncated(dataFile, 20_000), ErrDamaged, dataFile},
		"data empty":            {truncated(dataFile, 0), ErrDamaged, dataFile},
		"data scribbled":        {scribbled(dataFile, 0, 8192), ErrDamaged, dataFile},
		"data scribbled inside": {scribbled(dataFile, 8192, 1<<30), ErrDamaged, dataFile},
		"data gone":             {removed(dataFile), ErrDamaged, dataFile},
		"anchor short":          {truncated(anchorFile, 100), ErrDamaged, anchorFile},
		"anchor scribbled":      {scribbled(anchorFile, 0, 16384), ErrDamaged, anchorFile},
		"anchor gone":           {removed(anchorFile), ErrDamaged, anchorFile},
		"keyring gone":          {removed(keyringFile), ErrDamaged, keyringFile},
		"keyring scribbled":     {scribbled(keyringFile, 300, 400), ErrDamaged, keyringFile},
		"identity gone":         {removed("../data.identity"), ErrWrongKey, "data.identity"},
		"identity empty":        {truncated("../data.identity", 0), ErrWrongKey, "data.identity"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			c.spoil(t, dir)
			refuses(t, dir, Options{}, c.want, c.file)
		})
	}
}

func TestAnotherIdentityIsRefused(t *testing.T) {
	dir := filled(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte(hybrid(t).String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, dir, Options{Identity: other}, ErrWrongKey, dir)
	openTest(t, dir, Options{})
}

func TestTheIdentityComesFromTheCredential(t *testing.T) {
	given, dir := t.TempDir(), filepath.Join(t.TempDir(), "data")
	t.Setenv("CREDENTIALS_DIRECTORY", given)
	if err := os.WriteFile(filepath.Join(given, credential), []byte(hybrid(t).String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := openTest(t, dir, Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + ".identity"); err == nil {
		t.Error("another identity was made")
	}
	openTest(t, dir, Options{})
}

func TestTheIdentityIsForItsOwnerOnly(t *testing.T) {
	dir := filled(t)
	for path, want := range map[string]fs.FileMode{dir + ".identity": 0o600, dir: 0o700 | fs.ModeDir, filepath.Join(dir, dataFile): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
}

func TestTwoAtOnceAreRefused(t *testing.T) {
	db := newTest(t)
	refuses(t, db.Dir(), Options{}, ErrLocked, "LOCK")
	update(t, db, func(tx *Tx) error { return people.Put(tx, 1, &person{}) })
}

func TestANewerFormatIsRefused(t *testing.T) {
	dir := filled(t)
	db := openTest(t, dir, Options{})
	update(t, db, func(tx *Tx) error {
		return tx.put(tx.b.Bucket([]byte(metaBucket)), []byte(formatKey), binary.BigEndian.AppendUint32(nil, formatVersion+1))
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	refuses(t, dir, Options{}, ErrNewer, dataFile)
}

// asNobody runs fn with the rights of an unprivileged user on files.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		fn()
	}()
	<-done
}

func TestWithoutRightsItSaysSo(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	db := openTest(t, dir, Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
		_ = os.Remove(filepath.Join(dir, "LOCK"))
		refuses(t, dir, Options{}, ErrPermission, dir)
		return
	}
	asNobody(t, func() { refuses(t, dir, Options{}, ErrPermission, dir) })
	asNobody(t, func() { refuses(t, filepath.Join(parent, "new"), Options{}, ErrPermission, parent) })
}

// TestAMakingCutShort opens a directory as it is after a crash at any point of
// the making of a store.
func TestAMakingCutShort(t *testing.T) {
	for _, left := range [][]string{
		{},
		{anchorFile},
		{anchorFile, keyringFile + newSuffix},
		{anchorFile, keyringFile, recipientFile},
		{anchorFile, keyringFile, recipientFile, dataFile + newSuffix},
		{anchorFile, keyringFile, recipientFile, dataFile},
	} {
		whole, dir := filled(t), filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(filepath.Join(dir, blobDir), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range append(left, creatingFile, "../data.identity") {
			b, err := os.ReadFile(filepath.Join(whole, strings.TrimSuffix(name, newSuffix)))
			if err != nil && name != creatingFile {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		db := openTest(t, dir, Options{})
		update(t, db, func(tx *Tx) error { return people.Put(tx, 1, &person{}) })
		for _, name := range []string{creatingFile, dataFile + newSuffix, keyringFile + newSuffix} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Errorf("after %v, %s is left", left, name)
			}
		}
	}
}

func TestAfterACrashTheFreePagesAreFound(t *testing.T) {
	dir := filled(t)
	if err := os.Remove(filepath.Join(dir, cleanFile)); err != nil {
		t.Fatal(err)
	}
	db := openTest(t, dir, Options{})
	view(t, db, func(tx *Tx) error {
		if n := threads.Len(tx); n != 40 {
			t.Errorf("%d rows", n)
		}
		return nil
	})
	if _, err := os.Stat(filepath.Join(dir, cleanFile)); err == nil {
		t.Error("an open store is marked as cleanly stopped")
	}
}

func TestBlobs(t *testing.T) {
	db := newTest(t)
	day := DayKey{Default, 20000}
	content := random(300_000)
	write := func() (BlobRef, BlobMeta) {
		w, err := db.CreateBlob(t.Context(), 3, day)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		ref, meta, err := w.Commit()
		if err != nil || meta.Size != int64(len(content)) {
			t.Fatal(meta.Size, err)
		}
		return ref, meta
	}
	linked, meta := write()
	orphan, _ := write()
	gone, _ := write()
	update(t, db, func(tx *Tx) error { return errors.Join(LinkBlob(tx, linked, meta), LinkBlob(tx, gone, meta)) })
	if err := db.Update(t.Context(), func(tx *Tx) error { return errors.Join(UnlinkBlob(tx, linked), errBoom) }); !errors.Is(err, errBoom) {
		t.Fatal(err)
	}
	update(t, db, func(tx *Tx) error { return UnlinkBlob(tx, gone) })
	if _, err := db.OpenBlob(gone); !errors.Is(err, ErrNotFound) {
		t.Errorf("unlinked: %v", err)
	}
	w, err := db.CreateBlob(t.Context(), 3, day)
	if err != nil || w.Abort() != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.f.Name()); err == nil {
		t.Error("a blob that was given up is left")
	}

	b, err := db.OpenBlob(linked)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1000)
	for _, at := range []int64{0, 65_530, 131_072, 299_000} {
		if _, err := b.ReadAt(got, at); err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(got, content[at:at+1000]) {
			t.Errorf("range at %d: %v", at, err)
		}
	}
	if b.Size() != 300_000 || b.Close() != nil {
		t.Errorf("size %d", b.Size())
	}
	other := linked
	other.About++
	if _, err := db.OpenBlob(other); !errors.Is(err, ErrNotFound) {
		t.Errorf("by the wrong name: %v", err)
	}

	if err := db.removeOrphans(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(db.blobPath(orphan.ID)); err != nil {
		t.Error("a young orphan was removed")
	}
	old := time.Now().Add(-2 * orphanAge)
	for _, id := range [][16]byte{linked.ID, orphan.ID} {
		if err := os.Chtimes(db.blobPath(id), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.removeOrphans(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(db.blobPath(orphan.ID)); err == nil {
		t.Error("an old orphan is left")
	}
	if _, err := os.Stat(db.blobPath(linked.ID)); err != nil {
		t.Error("a linked blob was removed")
	}
}

func TestParseBlobID(t *testing.T) {
	id, ok := ParseBlobID(BlobRef{ID: [16]byte{1, 2, 0xff}}.String())
	if !ok || id != [16]byte{1, 2, 0xff} {
		t.Errorf("%x %v", id, ok)
	}
	for _, s := range []string{"", "00", strings.Repeat("g", 32), strings.Repeat("A", 32), strings.Repeat("a", 33), "../../../../../../etc/passwd00000"} {
		if _, ok := ParseBlobID(s); ok {
			t.Errorf("%q was taken", s)
		}
	}
}

// TestNoWordIsFoundInTheFiles plants words in every kind of record and looks for
// them in all files; the control looks for them in a copy in clear.
func TestNoWordIsFoundInTheFiles(t *testing.T) {
	const word = "Zwetschgendatschi"
	db := newTest(t)
	w, err := db.CreateBlob(t.Context(), 1, DayKey{Default, 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, word); err != nil {
		t.Fatal(err)
	}
	ref, meta, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	meta.Name = word
	update(t, db, func(tx *Tx) error {
		_, err := outbox.Push(tx, tx.Now(), &job{1, word})
		return errors.Join(err,
			people.Put(tx, 1, &person{1, word}), messages.Put(tx, Ref{DayKey{1, 2}, 1, 1}, &message{1, word, tx.Now()}),
			threads.Put(tx, 1, thread{Subject: 1, Title: word}), numbers.Set(tx, word, word, 1),
			provider.Set(tx, DayKey{1, 2}, word, 1, 1), LinkBlob(tx, ref, meta))
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if found := search(t, db.Dir(), word); len(found) != 0 {
		t.Errorf("found in %v", found)
	}
	if err := os.WriteFile(filepath.Join(db.Dir(), blobDir, "control"), []byte("a "+word+" in clear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := search(t, db.Dir(), word); len(found) != 1 {
		t.Errorf("the control was found in %v", found)
	}
}

func search(t *testing.T, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(word)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
