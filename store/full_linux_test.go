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

// TestAFullDiskStillDeletes fills a disk until the store refuses, deletes and
// erases out of the reserve, and makes room from outside.
func TestAFullDiskStillDeletes(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	dir, others := filepath.Join(disk, "data"), filepath.Join(disk, "others")
	db := openTest(t, dir, Options{})
	db.keepBallast()
	if sizeOf(db.path(ballastFile)) != db.reserve.size || db.reserve.size == 0 {
		t.Fatalf("a ballast of %d bytes", sizeOf(db.path(ballastFile)))
	}
	put := func(id uint64) error {
		return db.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(people.Put(tx, id, &person{Subject(id), strings.Repeat("x", 2000)}), threads.Put(tx, id, thread{Subject: Subject(id)}))
		})
	}
	for id := uint64(1); id <= 200; id++ {
		if err := put(id); err != nil {
			t.Fatal(err)
		}
	}
	free, _ := diskSpace(dir)
	if err := os.WriteFile(others, make([]byte, free-db.reserve.floor()/2), 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := uint64(201), error(nil)
	for ; err == nil && id < 5000; id++ {
		err = put(id)
	}
	if !errors.Is(err, ErrFull) || !db.Full() || !errors.Is(db.Ready(), ErrFull) || db.Err() != nil {
		t.Fatalf("after %d records: %v; full: %v; failed: %v", id, err, db.Full(), db.Err())
	}
	if _, err := os.Stat(db.path(ballastFile)); err == nil {
		t.Error("the reserve was not given up")
	}
	for i := uint64(1); i <= 100; i++ {
		if err := put(i); !errors.Is(err, ErrFull) {
			t.Fatalf("an ordinary write on a full disk: %v", err)
		}
		err := db.UpdateFreeing(t.Context(), func(tx *Tx) error { return people.Delete(tx, Subject(i), i) })
		if err != nil {
			t.Fatalf("deleting on a full disk: %v", err)
		}
	}
	if err := db.Erase(t.Context(), 150); err != nil {
		t.Fatalf("erasing on a full disk: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("stopping on a full disk: %v", err)
	}
	db = openTest(t, dir, Options{})
	if err := put(1); !errors.Is(err, ErrFull) || !db.Full() {
		t.Fatalf("after a restart on a full disk: %v", err)
	}
	if err := os.Remove(others); err != nil {
		t.Fatal(err)
	}
	if err := db.between(t.Context(), func() error { db.weigh(); return nil }); err != nil {
		t.Fatal(err)
	}
	if db.Full() || db.Ready() != nil || sizeOf(db.path(ballastFile)) != db.reserve.size {
		t.Errorf("with space again: full %v, ready %v, a ballast of %d", db.Full(), db.Ready(), sizeOf(db.path(ballastFile)))
	}
	if err := put(1); err != nil {
		t.Errorf("writing again: %v", err)
	}
}
