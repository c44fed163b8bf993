// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

const (
	compactFile = "data.db.compact"
	// compactStep is how much is copied or replayed between two waits for the disk,
	// so that the writers who go on meanwhile do not wait behind all of it.
	compactStep = 16 << 20
	// compactTail is how much may be left to replay while the committer waits.
	compactTail   = 256 << 10
	compactRounds = 16
	compactFill   = 0.9
)

// CompactProgress is how far a compaction has come, in bytes of records. Total is
// an estimate.
type CompactProgress struct{ Copied, Total int64 }

// Compacted is what a compaction did to data.db, in bytes.
type Compacted struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Compact writes data.db anew without its free pages, while everybody goes on
// reading and writing; writers wait only for the last step, some ten
// milliseconds. progress may be nil. A crash at any point leaves either file,
// whole: they hold the same.
//
//	1  a view is opened, and from there on every commit is noted in a file too
//	2  the view is copied into data.db.compact
//	3  what was noted is replayed there, until little is left
//	4  between two commits: the rest is replayed, then the file is renamed to
//	   data.db and the directory synced; views keep the old file until they end
func (db *DB) Compact(ctx context.Context, progress func(CompactProgress)) (done Compacted, err error) {
	leave, err := db.stay()
	if err != nil {
		return done, err
	}
	defer leave()
	if !db.compacting.TryLock() {
		return done, fmt.Errorf("%w: data.db is being compacted already; wait for that", ErrLocked)
	}
	defer db.compacting.Unlock()
	ctx, cancel := db.until(ctx)
	defer cancel()
	c := &compaction{db: db, ctx: ctx, path: db.path(compactFile), progress: progress}
	defer func() { err = errors.Join(err, c.cleanUp()) }()
	if err := c.run(); err != nil {
		return done, fmt.Errorf("compacting %s: %w", db.path(dataFile), err)
	}
	return c.done, nil
}

// compaction is one run of Compact.
type compaction struct {
	db       *DB
	ctx      context.Context //nolint:containedctx // lives as long as one call of Compact
	path     string
	next     *bolt.DB
	tail     *tail
	progress func(CompactProgress)
	at       CompactProgress
	alloc    int // by how much the file grows once it is in use
	done     Compacted
	swapped  bool
}

func (c *compaction) run() error {
	if err := c.db.roomFor(c.db.Space()); err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	stop, view, err := c.begin()
	if err != nil {
		return err
	}
	defer stop()
	if err := c.copy(view); err != nil {
		return err
	}
	if err := c.catchUp(); err != nil {
		return err
	}
	return c.db.between(c.ctx, c.finish)
}

func (c *compaction) open() (err error) {
	if err := ignoreMissing(os.Remove(c.path)); err != nil {
		return filing("removing", c.path, err)
	}
	if c.next, err = openBolt(c.path, c.db.maxSize); err != nil {
		return filing("creating", c.path, err)
	}
	c.alloc, c.next.AllocSize = c.next.AllocSize, 1<<20
	c.tail, err = newTail(c.db.dir)
	return err
}

// begin opens the view that is copied and notes every commit behind it.
func (c *compaction) begin() (stop func(), view *heldView, err error) {
	stop, err = c.db.tap(c.ctx, c.tail.add, func() (err error) {
		view, err = c.db.bolt.hold()
		return err
	})
	return stop, view, err
}

// copy copies what the view sees and ends it.
func (c *compaction) copy(view *heldView) (err error) {
	defer func() { err = errors.Join(err, view.end()) }()
	c.at.Total = view.tx.Size()
	w := &bulk{ctx: c.ctx, to: c.next}
	w.report = func(n int64) {
		if c.at.Copied += n; c.progress != nil {
			c.progress(c.at)
		}
	}
	err = view.tx.ForEach(func(name []byte, b *bolt.Bucket) error { return w.bucket([][]byte{name}, b) })
	return errors.Join(err, w.end())
}

// catchUp replays what was committed meanwhile until little is left. Each round
// takes less time than the one before, as replaying is faster than committing.
func (c *compaction) catchUp() error {
	for range compactRounds {
		left, err := c.tail.replay(c.ctx, c.next)
		if err != nil || left < compactTail {
			return err
		}
	}
	return nil
}

// finish runs between two commits.
func (c *compaction) finish() error {
	if _, err := c.tail.replay(c.ctx, c.next); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	path := c.db.path(dataFile)
	c.done.Before = sizeOf(path)
	if err := c.next.Sync(); err != nil {
		return filing("syncing", c.path, err)
	}
	if err := c.db.step("rename"); err != nil {
		return err
	}
	if err := os.Rename(c.path, path); err != nil {
		return filing("renaming to", path, err)
	}
	// From here on the name leads to the new file: whatever happens, writing goes
	// on in that one or not at all.
	if err := errors.Join(syncDir(c.db.dir), c.db.step("renamed")); err != nil {
		c.db.fail(fmt.Errorf("%w: a compaction was cut short: %w; start kith again", ErrUnknown, err))
		return err
	}
	old, err := c.db.bolt.swap(c.next)
	if err != nil {
		c.db.fail(fmt.Errorf("%w: a compaction was cut short: %w; start kith again", ErrUnknown, err))
		return err
	}
	c.swapped, c.next.AllocSize = true, c.alloc
	c.done.After = sizeOf(path)
	c.db.work.Go(func() {
		old.views.Wait()
		if err := old.Close(); err != nil {
			c.db.log.Warn("closing the file that was compacted", "error", err)
		}
	})
	return nil
}

// check holds the end of the copy against what was committed last: the counters
// are written with every commit.
func (c *compaction) check() error {
	return c.next.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBin.name)
		if meta == nil || !bytes.Equal(meta.Get([]byte(countersKey)), c.db.saved.bytes()) {
			return fmt.Errorf("%w: the copy does not hold the last commit; data.db stays as it was", ErrDamaged)
		}
		return nil
	})
}

func (c *compaction) cleanUp() error {
	var err error
	if c.tail != nil {
		err = c.tail.close()
	}
	if c.next != nil && !c.swapped {
		err = errors.Join(err, c.next.Close())
		if c.db.Err() == nil { // else the name may lead to it by now
			err = errors.Join(err, ignoreMissing(os.Remove(c.path)))
		}
	}
	return err
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
