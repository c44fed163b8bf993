// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bberrors "go.etcd.io/bbolt/errors"
)

// A full disk must not end in a store that cannot even delete. Some room is kept
// in the file "ballast". When a commit finds no space, or little is left, the
// ballast is given up and only what makes room is written from then on, out of
// what it held; ordinary updates are refused with ErrFull before they run. Once
// somebody freed enough, the ballast is laid down again and all is as before.
const (
	ballastFile = "ballast"
	maxBallast  = 16 << 20
	minBallast  = 256 << 10
	watchEvery  = 10 * time.Second
)

// reserve is the ballast and what depends on it.
type reserve struct {
	size   int64       // of the ballast; 0 where nothing is known of the disk
	low    atomic.Bool // only what makes room is written
	laying sync.Mutex
}

// ballastFor is a hundredth of the disk, within bounds.
func ballastFor(total int64) int64 {
	if total <= 0 {
		return 0
	}
	return min(max(total/100, minBallast), maxBallast)
}

// floor is how little may be left before ordinary updates are refused.
func (r *reserve) floor() int64 { return r.size / 2 }

// enough is how much must be free before they are accepted again: for the
// ballast, and some to go on with.
func (r *reserve) enough() int64 { return 2 * r.size }

type freeing struct{}

// Freeing marks what is done under ctx as something that makes room: deletions,
// and what a person needs to get at them. It is written on a full disk too, as
// long as the reserve lasts.
func Freeing(ctx context.Context) context.Context { return context.WithValue(ctx, freeing{}, true) }

// UpdateFreeing is Update for changes that make room.
func (db *DB) UpdateFreeing(ctx context.Context, fn func(*Tx) error) error {
	return db.Update(Freeing(ctx), fn)
}

func (op *operation) isFreeing() bool { return op.ctx != nil && op.ctx.Value(freeing{}) != nil }

// Full tells whether the store takes only what makes room.
func (db *DB) Full() bool {
	if db.reserve.low.Load() {
		return true
	}
	err := db.full.Load()
	return err != nil && errors.Is(*err, ErrFull)
}

// prepareReserve finds out about the disk when the store is opened. On a disk
// that is full already the store opens all the same. The ballast is laid down a
// while later, when the store turned out to be a server's.
func (db *DB) prepareReserve() {
	free, total := diskSpace(db.dir)
	db.reserve.size = ballastFor(total)
	if db.reserve.size == 0 {
		return
	}
	has := sizeOf(db.path(ballastFile)) == db.reserve.size
	if free < db.reserve.floor() || !has && free < db.reserve.enough() {
		db.runLow(fmt.Errorf("%d MB are free", free>>20))
	}
}

// layBallast makes the ballast, of real blocks; one that is there is kept.
func (db *DB) layBallast() error {
	db.reserve.laying.Lock()
	defer db.reserve.laying.Unlock()
	path := db.path(ballastFile)
	if sizeOf(path) == db.reserve.size {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", path, err)
	}
	if err = preallocate(f, db.reserve.size); errors.Is(err, errors.ErrUnsupported) { // noise, where nothing else takes blocks
		_, err = io.CopyN(f, rand.Reader, db.reserve.size)
		err = errors.Join(err, f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return filing("writing", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// runLow gives the ballast up and refuses what makes no room.
func (db *DB) runLow(cause error) {
	err := fmt.Errorf("%w: %w; free some space on the disk of %s", ErrFull, cause, db.dir)
	db.full.Store(&err)
	if db.reserve.low.Swap(true) {
		return
	}
	db.log.Error("the disk is full: only what makes room is written until some space is free", "error", cause)
	db.reserve.laying.Lock()
	defer db.reserve.laying.Unlock()
	if err := ignoreMissing(os.Remove(db.path(ballastFile))); err != nil {
		db.log.Error("the reserve could not be given up", "error", err)
	}
}

// weigh looks how much room there is and changes over if need be. It runs in the
// committer.
func (db *DB) weigh() {
	if db.reserve.size == 0 {
		return
	}
	free, _ := diskSpace(db.dir)
	switch low := db.reserve.low.Load(); {
	case !low && free < db.reserve.floor():
		db.runLow(fmt.Errorf("%d MB are free", free>>20))
	case low && free >= db.reserve.enough():
		if err := db.layBallast(); err != nil {
			return
		}
		db.reserve.low.Store(false)
		db.full.Store(nil)
		db.log.Info("there is space on the disk again; everything is written")
	}
}

// refuseOrdinary settles the operations that a full disk has no room for.
func (db *DB) refuseOrdinary(batch []*operation) {
	if db.weigh(); !db.reserve.low.Load() {
		return
	}
	for _, op := range batch {
		if !op.isFreeing() && op.state.CompareAndSwap(waiting, taken) {
			if err := db.full.Load(); err != nil {
				op.err = *err
			} else {
				op.err = ErrFull
			}
		}
	}
}

// watchSpace notices a disk that fills up, or has room again, while nobody writes.
func (db *DB) watchSpace(ctx context.Context) {
	every := time.NewTicker(watchEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			db.keepBallast()
			_ = db.between(ctx, func() error { db.weigh(); return nil }) // a store that closes has no need of it
		}
	}
}

// keepBallast lays the ballast down where there is room for it.
func (db *DB) keepBallast() {
	if free, _ := diskSpace(db.dir); db.reserve.size == 0 || db.reserve.low.Load() || free < db.reserve.enough() {
		return
	}
	if err := db.layBallast(); err != nil {
		db.log.Warn("no reserve could be laid down for a full disk", "error", err)
	}
}

// isDiskFull is isFull without the limit that an operator set for data.db: no
// ballast helps there.
func isDiskFull(err error) bool {
	return isFull(err) && !errors.Is(err, bberrors.ErrMaxSizeReached) && !strings.Contains(err.Error(), bberrors.ErrMaxSizeReached.Error())
}
