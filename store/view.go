// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

var viewPool = sync.Pool{New: func() any { return new(Tx) }}

// View runs fn on a steady picture of the records as of its start. Any number of
// views run at once and beside the writer. They should be short: the space of
// what changes meanwhile is not used again before they end.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	b, of, err := db.readers.begin(db.bolt)
	if err != nil {
		if errors.Is(err, bberrors.ErrDatabaseNotOpen) {
			return ErrClosed
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	tx, _ := viewPool.Get().(*Tx)
	tx.db, tx.b, tx.snap, tx.now = db, b, of.number(b), time.Time{}
	defer func() {
		if p := recover(); p != nil {
			if err = db.unreadable(p); err == nil {
				defer panic(p)
			}
		}
		db.readers.done(tx.snap)
		_ = b.Rollback()
		of.views.Done()
		tx.db, tx.b = nil, nil
		viewPool.Put(tx)
	}()
	return fn(tx)
}

// readers counts the open views by the commit they see, so that rows in RAM keep
// the versions they need.
type readers struct {
	mu   sync.Mutex
	open map[uint64]int
}

// begin opens a view. The lock makes sure that no version is dropped between
// the start of the view and its registration.
func (r *readers) begin(f *boltFile) (*bolt.Tx, *oneFile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, of, err := f.begin()
	if err != nil {
		return nil, nil, err
	}
	if r.open == nil {
		r.open = map[uint64]int{}
	}
	r.open[of.number(b)]++
	return b, of, nil
}

func (r *readers) done(snap uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[snap]--; r.open[snap] == 0 {
		delete(r.open, snap)
	}
}

// oldest is the oldest commit that a view still sees, newest when there is none.
func (r *readers) oldest(newest uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for snap := range r.open {
		newest = min(newest, snap)
	}
	return newest
}

// signal is a channel that is closed to say that something was committed.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

func (s *signal) watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// signal is that of one log or queue in this store.
func (db *DB) signal(of any) *signal {
	if s, ok := db.signals.Load(of); ok {
		return s.(*signal) //nolint:errcheck,forcetypeassert // only signals are put there
	}
	s, _ := db.signals.LoadOrStore(of, new(signal))
	return s.(*signal) //nolint:errcheck,forcetypeassert // only signals are put there
}
