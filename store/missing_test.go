// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"testing"
)

// A disk that is not mounted leaves an empty directory; taking that for a first
// start would hide everything behind a new, empty store.
func TestAnEmptyDirectoryBesideItsIdentityIsNoFirstStart(t *testing.T) {
	dir := t.TempDir() + "/data"
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
			t.Fatalf("an empty directory opens with %v, want ErrDamaged", err)
		}
	}
	if err := os.Rename(dir+identitySuffix, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(dir, Options{}); err != nil {
		t.Fatalf("after the identity was moved away: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMakingThatWasCutShortAfterTheIdentityGoesOn(t *testing.T) {
	dir := t.TempDir() + "/data"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dataFile, anchorFile, keyringFile, "clean"} {
		if err := os.Remove(dir + "/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/"+creatingFile, []byte("kith\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(dir, Options{}); err != nil {
		t.Fatalf("a making that was cut short: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryThatCannotBeMadeIsAMatterOfTheDisk(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("no /proc, where nobody can make a directory")
	}
	if _, err := Open("/proc/kith-data", Options{}); !errors.Is(err, ErrPermission) {
		t.Errorf("opening in /proc: %v, want ErrPermission", err)
	}
}
