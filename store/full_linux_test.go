// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAFullDiskIsNoUnknownOutcome fills a real file system, writes until it
// refuses, makes room, and writes on.
func TestAFullDiskIsNoUnknownOutcome(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	dir := filepath.Join(disk, "data")
	db := openTest(t, dir, Options{})
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	fill := func(id uint64) error {
		return db.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(people.Put(tx, id, &person{Subject(id), strings.Repeat("x", 20_000)}), threads.Put(tx, id, thread{Subject: Subject(id)}))
		})
	}
	kept, err := 0, error(nil)
	for ; err == nil && kept < 1000; kept++ {
		err = fill(uint64(kept + 1))
	}
	kept--
	if !errors.Is(err, ErrFull) || !errors.Is(db.Ready(), ErrFull) || db.Err() != nil {
		t.Fatalf("after %d records: %v; ready %v; failed %v", kept, err, db.Ready(), db.Err())
	}
	w, err := db.CreateBlob(t.Context(), 1, DayKey{Default, 1})
	if err == nil {
		_, werr := w.Write(make([]byte, 1<<20))
		_, _, cerr := w.Commit()
		err = errors.Join(werr, cerr)
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("an attachment: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := fill(uint64(kept + 1)); err != nil || db.Ready() != nil {
		t.Fatalf("after making room: %v; ready %v", err, db.Ready())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	view(t, db, func(tx *Tx) error {
		if n := threads.Len(tx); n != kept+1 {
			t.Errorf("%d of %d rows", n, kept+1)
		}
		return nil
	})
}
