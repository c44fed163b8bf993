// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

// commitRecord is a commit as it is written into files and sent to others.
// Numbers of fields are never used again.
type commitRecord struct {
	Number  uint64         `cbor:"1,keyasint"`
	Changes []changeRecord `cbor:"2,keyasint,omitempty"`
}

// changeRecord is one change of it, an array on disk.
type changeRecord struct {
	_     struct{} `cbor:",toarray"`
	What  changeKind
	Table []byte
	Part  []byte
	Key   []byte
	Value []byte
}

// record is the commit in the form that is written down; it refers to the same
// memory.
func (c *committed) record(into []changeRecord) commitRecord {
	for i := range c.changes {
		one := &c.changes[i]
		into = append(into, changeRecord{What: one.what, Table: one.in.table, Part: one.in.part, Key: one.key, Value: one.value})
	}
	return commitRecord{Number: c.number, Changes: into}
}

// copy is the commit in memory of its own.
func (c *committed) copy() commitRecord {
	r := c.record(nil)
	for i := range r.Changes {
		r.Changes[i].Key, r.Changes[i].Value = bytes.Clone(r.Changes[i].Key), bytes.Clone(r.Changes[i].Value)
	}
	return r
}

// apply makes the changes of a commit in another file that held the same before.
func (r *commitRecord) apply(tx *bolt.Tx) error {
	for i := range r.Changes {
		if err := r.Changes[i].apply(tx); err != nil {
			return fmt.Errorf("commit %d, table %q: %w", r.Number, r.Changes[i].Table, err)
		}
	}
	return nil
}

func (c *changeRecord) apply(tx *bolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(c.Table)
	if err != nil {
		return err
	}
	if c.What == changeDrop {
		if err := b.DeleteBucket(c.Part); err != nil && !errors.Is(err, bberrors.ErrBucketNotFound) {
			return err
		}
		return nil
	}
	if len(c.Part) > 0 {
		if b, err = b.CreateBucketIfNotExists(c.Part); err != nil {
			return err
		}
	}
	switch c.What {
	case changePut:
		return b.Put(c.Key, c.Value)
	case changeDelete:
		return b.Delete(c.Key)
	default:
		return fmt.Errorf("%w: a change of kind %d", ErrNewer, c.What)
	}
}
