// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestPreflightReadsOnlyWhatWasNotStoppedCleanly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if NeedsPreflight(dir) || Preflight(dir) != nil {
		t.Error("a first start asks for a preflight")
	}
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fillEveryKind(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if NeedsPreflight(dir) {
		t.Error("a clean stop asks for a preflight")
	}
	if err := os.Remove(filepath.Join(dir, cleanFile)); err != nil {
		t.Fatal(err)
	}
	if err := Preflight(dir); !NeedsPreflight(dir) || err != nil {
		t.Errorf("a sound store: %v", err)
	}
	if err := os.Truncate(filepath.Join(dir, dataFile), 32<<10); err != nil {
		t.Fatal(err)
	}
	if err := Preflight(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a store that was cut off: %v", err)
	}
}
