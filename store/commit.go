// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// maxBatch is the number of operations that share one commit at most.
const maxBatch = 4096

// operation is one Update on its way through the committer.
type operation struct {
	fn      func(*Tx) error
	between func() error    // instead of fn: runs when no transaction is open
	ctx     context.Context //nolint:containedctx // of the caller, who waits
	err     error
	state   atomic.Int32
	done    chan struct{}
}

// An operation is taken by the committer or given up by its caller, not both.
const (
	waiting int32 = iota
	taken
	givenUp
)

// Update runs fn with the right to change records and returns when the changes
// are on disk. If fn returns an error or panics, nothing of what it did is kept
// and the error comes back. fn runs exactly once, in the goroutine of the
// committer, one after the other: it must not block and must not call Update.
//
// ErrFull and ErrUnavailable say that nothing was kept; after ErrUnknown a
// restart shows whether it was. A context that ends while the operation waits
// gives it up; once fn has begun the outcome is awaited.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	return db.submit(ctx, &operation{fn: fn, ctx: ctx, done: make(chan struct{})})
}

// submit hands an operation to the committer and waits for the outcome.
func (db *DB) submit(ctx context.Context, op *operation) error {
	if err := db.enqueue(ctx, op); err != nil {
		return err
	}
	select {
	case <-op.done:
		return op.err
	case <-ctx.Done():
	}
	if op.state.CompareAndSwap(waiting, givenUp) {
		return ctx.Err()
	}
	<-op.done
	return op.err
}

func (db *DB) enqueue(ctx context.Context, op *operation) error {
	db.closing.RLock()
	defer db.closing.RUnlock()
	if db.closed {
		return ErrClosed
	}
	if err := db.Err(); err != nil {
		return fmt.Errorf("%w: an earlier write failed: %w", ErrUnavailable, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case db.ops <- op:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitLoop owns the write transaction: what has queued up while the last
// commit was on its way to the disk goes into the next one. There is no timer.
func (db *DB) commitLoop() {
	tx := &Tx{db: db, w: &writer{}}
	var batch []*operation
	ended := false
	defer func() {
		if !ended { // an operation ended the goroutine, as a test that fails does
			go db.commitLoop()
		}
	}()
	for first := range db.ops {
		batch = drain(db.ops, append(batch[:0], first))
		if updates, others := apart(batch); len(others) == 0 {
			db.commitBatch(tx, updates)
		} else {
			db.commitAndPause(tx, updates, others)
		}
		clear(batch)
	}
	ended = true
	close(db.stopped)
}

// drain collects what waits. Callers that the last commit released are about to
// come back: it lets them run until that twice brought nothing, rather than spend
// a commit on the first of them.
func drain[O any](ops <-chan O, batch []O) []O {
	for idle := 0; idle < 2 && len(batch) < maxBatch; idle++ {
		runtime.Gosched()
		for n := len(ops); n > 0 && len(batch) < maxBatch; n-- {
			op, ok := <-ops
			if !ok {
				return batch
			}
			batch, idle = append(batch, op), -1
		}
	}
	return batch
}

// apart tells the updates from what runs between two commits.
func apart(batch []*operation) (updates, others []*operation) {
	isOther := func(op *operation) bool { return op.between != nil }
	if !slices.ContainsFunc(batch, isOther) {
		return batch, nil
	}
	for _, op := range batch {
		if isOther(op) {
			others = append(others, op)
		} else {
			updates = append(updates, op)
		}
	}
	return updates, others
}

// commitAndPause commits the updates, then lets others have the committer.
func (db *DB) commitAndPause(tx *Tx, updates, others []*operation) {
	if len(updates) > 0 {
		db.commitBatch(tx, updates)
	}
	for _, op := range others {
		if !op.state.CompareAndSwap(waiting, taken) {
			continue
		}
		if op.err = db.Err(); op.err == nil {
			op.err = op.between()
		}
		close(op.done)
	}
}

// commitBatch runs the operations in one transaction and releases their callers.
func (db *DB) commitBatch(tx *Tx, batch []*operation) {
	err := errExit
	defer func() { release(batch, err) }()
	if failure := db.Err(); failure != nil {
		err = fmt.Errorf("%w: an earlier write failed: %w", ErrUnavailable, failure)
		return
	}
	if db.reserve.low.Load() {
		db.refuseOrdinary(batch)
	}
	err = db.writeBatch(tx, batch)
}

// errExit is for the callers of a batch in which an operation ended the
// goroutine of the committer.
var errExit = fmt.Errorf("%w: an update ended the goroutine it ran in", ErrUnavailable)

func release(batch []*operation, err error) {
	for _, op := range batch {
		if op.state.Load() == givenUp {
			continue
		}
		if err != nil && op.err == nil {
			op.err = err
		}
		close(op.done)
	}
}

func (db *DB) writeBatch(tx *Tx, batch []*operation) error {
	f := db.bolt.now()
	b, err := f.Begin(true)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	tx.begin(b, f.number(b))
	settled := false
	defer func() {
		if !settled {
			db.discardRows()
			_ = b.Rollback()
		}
		tx.end()
	}()
	err = db.runBatch(tx, batch)
	settled = true
	return err
}

// runBatch runs the operations and ends the transaction, one way or the other.
func (db *DB) runBatch(tx *Tx, batch []*operation) error {
	for _, op := range batch {
		if !op.state.CompareAndSwap(waiting, taken) {
			continue
		}
		if op.err = tx.run(op.fn); op.err == nil {
			tx.keep()
			continue
		}
		if err := tx.takeBack(); err != nil {
			return db.rolledBack(tx, fmt.Errorf("taking an operation back: %w", err))
		}
	}
	if !tx.changed() {
		db.discardRows()
		return tx.b.Rollback()
	}
	if err := tx.finish(); err != nil {
		return db.rolledBack(tx, err)
	}
	return db.commit(tx)
}

// rolledBack gives the whole transaction up.
func (db *DB) rolledBack(tx *Tx, err error) error {
	db.discardRows()
	if rerr := tx.b.Rollback(); rerr != nil {
		err = errors.Join(err, rerr)
	}
	return db.refused(err)
}

// run calls fn and turns a panic into an error. Nothing of what the panic says
// is logged but its place: it may hold customer data.
func (tx *Tx) run(fn func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic
			if e, ok := p.(error); ok && (errors.Is(e, errReadOnly) || errors.Is(e, errNotLoaded)) {
				err = e
			}
			tx.db.log.Error("an update panicked; it was taken back", "at", panicPlace())
		}
	}()
	tx.mark()
	return fn(tx)
}

var errPanic = errors.New("store: the update panicked and was taken back")

// panicPlace is the function and line that panicked, whichever deferred function
// asks.
func panicPlace() string {
	var pcs [48]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for thrown := false; ; {
		f, more := frames.Next()
		if thrown && !strings.HasPrefix(f.Function, "runtime.") || !more {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		thrown = thrown || f.Function == "runtime.gopanic"
	}
}

// commit writes the transaction, tells the RAM and wakes those who wait.
func (db *DB) commit(tx *Tx) error {
	id := tx.snap
	db.stageRows(id)
	if err := db.boltCommit(tx.b); err != nil {
		db.discardRows()
		return db.classify(err, id)
	}
	db.publishRows(id)
	db.lastNow.Store(tx.now.UnixNano())
	if !db.reserve.low.Load() {
		db.full.Store(nil)
	}
	db.tell(tx)
	for _, fn := range tx.w.after {
		fn()
	}
	for _, s := range tx.w.fire {
		s.fire()
	}
	return nil
}

// boltCommit turns a panic inside bbolt into an error.
func (db *DB) boltCommit(b *bolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			db.stuck.Store(true) // its lock is held for good
			err = fmt.Errorf("%w: bbolt panicked", errCommitPanic)
		}
	}()
	if db.faultCommit != nil {
		if err := db.faultCommit(b); err != nil {
			return err
		}
	}
	return b.Commit()
}

