// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// Checksum says what a store holds, whatever the pages it lies in: two stores
// with the same sealed records have the same, and so have a store and its backup,
// its standby and the file that compaction made of it. The numbers that the store
// keeps about itself, in the bucket meta, are no records.
type Checksum struct {
	Records uint64   `cbor:"1,keyasint"` // how many
	Bytes   uint64   `cbor:"2,keyasint"` // of their keys and values
	Sum     [32]byte `cbor:"3,keyasint"`
}

// String is the sum in hex.
func (c Checksum) String() string { return hex.EncodeToString(c.Sum[:]) }

// Checksum reads every record of a steady picture of the store. It opens none of
// them and runs beside writers.
func (db *DB) Checksum(ctx context.Context) (Checksum, error) {
	var c Checksum
	err := db.bolt.View(func(b *bolt.Tx) (err error) {
		c, err = checksumOf(ctx, b)
		return err
	})
	return c, err
}

// checksumOf is the checksum of what a transaction sees. The sum of a bucket is
//
//	SHA-256 over its entries in the order of their keys:
//	    1 | length of key u32 | key | length of value u32 | value
//	    2 | length of name u32 | name | sum of the bucket inside
//
// Buckets that hold nothing are left out: writers make them ahead of need.
func checksumOf(ctx context.Context, tx *bolt.Tx) (c Checksum, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: %s cannot be read to its end; restore it from a backup", ErrDamaged, dataFile)
		}
	}()
	s := summing{ctx: ctx, total: &c}
	top := tx.Cursor()
	h := sha256.New()
	for name, _ := top.First(); name != nil; name, _ = top.Next() {
		if string(name) == metaBucket || string(name) == trashBucket {
			continue
		}
		if err := s.inner(h, name, tx.Bucket(name)); err != nil {
			return c, err
		}
	}
	h.Sum(c.Sum[:0])
	return c, nil
}

type summing struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of checksumOf
	total *Checksum
	head  [5]byte
}

// How an entry of a bucket begins.
const (
	sumRecord = 1
	sumBucket = 2
)

// inner adds a bucket to the sum of what it lies in.
func (s *summing) inner(h hash.Hash, name []byte, b *bolt.Bucket) error {
	in, before := sha256.New(), s.total.Records
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v == nil {
			if err := s.inner(in, k, b.Bucket(k)); err != nil {
				return err
			}
			continue
		}
		if s.total.Records++; s.total.Records%4096 == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		s.total.Bytes += uint64(len(k)) + uint64(len(v))
		s.write(in, sumRecord, k)
		s.length(in, v)
	}
	if s.total.Records == before {
		return nil
	}
	s.write(h, sumBucket, name)
	h.Write(in.Sum(nil))
	return nil
}

func (s *summing) write(h hash.Hash, kind byte, key []byte) {
	s.head[0] = kind
	h.Write(s.head[:1])
	s.length(h, key)
}

func (s *summing) length(h hash.Hash, b []byte) {
	binary.BigEndian.PutUint32(s.head[1:], uint32(len(b))) //nolint:gosec // bbolt holds no longer ones
	h.Write(s.head[1:])
	h.Write(b)
}
