// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// eraser is a table that can hold records about a subject.
type eraser interface {
	// find looks at a part of the table, from behind a place on, for what is about
	// one of who. It runs in a view; next is nil when it came to the end.
	find(tx *Tx, who subjectSet, after []byte) (all []found, next []byte, err error)
	// drop removes one record.
	drop(tx *Tx, f found) error
}

// found is the place of a record.
type found struct {
	in       *bin
	sub, key []byte // sub is nil for a record in no partition
}

func (f *found) bucket(tx *Tx) (*bolt.Bucket, error) {
	if f.sub == nil {
		return tx.bucket(f.in)
	}
	return tx.sub(f.in, f.sub, false)
}

func (f *found) remove(tx *Tx) error {
	b, err := f.bucket(tx)
	if b == nil || err != nil {
		return err
	}
	return tx.delete(b, f.key)
}

// How much is looked at in one view, and removed in one transaction.
const (
	maxLookedAt = 50_000
	maxFound    = 500
)

// subjectOf reads whom a sealed value is about, whichever stanza it has.
func subjectOf(sealed []byte) (Subject, bool) {
	const head = len(liteHead)
	if len(sealed) < head+8 || string(sealed[:head-2]) != liteHead[:head-2] {
		return 0, false
	}
	var b [6]byte
	if _, err := base64.RawStdEncoding.Decode(b[:], sealed[head:head+8]); err != nil {
		return 0, false
	}
	return Subject(binary.BigEndian.Uint32(b[:])), true
}

// search collects what is about who in a bucket, from behind a key on.
func (t *bin) search(b *bolt.Bucket, sub []byte, who subjectSet, after []byte) (all []found, next []byte) {
	c := b.Cursor()
	k, v := c.Seek(after)
	if bytes.Equal(k, after) && after != nil {
		k, v = c.Next()
	}
	for looked := 0; k != nil; k, v = c.Next() {
		if about, ok := subjectOf(v); ok && who.has(about) {
			all = append(all, found{t, sub, bytes.Clone(k)})
		}
		if looked++; looked >= maxLookedAt || len(all) >= maxFound {
			return all, bytes.Clone(k)
		}
	}
	return all, nil
}

// searchFlat is find for a table without partitions.
func (t *bin) searchFlat(tx *Tx, who subjectSet, after []byte) ([]found, []byte, error) {
	b, err := tx.bucket(t)
	if b == nil || err != nil {
		return nil, nil, err
	}
	all, next := t.search(b, nil, who, after)
	return all, next, nil
}

// searchParts is find for a table with partitions whose names have n bytes; a
// place is the name of a partition and a key in it.
func (t *bin) searchParts(tx *Tx, who subjectSet, after []byte, n int) ([]found, []byte, error) {
	b, err := tx.bucket(t)
	if b == nil || err != nil {
		return nil, nil, err
	}
	c := b.Cursor()
	name, key := after[:min(n, len(after))], after[min(n, len(after)):]
	for k, _ := c.Seek(name); k != nil; k, _ = c.Next() {
		part := b.Bucket(k)
		if part == nil || len(k) != n {
			continue
		}
		if !bytes.Equal(k, name) {
			key = nil
		}
		sub := bytes.Clone(k)
		if all, next := t.search(part, sub, who, key); next != nil || len(all) > 0 {
			if next == nil {
				next = bytes.Repeat([]byte{0xff}, 32) // behind every key of the partition
			}
			return all, slices.Concat(sub, next), nil
		}
	}
	return nil, nil, nil
}

func (t *Table[T]) find(tx *Tx, who subjectSet, after []byte) ([]found, []byte, error) {
	b, err := tx.bucket(&t.bin)
	if b == nil || err != nil {
		return nil, nil, err
	}
	var all []found
	c := b.Cursor()
	first, more := who.atLeast(0)
	k, _ := c.Seek([]byte(max(string(binary.BigEndian.AppendUint32(nil, uint32(first))), string(after))))
	for more && len(k) == subjectKeyLen {
		s, _, _ := parseSubjectKey(k)
		if first, more = who.atLeast(s); !more || first != s {
			k, _ = c.Seek(binary.BigEndian.AppendUint32(nil, uint32(first)))
			continue
		}
		if all = append(all, found{&t.bin, nil, bytes.Clone(k)}); len(all) >= maxFound {
			return all, bytes.Clone(k), nil
		}
		k, _ = c.Next()
	}
	return all, nil, nil
}

func (t *Table[T]) drop(tx *Tx, f found) error { return f.remove(tx) }

func (t *DayTable[T]) find(tx *Tx, who subjectSet, after []byte) ([]found, []byte, error) {
	return t.searchParts(tx, who, after, dayKeyLen)
}

func (t *DayTable[T]) drop(tx *Tx, f found) error { return f.remove(tx) }

// find looks at the partition "due" only: "at" holds numbers.
func (q *Queue[J]) find(tx *Tx, who subjectSet, after []byte) ([]found, []byte, error) {
	return q.searchParts(tx, who, after, len(dueName))
}

func (q *Queue[J]) drop(tx *Tx, f found) error {
	_, id, ok := parsePair(f.key)
	if !ok {
		return ErrDamaged
	}
	return q.Delete(tx, id)
}

func (r *Resident[T]) find(tx *Tx, who subjectSet, after []byte) ([]found, []byte, error) {
	return r.searchFlat(tx, who, after)
}

// drop removes a row that start left out, too.
func (r *Resident[T]) drop(tx *Tx, f found) error {
	if len(f.key) != 8 {
		return ErrDamaged
	}
	if err := f.remove(tx); err != nil {
		return err
	}
	return r.Delete(tx, binary.BigEndian.Uint64(f.key))
}

// blobEraser finds attachments.
type blobEraser struct{}

func (blobEraser) find(tx *Tx, who subjectSet, after []byte) ([]found, []byte, error) {
	return blobs.searchParts(tx, who, after, dayKeyLen)
}

func (blobEraser) drop(tx *Tx, f found) error {
	ref, ok := refOf(f.sub, f.key)
	if !ok {
		return ErrDamaged
	}
	return UnlinkBlob(tx, ref)
}

// refOf is the attachment that a key in a partition of blobs stands for.
func refOf(name, key []byte) (BlobRef, bool) {
	day, ok := parseDayKey(name)
	if !ok || len(key) != 4+16 {
		return BlobRef{}, false
	}
	return BlobRef{Subject(binary.BigEndian.Uint32(key)), day, [16]byte(key[4:])}, true
}
