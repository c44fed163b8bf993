// SPDX-License-Identifier: Apache-2.0

// Package storetest opens real stores for tests and kills processes that write to them.
package storetest

import (
	"path/filepath"
	"testing"

	"kith/store"
)

// Open opens a new store in a directory of the test and closes it at its end.
func Open(tb testing.TB) *store.DB {
	tb.Helper()
	return OpenAt(tb, filepath.Join(tb.TempDir(), "data"), store.Options{})
}

// OpenAt opens the store in dir and closes it at the end of the test. Closing it
// earlier is fine.
func OpenAt(tb testing.TB, dir string, o store.Options) *store.DB {
	tb.Helper()
	db, err := store.Open(dir, o)
	if err != nil {
		tb.Fatalf("opening the store: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("closing the store: %v", err)
		}
	})
	return db
}
