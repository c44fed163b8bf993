// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The key of identifiers is changed while the store works:
//
//	1  the ring takes the next key in; from now on every write is made under both
//	2  the entries are written under the next key, from the records they come from
//	3  meta says that the next generation is complete
//	4  the ring puts the next key in force; the old one is destroyed
//	5  the buckets of the old generation are dropped
//
// After a crash the start goes on where it was, from the beginning of step 2 at
// worst. What is not found in a record any more, such as the telephone number of
// somebody who was erased, is not written anew.
type rotation struct {
	running  sync.Mutex
	identity sync.Mutex
	wanted   atomic.Bool
	soon     chan struct{}
	complete atomic.Uint64 // the commit of step 3

	fault func(step int) error // tests stop a rotation after a step
}

const (
	lookupKey     = "lookup" // in meta: the generation that is complete
	lookupAge     = 30 * 24 * time.Hour
	lookupBatch   = 500
	rotationPause = 10 // times as long as a rotation took, before the next one
)

// RotateLookups makes the key of all identifiers anew, while the store works.
func (db *DB) RotateLookups(ctx context.Context) error {
	leave, err := db.stay()
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := db.until(ctx)
	defer stop()
	return db.rotateLookups(ctx)
}

func (db *DB) rotateLookups(ctx context.Context) error {
	r := &db.rotation
	r.running.Lock()
	defer r.running.Unlock()
	r.wanted.Store(false)
	if err := db.View(ctx, allListed); err != nil {
		return err
	}
	steps := []func(context.Context) error{db.takeNextLookup, db.fillNextLookup, db.completeLookup, db.switchLookup, db.dropLookups}
	for i, step := range steps {
		if err := step(ctx); err != nil {
			return fmt.Errorf("changing the key of identifiers: %w", err)
		}
		if r.fault != nil {
			if err := r.fault(i); err != nil {
				return err
			}
		}
	}
	db.forgetLookups()
	return nil
}

// allListed refuses a rotation that would lose entries.
func allListed(tx *Tx) error {
	for _, l := range declared.allLookups() {
		if l.from != nil {
			continue
		}
		empty, err := l.isEmpty(tx)
		if err != nil {
			return err
		}
		if !empty {
			return fmt.Errorf("the identifiers of %s are not listed by any record: their key cannot be changed", l.name)
		}
	}
	return nil
}

// isEmpty tells whether no generation of the lookup has an entry.
func (l *Lookup) isEmpty(tx *Tx) (bool, error) {
	b, err := tx.bucket(&l.bin)
	if b == nil || err != nil {
		return true, err
	}
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if part := b.Bucket(k); part != nil && !isEmpty(part) {
			return false, nil
		}
	}
	return true, nil
}

func isEmpty(b *bolt.Bucket) bool {
	k, _ := b.Cursor().First()
	return k == nil
}

// takeNextLookup goes on with a next key that is there already.
func (db *DB) takeNextLookup(context.Context) error {
	return db.commitRing(func(b *ringBody, _ trees) (bool, error) {
		if b.NextGen != 0 {
			return false, nil
		}
		b.NextLookup, b.NextGen, b.NextRing = make([]byte, 32), b.LookupGen+1, b.Gen+1
		_, _ = rand.Read(b.NextLookup)
		return true, nil
	})
}

func (db *DB) fillNextLookup(ctx context.Context) error {
	k := db.lookups.Load()
	for _, l := range declared.allLookups() {
		err := l.fill(ctx, db, func(tx *Tx, e *LookupEntry) error {
			v, ok, err := l.getWith(tx, &k.key, k.gen, e.Kind, e.Ident)
			if err != nil || !ok {
				return err
			}
			return l.setWith(tx, k.next, k.nextGen, e.Kind, e.Ident, v)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fill hands the entries that the records list to put, a part at a time so that
// other writers are not held up.
func (l *Lookup) fill(ctx context.Context, db *DB, put func(*Tx, *LookupEntry) error) error {
	if l.from == nil {
		return nil
	}
	for after, more := uint64(0), true; more; {
		var batch []LookupEntry
		err := db.View(ctx, func(tx *Tx) (err error) {
			batch, after, more, err = l.list(tx, after)
			return err
		})
		if err != nil {
			return fmt.Errorf("listing %s: %w", l.name, err)
		}
		if len(batch) == 0 {
			continue
		}
		err = db.Update(ctx, func(tx *Tx) error {
			for i := range batch {
				if err := put(tx, &batch[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// list returns the entries of some records with numbers above after; last is the
// number of the last record that is complete.
func (l *Lookup) list(tx *Tx, after uint64) (batch []LookupEntry, last uint64, more bool, err error) {
	last = after
	err = l.from(tx, after, func(at uint64, e LookupEntry) error {
		if at != last && len(batch) >= lookupBatch {
			more = true
			return ErrStop
		}
		last = at
		batch = append(batch, e)
		return nil
	})
	return batch, last, more, stopped(err)
}

// lookupMark names a generation and its key: a number alone would take the
// buckets of another key for those of this one after an old copy was restored.
func lookupMark(key *[32]byte, gen uint32) []byte {
	sum := mac(key[:], []byte("lookup/v1"))
	return append(binary.BigEndian.AppendUint32(nil, gen), sum[:8]...)
}

// completeLookup writes that every entry is there under the next key.
func (db *DB) completeLookup(ctx context.Context) error {
	k := db.lookups.Load()
	return db.Update(ctx, func(tx *Tx) error {
		db.rotation.complete.Store(tx.snap)
		return tx.put(tx.b.Bucket([]byte(metaBucket)), []byte(lookupKey), lookupMark(k.next, k.nextGen))
	})
}

func (db *DB) switchLookup(context.Context) error {
	return db.commitRing(func(b *ringBody, _ trees) (bool, error) {
		b.Lookup, b.LookupGen, b.LookupRing, b.LookupAt = b.NextLookup, b.NextGen, b.NextRing, db.now().Unix()
		b.NextLookup, b.NextGen, b.NextRing = nil, 0, 0
		return true, nil
	})
}

// dropLookups removes the buckets of generations whose keys are gone.
func (db *DB) dropLookups(ctx context.Context) error {
	k := db.lookups.Load()
	for _, l := range declared.allLookups() {
		err := db.Update(ctx, func(tx *Tx) error {
			return l.dropExcept(tx, k.gen, k.nextGen)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Lookup) dropExcept(tx *Tx, keep ...uint32) error {
	b, err := tx.bucket(&l.bin)
	if err != nil {
		return err
	}
	var gone [][]byte
	c := b.Cursor()
	for name, v := c.First(); name != nil; name, v = c.Next() {
		if v != nil || len(name) != 4 || contains(keep, binary.BigEndian.Uint32(name)) {
			continue
		}
		gone = append(gone, bytes.Clone(name))
	}
	for _, name := range gone {
		if err := tx.dropPartition(&l.bin, name); err != nil {
			return err
		}
	}
	return nil
}

func contains(all []uint32, n uint32) bool {
	for _, x := range all {
		if x == n && n != 0 {
			return true
		}
	}
	return false
}
