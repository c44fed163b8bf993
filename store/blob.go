// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// BlobRef names an attachment: whom it is about, how long it is kept, and a
// number that cannot be guessed.
type BlobRef struct {
	About Subject
	DayKey
	ID [16]byte
}

// String is the number in hex. It is the name of the file and fit for a URL.
func (r BlobRef) String() string { return hex.EncodeToString(r.ID[:]) }

// ParseBlobID reads what String wrote; false when it is no such number.
func ParseBlobID(s string) (id [16]byte, ok bool) {
	if len(s) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil && hex.EncodeToString(id[:]) == s
}

// BlobMeta is what is known of an attachment.
type BlobMeta struct {
	Name   string   `cbor:"1,keyasint,omitempty"`
	Type   string   `cbor:"2,keyasint,omitempty"`
	Size   int64    `cbor:"3,keyasint,omitempty"`
	SHA256 [32]byte `cbor:"4,keyasint"`
}

var blobs = reservedBin(blobBucket)

func (r BlobRef) key(tx *Tx) []byte {
	tx.key = binary.BigEndian.AppendUint32(tx.key[:0], uint32(r.About))
	tx.key = append(tx.key, r.ID[:]...)
	return tx.key
}

func (db *DB) blobPath(id [16]byte) string { return blobPathIn(db.dir, id) }

func blobPathIn(dir string, id [16]byte) string {
	name := hex.EncodeToString(id[:])
	return filepath.Join(dir, blobDir, name[:2], name)
}

// blobWhere is the place that the file of a blob is sealed for.
func blobWhere(id [16]byte) []byte { return append([]byte("blobs\x00"), id[:]...) }

// BlobWriter takes the contents of an attachment.
type BlobWriter struct {
	db   *DB
	ref  BlobRef
	f    *os.File
	seal io.WriteCloser
	sum  hash.Hash
	size int64
}

// CreateBlob begins an attachment. What is written is sealed at once; nothing
// lies on disk in clear. End it with Commit or Abort.
func (db *DB) CreateBlob(ctx context.Context, about Subject, key DayKey) (*BlobWriter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &BlobWriter{db: db, ref: BlobRef{About: about, DayKey: key}, sum: sha256.New()}
	_, _ = rand.Read(w.ref.ID[:])
	path := db.blobPath(w.ref.ID)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, filing("making", filepath.Dir(path), err)
	}
	var err error
	if w.f, err = os.OpenFile(path+newSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return nil, filing("creating", path, err)
	}
	to := &wrap{ks: db.keys, label: label{subject: about, key: key}, where: blobWhere(w.ref.ID)}
	if w.seal, err = age.Encrypt(w.f, to); err != nil {
		return nil, errors.Join(filing("writing", path, err), w.Abort())
	}
	return w, nil
}

// Write implements io.Writer.
func (w *BlobWriter) Write(p []byte) (int, error) {
	n, err := w.seal.Write(p)
	w.sum.Write(p[:n])
	w.size += int64(n)
	if err != nil {
		return n, filing("writing", w.f.Name(), err)
	}
	return n, nil
}

// Commit puts the attachment on disk. Until LinkBlob it belongs to nothing: what
// was never linked is removed at a later start, after an hour.
func (w *BlobWriter) Commit() (BlobRef, BlobMeta, error) {
	path := w.db.blobPath(w.ref.ID)
	if err := errors.Join(w.seal.Close(), w.f.Sync()); err != nil {
		return BlobRef{}, BlobMeta{}, errors.Join(filing("writing", path, err), w.Abort())
	}
	if err := w.f.Close(); err != nil {
		return BlobRef{}, BlobMeta{}, errors.Join(filing("closing", path, err), w.Abort())
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return BlobRef{}, BlobMeta{}, errors.Join(filing("renaming to", path, err), w.Abort())
	}
	for _, dir := range []string{filepath.Dir(path), w.db.path(blobDir)} {
		if err := syncDir(dir); err != nil {
			return BlobRef{}, BlobMeta{}, err
		}
	}
	return w.ref, BlobMeta{Size: w.size, SHA256: [32]byte(w.sum.Sum(nil))}, nil
}

// Abort gives the attachment up.
func (w *BlobWriter) Abort() error {
	_ = w.f.Close()
	if err := os.Remove(w.f.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return filing("removing", w.f.Name(), err)
	}
	return nil
}

// LinkBlob makes an attachment belong to the store, in the transaction of the
// record that refers to it.
func LinkBlob(tx *Tx, ref BlobRef, m BlobMeta) error {
	day := ref.bytes()
	key := ref.key(tx)
	sealed, err := tx.sealValue(ref.About, ref.DayKey, &m, tx.at(&blobs, day[:], key))
	if err != nil {
		return fmt.Errorf("attachment: %w", err)
	}
	b, err := tx.sub(&blobs, day[:], true)
	if err != nil {
		return err
	}
	return tx.put(b, key, sealed)
}

// BlobInfo returns what is known of an attachment, ErrNotFound or ErrErased.
func BlobInfo(tx *Tx, ref BlobRef) (BlobMeta, error) {
	var m BlobMeta
	day := ref.bytes()
	b, err := tx.sub(&blobs, day[:], false)
	if err != nil {
		return m, err
	}
	if b == nil {
		if b, ref.DayKey, err = tx.held(&blobs, ref.DayKey); err != nil {
			return m, err
		}
		day = ref.bytes()
	}
	if b == nil {
		return m, blobs.missing
	}
	key := ref.key(tx)
	sealed := b.Get(key)
	if sealed == nil {
		return m, blobs.missing
	}
	_, err = tx.openValue(sealed, tx.at(&blobs, day[:], key), &m)
	return m, err
}

// UnlinkBlob removes an attachment; its file goes after the commit.
func UnlinkBlob(tx *Tx, ref BlobRef) error {
	day := ref.bytes()
	b, err := tx.sub(&blobs, day[:], false)
	if b == nil || err != nil {
		return err
	}
	if err := tx.delete(b, ref.key(tx)); err != nil {
		return err
	}
	db := tx.db
	tx.afterCommit(func() { db.removeBlob(ref.ID) })
	return nil
}

func (db *DB) removeBlob(id [16]byte) {
	if err := os.Remove(db.blobPath(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		db.log.Warn("the file of an attachment stays behind until the next start", "error", err)
	}
}
