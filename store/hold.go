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

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"
)

// The key of a day cannot spare one person in it. What is kept by order is
// therefore sealed a second time, in class Hold of the same day, before the key is
// destroyed. Whoever looks for it where it was, finds it there.

// hold copies what is held from the days that are about to expire. It can be
// repeated: what was copied before is copied again as it is now.
func (db *DB) hold(ctx context.Context, o Expiry) error {
	for _, t := range declared.allPartitioned() {
		if !t.sealed {
			continue
		}
		names, err := db.partsBelow(ctx, t.bin, o.until())
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := db.holdPart(ctx, t.bin, name, o.Held); err != nil {
				return err
			}
		}
	}
	return nil
}

// holdPart copies a partition a part at a time.
func (db *DB) holdPart(ctx context.Context, t *bin, name []byte, held func(Subject) bool) error {
	for after := []byte(nil); ; {
		var keys [][]byte
		err := db.View(ctx, func(tx *Tx) error {
			b, err := tx.sub(t, name, false)
			if b == nil || err != nil {
				after = nil
				return err
			}
			keys, after = heldKeys(b, after, held)
			return nil
		})
		if err == nil {
			err = db.holdKeys(ctx, t, name, keys)
		}
		if err != nil || after == nil {
			return err
		}
	}
}

// holdKeys copies files first: a record that is kept has its file.
func (db *DB) holdKeys(ctx context.Context, t *bin, name []byte, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	if t == &blobs {
		for _, k := range keys {
			if err := db.holdFile(name, k); err != nil {
				return err
			}
		}
	}
	return db.Update(ctx, func(tx *Tx) error { return holdRecords(tx, t, name, keys) })
}

func heldKeys(b *bolt.Bucket, after []byte, held func(Subject) bool) (keys [][]byte, next []byte) {
	c := b.Cursor()
	k, v := c.Seek(after)
	for looked := 0; k != nil; k, v = c.Next() {
		if s, ok := subjectOf(v); ok && held(s) && !bytes.Equal(k, after) {
			keys = append(keys, bytes.Clone(k))
		}
		if looked++; looked >= maxLookedAt || len(keys) >= maxFound {
			return keys, bytes.Clone(k)
		}
	}
	return keys, nil
}

// holdRecords seals records of a partition anew. One that is erased or does not
// open is left to its fate.
func holdRecords(tx *Tx, t *bin, name []byte, keys [][]byte) error {
	day, ok := parseDayKey(name)
	from, err := tx.sub(t, name, false)
	if from == nil || err != nil || !ok {
		return err
	}
	day.Class = Hold
	to := day.bytes()
	into, err := tx.sub(t, to[:], true)
	if err != nil {
		return err
	}
	for _, k := range keys {
		sealed := from.Get(k)
		if sealed == nil {
			continue
		}
		plain, s, err := open(nil, tx.db.keys, sealed, tx.at(t, name, k))
		if err != nil {
			continue
		}
		again, err := seal(tx.w.arena.take(overhead+len(plain)), tx.db.keys, s, day, plain, tx.at(t, to[:], k))
		if err != nil {
			return fmt.Errorf("keeping a record of %s: %w", t.name, err)
		}
		if err := tx.put(into, k, again); err != nil {
			return err
		}
	}
	return nil
}

// holdFile seals the file of an attachment anew, in place of the old one.
func (db *DB) holdFile(name, key []byte) error {
	ref, ok := refOf(name, key)
	if !ok {
		return ErrDamaged
	}
	old, err := db.OpenBlob(ref)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrErased) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	path := db.blobPath(ref.ID)
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", path+newSuffix, err)
	}
	to := &wrap{ks: db.keys, label: label{subject: ref.About, key: DayKey{Hold, ref.Day}}, where: blobWhere(ref.ID)}
	w, err := age.Encrypt(f, to)
	if err == nil {
		_, err = io.Copy(w, io.NewSectionReader(old, 0, old.Size()))
		err = errors.Join(err, w.Close(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(filing("writing", path+newSuffix, err), os.Remove(path+newSuffix))
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return filing("renaming to", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// held is where a record is kept by order that is not where it was; false when
// nothing of that day is.
func (tx *Tx) held(t *bin, day DayKey) (*bolt.Bucket, DayKey, error) {
	if day.Class == Hold {
		return nil, day, nil
	}
	day.Class = Hold
	name := day.bytes()
	b, err := tx.sub(t, name[:], false)
	return b, day, err
}
