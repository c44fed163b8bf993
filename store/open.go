// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"filippo.io/age"
)

const (
	dataFile      = "data.db"
	cleanFile     = "clean"
	creatingFile  = "creating"
	recipientFile = "recipient.txt"
	blobDir       = "blobs"
)

// Open opens the store in dir and makes one where there is none. Its errors wrap
// ErrLocked, ErrPermission, ErrDamaged, ErrWrongKey, ErrNewer or ErrFull and say
// what to do.
func Open(dir string, o Options) (*DB, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", dir, err)
	}
	db := &DB{
		dir:     abs,
		log:     o.Log,
		now:     o.Now,
		ops:     make(chan *operation, maxBatch),
		stopped: make(chan struct{}),
		failed:  make(chan struct{}),
		codec:   ageFiles{},
	}
	db.tidySoon = make(chan struct{}, 1)
	db.rotation.soon = make(chan struct{}, 1)
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.now == nil {
		db.now = time.Now
	}
	if err := os.MkdirAll(db.dir, 0o700); err != nil { //nolint:gosec // the operator names it
		if errors.Is(err, os.ErrNotExist) { // a place, such as /proc, where nothing can be made
			return nil, fmt.Errorf("%w: making %s: %w; name a directory that can be made", ErrPermission, db.dir, err)
		}
		return nil, filing("making", db.dir, err)
	}
	if db.lock, err = lock(db.dir); err != nil {
		return nil, err
	}
	if err := db.open(&o); err != nil {
		if db.bolt != nil {
			err = errors.Join(err, db.bolt.Close())
		}
		return nil, errors.Join(err, db.lock.Close())
	}
	db.start()
	if err := db.restoreLookups(context.Background()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// open does everything that needs no goroutine. A file that is shorter than it
// says, or one with nonsense in it, faults or panics below bbolt: that is
// damage, not the end of the process.
func (db *DB) open(o *Options) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if p == errNotLoaded { //nolint:errorlint,err113 // a panic value, compared as such
				panic(p)
			}
			err = fmt.Errorf("%w: %s cannot be read; restore it from a backup", ErrDamaged, db.path(dataFile))
		}
	}()
	if err := db.refuseStandby(); err != nil {
		return err
	}
	fresh, err := db.isFresh()
	if err != nil {
		return err
	}
	id, err := db.identity(o, fresh)
	if err != nil {
		return err
	}
	if fresh {
		err = db.create(id)
	} else {
		err = db.openKeys(id)
	}
	if err != nil {
		return err
	}
	db.strength[0], db.strength[1] = erasureStrength(db.dir)
	db.prepareReserve()
	if err := db.openData(o.MaxSize); err != nil {
		return err
	}
	if err := db.readEpoch(); err != nil {
		return err
	}
	if err := db.nameInstance(); err != nil {
		return err
	}
	if err := db.load(); err != nil {
		return err
	}
	return db.loadReplicas()
}

// isFresh tells whether dir holds no store yet; one whose making was cut short
// before the first record is none.
func (db *DB) isFresh() (bool, error) {
	_, err := os.Stat(db.path(dataFile))
	if err == nil {
		return false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return false, filing("looking at", db.path(dataFile), err)
	}
	if _, err := os.Stat(db.path(creatingFile)); err == nil {
		return true, nil
	}
	entries, err := os.ReadDir(db.dir)
	if err != nil {
		return false, filing("reading", db.dir, err)
	}
	for _, e := range entries {
		switch e.Name() {
		case restoringDir:
			return false, fmt.Errorf("%w: a restore into %s was cut short; run it again, it begins anew", ErrDamaged, db.dir)
		case anchorFile, keyringFile, blobDir:
			return false, fmt.Errorf("%w: %s is missing although %s is there; restore it from a backup", ErrDamaged, db.path(dataFile), e.Name())
		}
	}
	return true, nil
}

func (db *DB) identity(o *Options, fresh bool) (*age.HybridIdentity, error) {
	var err error
	if db.kept, err = findIdentity(db.dir, o); err != nil {
		return nil, err
	}
	if !fresh {
		return db.kept.read(o.Passphrase, db.log)
	}
	if err := db.begin(db.kept.path); err != nil {
		return nil, err
	}
	return db.kept.create(o.Passphrase, db.log)
}

