// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Options of a store. The zero value is right for a server.
type Options struct {
	// Identity is the file with the machine identity. Empty means the systemd
	// credential kith-identity when there is one, else the path of the directory
	// with ".identity" behind it. It is made only together with a new store.
	Identity string
	// Passphrase opens an identity that is protected by one, and protects one that
	// is made.
	Passphrase string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log takes what an operator should know; nil means nobody does.
	Log *slog.Logger
	// MaxSize bounds data.db in bytes; 0 means no limit.
	MaxSize int64
}

// DB is an open store.
type DB struct {
	dir   string
	log   *slog.Logger
	now   func() time.Time
	lock  *os.File
	bolt  *boltFile
	ring  *ring
	keys  *keys
	codec codec

	// The committer's own.
	ops      chan *operation
	stopped  chan struct{}
	counters counters
	saved    counters
	rows     []rows
	taps     []*tap

	closing sync.RWMutex // held to send to ops; written to close it
	closed  bool
	work    sync.WaitGroup     // what runs behind the scenes
	cancel  context.CancelFunc // ends that

	lastNow  atomic.Int64
	readers  readers
	signals  sync.Map
	indexes  sync.Map // *indexCore -> *indexState
	failed   chan struct{}
	failure  atomic.Pointer[error]
	full     atomic.Pointer[error]
	stuck    atomic.Bool // a commit panicked: data.db cannot be closed
	damage   damages
	erasing  sync.Mutex
	trying   sync.Mutex // held while a backup is restored as a test
	emptying sync.Mutex // held to empty the trash
	ringing  sync.Mutex // held to change ring
	ringNow  atomic.Pointer[ringBody]
	onRing   []ringHook // set before the store works
	// onPending name what still has the keys that a generation of the keyring lacks:
	// copies in escrow, replicas. Set before the store works.
	onPending []func(gen uint64) []string
	strength  [2]string

	instanceID instanceID
	upkeep
	keeping

	upFor       func() uptime        // tests have a machine of their own
	faultCommit func(*bolt.Tx) error // tests stop a commit here
}

// Dir is the directory of the store.
func (db *DB) Dir() string { return db.dir }

// Failed is closed when no further write can be trusted; Err says why.
func (db *DB) Failed() <-chan struct{} { return db.failed }

// Err is why the store stopped writing; nil while it has not.
func (db *DB) Err() error {
	if err := db.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Ready is nil while the store is able to write. After a write that was refused
// for want of space it says so until one succeeds again.
func (db *DB) Ready() error {
	if err := db.Err(); err != nil {
		return err
	}
	if err := db.full.Load(); err != nil {
		return *err
	}
	return nil
}

// ErasureStrength is "full" when overwriting the anchor reaches the old blocks
// on this file system, else "reduced" with the reason.
func (db *DB) ErasureStrength() (strength, reason string) { return db.strength[0], db.strength[1] }

func (db *DB) path(name string) string { return filepath.Join(db.dir, name) }

// Close lets the updates that have begun finish, writes the list of free pages,
// marks the stop as clean and gives the directory back.
func (db *DB) Close() error {
	db.closing.Lock()
	if db.closed {
		db.closing.Unlock()
		return nil
	}
	db.closed = true
	close(db.ops)
	db.closing.Unlock()
	db.cancel()
	<-db.stopped
	db.work.Wait()
	db.loops.Wait()

	var err error
	if db.Err() == nil {
		err = errors.Join(db.oplog.end(), db.saveFreelist())
	}
	if db.stuck.Load() {
		return errors.Join(err, db.Err(), db.lock.Close()) // bbolt would wait for itself
	}
	if cerr := db.bolt.Close(); cerr != nil {
		err = errors.Join(err, fmt.Errorf("closing %s: %w", db.path(dataFile), cerr))
	}
	if err == nil && db.Err() == nil {
		err = errors.Join(writeFile(db.path(cleanFile), []byte("kith\n")), syncDir(db.dir))
	}
	return errors.Join(err, db.lock.Close())
}

// saveFreelist lets the next start find the free pages without a search.
func (db *DB) saveFreelist() error {
	f := db.bolt.now()
	f.NoFreelistSync = false
	err := f.Update(func(*bolt.Tx) error { return nil })
	if isFull(err) {
		return nil // the next start searches instead
	}
	return err
}
