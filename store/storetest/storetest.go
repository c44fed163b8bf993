// SPDX-License-Identifier: Apache-2.0

// Package storetest opens real stores for tests and kills processes that write to them.
package storetest

import (
	"path/filepath"
	"testing"

	"kith/store"
)

// Open opens a new store in a directory of the test and closes it at its end.
func Open(t testing.TB) *store.DB {
	t.Helper()
	return OpenAt(t, filepath.Join(t.TempDir(), "data"), store.Options{})
}

// OpenAt opens the store in dir and closes it at the end of the test. Closing it
// earlier is fine.
func OpenAt(t testing.TB, dir string, o store.Options) *store.DB {
	t.Helper()
	db, err := store.Open(dir, o)
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return db
}
