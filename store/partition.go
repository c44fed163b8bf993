// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// trash holds partitions that were dropped until their pages are given back:
//
//	table | 0 | number u64  /  name of the partition  /  its keys, as they were
//
// What lies there is about to be removed, sealed under keys that are destroyed as
// a rule, and belongs to no table any more. Emptying it is no change of the
// records: it is in no op log, and a copy of the store may leave it out.
var trash = reservedBin(trashBucket)

// partitioned is a bucket whose partitions are classes and days.
type partitioned struct {
	*bin
	sealed bool // its values are sealed under the keys of the partition
}

func (r *registry) addPartitioned(t *bin, sealed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = append(r.parts, partitioned{t, sealed})
}

// allPartitioned lists the buckets with days, attachments last: what refers to
// them goes first.
func (r *registry) allPartitioned() []partitioned {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append([]partitioned(nil), r.parts...), partitioned{&blobs, true})
}

// dropPartition removes a partition from its table with all it holds, in a few
// writes however large it is: its pages move to the trash, which emptyTrash gives
// back bit by bit. One that is not there is no error.
//
// It cannot be taken back. An operation that fails after a drop gives the whole
// transaction up, those of others in the batch too: drop last, or in an Update
// that does nothing else.
func (tx *Tx) dropPartition(t *bin, name []byte) error {
	b, err := tx.bucket(t)
	if err != nil || tx.w == nil {
		return errorOr(err, errReadOnly)
	}
	if b.Bucket(name) == nil {
		return nil
	}
	heap, err := tx.bucket(&trash)
	if err != nil {
		return err
	}
	tx.w.dropping = true
	key := binary.BigEndian.AppendUint64(append(append([]byte(nil), t.name...), 0), tx.NextID())
	into, err := heap.CreateBucket(key)
	if err != nil {
		return fmt.Errorf("dropping a part of %s: %w", t.name, err)
	}
	if err := b.MoveBucket(name, into); err != nil {
		return fmt.Errorf("dropping a part of %s: %w", t.name, err)
	}
	tx.w.touched = true
	tx.dropped(t, name)
	return nil
}

// errDropped gives up a transaction in which an operation failed after a drop.
var errDropped = errors.New("store: an operation failed after it dropped a partition")

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// thrown is a partition in the trash, or a part of one.
type thrown struct {
	table []byte // the key of its heap
	name  []byte
	keys  [][]byte
	files [][16]byte // of attachments that are not kept elsewhere
	last  bool       // there are no more keys than these
}

// maxThrown is how many keys one transaction takes out of the trash: few enough
// that those who write at the same time hardly notice.
const maxThrown = 1_000

// emptyTrash gives back the pages of partitions that were dropped, and removes
// the files of attachments that lie among them. It can be cut short and begun
// anew at any point.
func (db *DB) emptyTrash(ctx context.Context) error {
	ctx = Freeing(ctx)
	db.emptying.Lock()
	defer db.emptying.Unlock()
	for {
		var t *thrown
		err := db.View(ctx, func(tx *Tx) error {
			t = nextThrown(tx)
			return nil
		})
		if err != nil || t == nil {
			return err
		}
		if t.isBlobs() {
			for _, k := range t.files {
				db.removeBlob(k)
			}
		}
		if err := db.Update(ctx, t.remove); err != nil {
			return err
		}
	}
}

// nextThrown looks for something in the trash; nil when it is empty.
func nextThrown(tx *Tx) *thrown {
	heap := tx.b.Bucket(trash.name)
	if heap == nil {
		return nil
	}
	table, _ := heap.Cursor().First()
	if table == nil {
		return nil
	}
	t := &thrown{table: append([]byte(nil), table...), last: true}
	in := heap.Bucket(table)
	if in == nil {
		return t
	}
	name, _ := in.Cursor().First()
	if name == nil {
		return t
	}
	t.name = append([]byte(nil), name...)
	part := in.Bucket(name)
	if part == nil {
		return t
	}
	c := part.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(t.keys) == maxThrown {
			t.last = false
			break
		}
		t.keys = append(t.keys, append([]byte(nil), k...))
	}
	if t.isBlobs() {
		t.findFiles(tx)
	}
	return t
}

// findFiles collects the files that go with the keys: what is held keeps its own.
func (t *thrown) findFiles(tx *Tx) {
	for _, k := range t.keys {
		ref, ok := refOf(t.name, k)
		if !ok {
			continue
		}
		if b, _, err := tx.held(&blobs, ref.DayKey); err == nil && b != nil && b.Get(k) != nil {
			continue
		}
		t.files = append(t.files, ref.ID)
	}
}

func (t *thrown) isBlobs() bool {
	return len(t.table) > 8 && string(t.table[:len(t.table)-8]) == blobBucket+"\x00"
}

// remove takes keys out of the trash. It keeps no journal: there is nothing to
// be taken back.
func (t *thrown) remove(tx *Tx) error {
	heap, err := tx.bucket(&trash)
	if err != nil {
		return err
	}
	tx.w.touched = true
	in := heap.Bucket(t.table)
	if in == nil || t.name == nil {
		return ignoreNoBucket(heap, t.table, in)
	}
	part := in.Bucket(t.name)
	if t.last || part == nil {
		return ignoreNoBucket(heap, t.table, in)
	}
	for _, k := range t.keys {
		if err := part.Delete(k); err != nil {
			return fmt.Errorf("emptying the trash: %w", err)
		}
	}
	return nil
}

func ignoreNoBucket(heap *bolt.Bucket, name []byte, there *bolt.Bucket) error {
	if there == nil {
		return nil
	}
	if err := heap.DeleteBucket(name); err != nil {
		return fmt.Errorf("emptying the trash: %w", err)
	}
	return nil
}