// begin notes that a store is being made, before its identity is. An identity
// that kith made for this directory, without a store in it, means that the store
// is elsewhere: a disk that is not mounted must not look like a first start.
func (db *DB) begin(identity string) error {
	if _, err := os.Stat(db.path(creatingFile)); err == nil {
		return nil
	}
	if _, err := os.Stat(identity); err == nil && identity == db.dir+identitySuffix {
		return fmt.Errorf("%w: %s holds no store, although %s of an earlier one is there; mount its disk or restore a backup, "+
			"or, to start anew and lose what it opens, move that file away", ErrDamaged, db.dir, identity)
	}
	if err := writeFile(db.path(creatingFile), []byte("kith\n")); err != nil {
		return err
	}
	return syncDir(db.dir)
}

// create makes a store. The file "creating" stands until the last step, so that
// a crash in between is followed by a new start and not taken for a loss.
func (db *DB) create(id *age.HybridIdentity) error {
	for _, name := range []string{anchorFile, keyringFile, keyringFile + newSuffix, dataFile + newSuffix} {
		if err := os.Remove(db.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return filing("removing", db.path(name), err)
		}
	}
	if err := os.MkdirAll(db.path(blobDir), 0o700); err != nil {
		return filing("making", db.path(blobDir), err)
	}
	var err error
	key := id.Recipient().String()
	body := newBody()
	body = body.with(key, recipientNote{Kind: RecipientMachine, At: db.now().Unix()})
	body.LookupAt = db.now().Unix()
	if db.ring, err = createRing(db.dir, body); err != nil {
		return err
	}
	db.setMachine(key)
	if err := db.useRing(); err != nil {
		return err
	}
	if err := createData(db.path(dataFile), db.now()); err != nil {
		return err
	}
	return db.created()
}

// created removes the marker of a making that is complete, once the names of all
// that was made are durable, also what a start that was cut short left unsynced.
func (db *DB) created() error {
	if _, err := os.Stat(db.path(creatingFile)); err == nil {
		if err := errors.Join(syncDir(db.dir), syncAbove(db.dir)); err != nil {
			return err
		}
	}
	if err := os.Remove(db.path(creatingFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return filing("removing", db.path(creatingFile), err)
	}
	return syncDir(db.dir)
}

func (db *DB) openKeys(id *age.HybridIdentity) error {
	var err error
	if db.ring, err = openRing(db.dir, id); err != nil {
		return err
	}
	if err := db.useRing(); err != nil {
		return err
	}
	db.settleIdentity(id)
	return db.created()
}

// useRing takes the keys of the ring and keeps recipient.txt in step with it.
func (db *DB) useRing() error {
	var err error
	if db.keys, err = db.ring.body.keys(); err != nil {
		return fmt.Errorf("%w: %s: %w; restore the store from a backup", ErrDamaged, db.path(keyringFile), err)
	}
	body := db.ring.body
	db.ringNow.Store(&body)
	db.useLookups(&body)
	return db.writeRecipients()
}

// start lets the store work: the committer, and what earlier runs left to do.
func (db *DB) start() {
	ctx, cancel := context.WithCancel(context.Background())
	db.cancel, db.life = cancel, ctx
	go db.commitLoop()
	db.work.Go(func() { db.resume(ctx) })
	db.runIndexes(ctx)
	db.loops.Go(func() { db.rotateLoop(ctx) })
	db.loops.Go(func() { db.tidy(ctx) })
	db.loops.Go(func() { db.watchSpace(ctx) })
	db.loops.Go(func() { db.oplog.run(ctx) })
}

// preread pulls the file through the page cache in order. After a crash bbolt
// touches every page to find the free ones; on a cold disk that would take
// twenty times as long at random.
func preread(path string) error {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return filing("opening", path, err)
	}
	defer func() { _ = f.Close() }()
	readSequentially(f)
	if _, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{f}, make([]byte, 1<<20)); err != nil {
		return filing("reading", path, err)
	}
	return nil
}

// onlyReader and onlyWriter hide the shortcuts of io.Copy, which read in small
// pieces.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
