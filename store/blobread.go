// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"
)

// Blob is an open attachment. Any range can be read.
type Blob struct {
	f    *os.File
	r    io.ReaderAt
	size int64
}

// OpenBlob opens the contents of an attachment: ErrNotFound when there are none,
// ErrErased when their key is gone. Those that are held are found where they were.
func (db *DB) OpenBlob(ref BlobRef) (*Blob, error) {
	path := db.blobPath(ref.ID)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, blobs.missing
	}
	if err != nil {
		return nil, filing("opening", path, err)
	}
	b, err := db.openBlobFile(f, ref)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

func (db *DB) openBlobFile(f *os.File, ref BlobRef) (*Blob, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, filing("looking at", f.Name(), err)
	}
	with := &wrap{ks: db.keys, where: blobWhere(ref.ID)}
	r, size, err := age.DecryptReaderAt(f, info.Size(), with)
	if err != nil {
		return nil, with.cause()
	}
	is := with.label.key
	if with.label.subject != ref.About || (is != ref.DayKey && is != DayKey{Hold, ref.Day}) {
		return nil, blobs.missing
	}
	return &Blob{f, r, size}, nil
}

// ReadAt implements io.ReaderAt.
func (b *Blob) ReadAt(p []byte, off int64) (int, error) { return b.r.ReadAt(p, off) }

// Size is the length of the contents.
func (b *Blob) Size() int64 { return b.size }

// Close implements io.Closer.
func (b *Blob) Close() error { return b.f.Close() }

// orphanAge is how long an attachment may wait to be linked.
const orphanAge = time.Hour

// removeOrphans removes files that no record of an attachment leads to.
func (db *DB) removeOrphans(ctx context.Context) error {
	old := db.now().Add(-orphanAge)
	suspects := map[[16]byte]string{}
	err := filepath.WalkDir(db.path(blobDir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if err != nil || info.ModTime().After(old) {
			return ignoreMissing(err)
		}
		if id, ok := ParseBlobID(strings.TrimSuffix(d.Name(), newSuffix)); ok {
			suspects[id] = path
		}
		return nil
	})
	if err != nil || len(suspects) == 0 {
		return ignoreMissing(err)
	}
	if err := db.bolt.View(func(tx *bolt.Tx) error { return dropLinked(tx, suspects) }); err != nil {
		return err
	}
	for _, path := range suspects {
		if err := ignoreMissing(os.Remove(path)); err != nil {
			return filing("removing", path, err)
		}
	}
	if len(suspects) > 0 {
		db.log.Info("removed attachments that nothing refers to", "files", len(suspects))
	}
	return nil
}

// dropLinked takes off the list what belongs to the store.
func dropLinked(tx *bolt.Tx, suspects map[[16]byte]string) error {
	b := tx.Bucket(blobs.name)
	if b == nil {
		return nil
	}
	return b.ForEachBucket(func(day []byte) error {
		c := b.Bucket(day).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) != 4+16 {
				continue
			}
			if path := suspects[[16]byte(k[4:])]; path != "" && !strings.HasSuffix(path, newSuffix) {
				delete(suspects, [16]byte(k[4:]))
			}
		}
		return nil
	})
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
