// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// examine checks the records that were restored, before they become a store.
func (r *restorer) examine(ctx context.Context) error {
	ks, err := r.escrow.Body.keys()
	if err != nil {
		return fmt.Errorf("%w: the copy of the keys: %w; use another one", ErrDamaged, err)
	}
	e := examination{path: filepath.Join(r.stage, dataFile), backup: r.backup, keys: ks, progress: r.o.Progress}
	if r.result.Damaged, err = e.run(ctx); err != nil {
		return err
	}
	if r.result.Damaged > 0 && !r.o.AcceptDamage {
		return fmt.Errorf("%w: %d of %d records of the backup do not open; use an older one, or accept the loss with --accept-damage",
			ErrDamaged, r.result.Damaged, r.backup.Contents.Records)
	}
	return nil
}

// examination holds a data.db from a backup against what the backup says of it.
type examination struct {
	path     string
	backup   *readArchive
	keys     *keys
	progress func(Progress)
}

// run returns how many records do not open; everything else is an error.
func (e *examination) run(ctx context.Context) (damaged int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recovered(&err)
	if err := checkFile(e.path); err != nil {
		return 0, err
	}
	b, err := openBolt(e.path, 0)
	if err != nil {
		return 0, boltOpening(e.path, err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	err = b.View(func(tx *bolt.Tx) (err error) {
		if err := e.meta(tx); err != nil {
			return err
		}
		e.progress(Progress{Step: "checking the pages"})
		for range tx.Check() { //nolint:revive // the channel is read to its end, or Check never ends
			err = fmt.Errorf("%w: the pages of %s in the backup do not fit together; use another one", ErrDamaged, dataFile)
		}
		if err != nil {
			return err
		}
		return e.contents(ctx, tx)
	})
	if err != nil {
		return 0, err
	}
	return e.seals(ctx, b)
}

// meta holds what data.db says of itself against the manifest.
func (e *examination) meta(tx *bolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return fmt.Errorf("%w: %s in the backup was not made by kith; use another one", ErrDamaged, dataFile)
	}
	format := meta.Get([]byte(formatKey))
	if len(format) == 4 && binary.BigEndian.Uint32(format) > formatVersion {
		return fmt.Errorf("%w: the data in the backup has format %d and this kith knows %d; install the kith that made it",
			ErrNewer, binary.BigEndian.Uint32(format), formatVersion)
	}
	c, err := parseCounters(meta.Get([]byte(countersKey)))
	if err != nil {
		return err
	}
	name := meta.Get([]byte(instanceKey))
	if len(format) != 4 || c.ID != e.backup.Seq || !time.Unix(0, c.Now).Equal(e.backup.Taken) ||
		(name != nil && hex.EncodeToString(name) != e.backup.Instance) {
		return fmt.Errorf("%w: %s in the backup is not the one it says; use another one", ErrDamaged, dataFile)
	}
	return nil
}

// contents sums up the records and holds the attachments against those who refer
// to them.
func (e *examination) contents(ctx context.Context, tx *bolt.Tx) error {
	e.progress(Progress{Step: "adding up the records"})
	c, err := checksumOf(ctx, tx)
	if err != nil {
		return err
	}
	want := e.backup.Contents
	if c.String() != want.Sum || c.Records != want.Records {
		return fmt.Errorf("%w: the records in the backup do not have the sum it says; use another one", ErrDamaged)
	}
	have := e.backup.blobs
	absent := map[string]bool{}
	for _, id := range append(append([]string(nil), want.Gone...), want.Missing...) {
		absent[id] = true
	}
	refs := map[string]bool{}
	for _, ref := range blobRefs(tx) {
		id := ref.String()
		if refs[id] = true; !have[id] && !absent[id] {
			return fmt.Errorf("%w: an attachment is missing in the backup; use another one", ErrDamaged)
		}
	}
	for id := range have {
		if !refs[id] {
			return fmt.Errorf("%w: the backup holds an attachment that nothing refers to; use another one", ErrDamaged)
		}
	}
	return nil
}

// seals opens every record, on as many cores as there are, and counts those that
// do not. A record whose key was destroyed is no damage.
func (e *examination) seals(ctx context.Context, b *bolt.DB) (damaged int, err error) {
	var parts []bucketPath
	err = b.View(func(tx *bolt.Tx) error {
		parts = sealedParts(tx)
		return nil
	})
	if err != nil {
		return 0, err
	}
	c := sealCheck{keys: e.keys, progress: e.progress, total: int64(e.backup.Contents.Records)} //nolint:gosec // a count
	next := make(chan bucketPath)
	errs := make([]error, max(runtime.GOMAXPROCS(0), 1))
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for p := range next {
				errs[i] = errors.Join(errs[i], b.View(func(tx *bolt.Tx) error { return c.part(ctx, tx, p) }))
			}
		})
	}
	for _, p := range parts {
		next <- p
	}
	close(next)
	wg.Wait()
	return int(c.damaged.Load()), errors.Join(errs...)
}

// sealedParts lists the buckets and partitions that hold records.
func sealedParts(tx *bolt.Tx) (parts []bucketPath) {
	top := tx.Cursor()
	for name, _ := top.First(); name != nil; name, _ = top.Next() {
		if plainBuckets[string(name)] {
			continue
		}
		table := bytes.Clone(name)
		parts = append(parts, bucketPath{table: table})
		b := tx.Bucket(name)
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if v == nil {
				parts = append(parts, bucketPath{table, bytes.Clone(k)})
			}
		}
	}
	return parts
}

// plainBuckets hold the store's own numbers, or what is being thrown away.
var plainBuckets = map[string]bool{metaBucket: true, ledgerBucket: true, cursorBucket: true, trashBucket: true}

// sealCheck opens records.
type sealCheck struct {
	keys     *keys
	damaged  atomic.Int64
	done     atomic.Int64
	total    int64
	telling  sync.Mutex
	progress func(Progress)
}

// part opens the records of a bucket or of a partition.
func (c *sealCheck) part(ctx context.Context, tx *bolt.Tx, p bucketPath) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recovered(&err)
	b := tx.Bucket(p.table)
	if p.part != nil {
		b = b.Bucket(p.part)
	}
	where := append(append(append([]byte(nil), p.table...), 0), p.part...)
	at := len(where)
	keys, err := c.keys.sourceOf(p.table, p.part)
	if isErased(err) {
		return nil // a segment of an index that was destroyed
	}
	if err != nil {
		return err
	}
	var plain []byte
	cur := b.Cursor()
	for k, v := cur.First(); k != nil; k, v = cur.Next() {
		if _, ok := subjectOf(v); ok {
			where = append(where[:at], k...)
			var err error
			if plain, _, err = open(plain[:0], keys, v, where); err != nil && !isErased(err) {
				c.damaged.Add(1)
			}
		}
		if n := c.done.Add(1); n%10_000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			c.tell(n)
		}
	}
	return nil
}

func (c *sealCheck) tell(n int64) {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.progress(Progress{"opening the records", n, c.total})
}
