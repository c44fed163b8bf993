// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync"
	"time"
)

// upkeep is what a store needs to look after its files while it is used.
type upkeep struct {
	maxSize    int64
	reserve    reserve
	epoch      uint64
	oplog      *oplog
	standbys   standbys
	compacting sync.Mutex // held while data.db is written anew
	tidySoon   chan struct{}
	loops      sync.WaitGroup  // what runs as long as the store is open
	life       context.Context //nolint:containedctx // ends with the store
	blobCount  struct {
		sync.Mutex
		at    time.Time
		bytes int64
	}
	faultStep func(step string) error // tests stop a compaction here
}

// stay keeps the store from closing its files until leave is called; work under
// it ends soon after Close, by the context that until gives.
func (db *DB) stay() (leave func(), err error) {
	db.closing.RLock()
	defer db.closing.RUnlock()
	if db.closed {
		return nil, ErrClosed
	}
	db.work.Add(1)
	return db.work.Done, nil
}

// until is ctx, ended when the store closes too.
func (db *DB) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(db.life, cancel)
	return ctx, func() { stop(); cancel() }
}

func (db *DB) step(name string) error {
	if db.faultStep == nil {
		return nil
	}
	return db.faultStep(name)
}
