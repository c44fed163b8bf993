// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

// NeedsPreflight tells whether the store in dir was not stopped cleanly: what its
// pages hold is not known to make sense.
func NeedsPreflight(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, dataFile)); err != nil {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, cleanFile))
	return err != nil
}

// Preflight reads data.db in dir from its first page to its last and checks how
// the pages hang together. It is meant for a process of its own: damage may make
// bbolt panic, or a disk that does not give a page back end the process, before
// anything is served. A store that another process has open is left alone.
func Preflight(dir string) (err error) {
	path := filepath.Join(dir, dataFile)
	if !NeedsPreflight(dir) {
		return nil
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: %s cannot be read; restore it from a backup", ErrDamaged, path)
		}
	}()
	if err := errors.Join(checkFile(path), preread(path)); err != nil {
		return err
	}
	o := boltOptions(0)
	o.ReadOnly, o.Timeout = true, lockWait
	b, err := bolt.Open(path, 0o600, o)
	if errors.Is(err, bberrors.ErrTimeout) {
		return nil
	}
	if err != nil {
		return boltOpening(path, err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return b.View(func(tx *bolt.Tx) error {
		var first error
		for err := range tx.Check() { // read to its end, or Check never ends
			if first == nil {
				first = fmt.Errorf("%w: the pages of %s do not fit together: %w; restore it from a backup", ErrDamaged, path, err)
			}
		}
		return first
	})
}
