// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// migration brings data.db to a format from the one before. It is one transaction:
// a crash leaves the format before it or the one it makes.
type migration struct {
	to   uint32
	does string
	run  func(tx *bolt.Tx) error
}

// migrations are all there ever were, in order; format 1 was the first, so there
// is none yet. A new one raises formatVersion, and a store of the format before
// goes to testdata.
var migrations []migration

// beforeSuffix makes the name of the copy of data.db as it was before a migration.
const beforeSuffix = ".before-"

func beforePath(path string, format uint32) string {
	return fmt.Sprintf("%s%s%d", path, beforeSuffix, format)
}

// migrate brings an open data.db to the newest format. Before the first step the
// file is copied; the copy goes when a run of the new format was stopped cleanly.
// step lets tests stop it after a step; nil for none.
func migrate(b *bolt.DB, path string, all []migration, step func(string) error) (migrated bool, err error) {
	if step == nil {
		step = func(string) error { return nil }
	}
	format, err := formatOf(b)
	if err != nil || format == 0 {
		return false, err // readMeta says what is wrong
	}
	for _, m := range all {
		if m.to <= format {
			continue
		}
		if !migrated {
			if err := copyBefore(b, path, m.to, step); err != nil {
				return false, err
			}
			migrated = true
		}
		err := b.Update(func(tx *bolt.Tx) error {
			if err := m.run(tx); err != nil {
				return err
			}
			return tx.Bucket([]byte(metaBucket)).Put([]byte(formatKey), binary.BigEndian.AppendUint32(nil, m.to))
		})
		if err != nil {
			return migrated, filing(fmt.Sprintf("bringing to format %d (%s)", m.to, m.does), path, err)
		}
		if err := step(fmt.Sprint("migrated ", m.to)); err != nil {
			return migrated, err
		}
	}
	return migrated, nil
}

// formatOf is what data.db says of its format; 0 when it says nothing.
func formatOf(b *bolt.DB) (format uint32, err error) {
	err = b.View(func(tx *bolt.Tx) error {
		if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
			if v := meta.Get([]byte(formatKey)); len(v) == 4 {
				format = binary.BigEndian.Uint32(v)
			}
		}
		return nil
	})
	return format, err
}

// copyBefore copies data.db as it is, whole or not at all.
func copyBefore(b *bolt.DB, path string, format uint32, step func(string) error) (err error) {
	to := beforePath(path, format)
	f, err := os.OpenFile(filepath.Clean(to+newSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", to, err)
	}
	err = b.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return filing("copying data.db to", to, errors.Join(err, os.Remove(to+newSuffix)))
	}
	if err := step("copied"); err != nil {
		return err
	}
	if err := os.Rename(to+newSuffix, to); err != nil {
		return filing("renaming to", to, err)
	}
	return errors.Join(syncDir(filepath.Dir(path)), step("named"))
}

// forgetBefore removes the copies that migrations made, once a run that came after
// them was stopped cleanly.
func forgetBefore(path string) error {
	all, err := filepath.Glob(path + beforeSuffix + "*")
	if err != nil {
		return fmt.Errorf("looking for copies of data.db: %w", err)
	}
	for _, old := range all {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return filing("removing", old, err)
		}
	}
	return nil
}