var errCommitPanic = errors.New("commit")

// classify tells a commit that was refused from one that may be there. bbolt
// writes the meta page last: as long as the newest one is older than this
// transaction, nothing of it can be found after a restart.
//
// A write of the meta page that failed may have been seen for a moment, and what
// bbolt then took for free pages holds records: it goes on only with a list that
// agrees with the file.
func (db *DB) classify(err error, id uint64) error {
	if !errors.Is(err, errCommitPanic) && db.metaBefore(id) && db.pagesAgree() {
		return db.refused(err)
	}
	err = fmt.Errorf("%w: %w; restart kith to see", ErrUnknown, err)
	db.fail(err)
	return err
}

func (db *DB) metaBefore(id uint64) bool {
	f := db.bolt.now()
	b, err := f.Begin(false)
	if err != nil {
		return false
	}
	defer func() { _ = b.Rollback() }()
	return f.number(b) < id
}

// pagesAgree tells whether the free pages that bbolt knows are those that no
// record lies in.
func (db *DB) pagesAgree() bool {
	b, err := db.bolt.now().Begin(true)
	if err != nil {
		return false
	}
	defer func() { _ = b.Rollback() }()
	agree := true
	for range b.Check() {
		agree = false
	}
	return agree
}

func (db *DB) refused(err error) error {
	if db.reserve.size > 0 && isDiskFull(err) {
		db.runLow(err)
	}
	if isFull(err) {
		err = fmt.Errorf("%w: writing %s: %w; free some space on that disk", ErrFull, db.path(dataFile), err)
	} else {
		err = fmt.Errorf("%w: writing %s: %w", ErrUnavailable, db.path(dataFile), err)
	}
	db.full.Store(&err)
	db.log.Error("a write was refused", "error", err)
	return err
}

// fail closes Failed: no further write is accepted.
func (db *DB) fail(err error) {
	if db.failure.CompareAndSwap(nil, &err) {
		close(db.failed)
		db.log.Error("the store stops writing", "error", err)
	}
}

func txID(b *bolt.Tx) uint64 { return uint64(b.ID()) } //nolint:gosec // transaction numbers are never negative
