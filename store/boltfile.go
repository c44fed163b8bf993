// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"sync"

	bolt "go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

// boltFile is data.db, open. A compaction puts another file in its place while
// everybody goes on: views that have begun keep the old one until they end.
type boltFile struct {
	mu  sync.RWMutex
	cur *oneFile
}

// oneFile is one file of bbolt. The numbers of its own transactions start anew
// with every file, those of the store only grow: base is between the two.
type oneFile struct {
	*bolt.DB
	base  uint64
	views sync.WaitGroup
}

func newBoltFile(b *bolt.DB) *boltFile { return &boltFile{cur: &oneFile{DB: b}} }

// number is that of the commit that a transaction sees, or makes.
func (f *oneFile) number(b *bolt.Tx) uint64 { return txID(b) + f.base }

// now is the file in use. Only the committer, or who runs between two commits,
// may rely on it for longer than a moment.
func (f *boltFile) now() *oneFile {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.cur
}

// begin starts a view; the caller rolls it back and then calls Done on views of
// the file that it came from.
func (f *boltFile) begin() (*bolt.Tx, *oneFile, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	b, err := f.cur.Begin(false)
	if err != nil {
		return nil, nil, err
	}
	f.cur.views.Add(1)
	return b, f.cur, nil
}

// View runs fn on what was committed last.
func (f *boltFile) View(fn func(*bolt.Tx) error) error {
	b, of, err := f.begin()
	if err != nil {
		return err
	}
	defer of.views.Done()
	defer func() { _ = b.Rollback() }()
	return fn(b)
}

// Close closes the file in use once its views have ended.
func (f *boltFile) Close() error { return f.now().Close() }

// swap puts another file in place, which holds the same; between two commits
// only. The old one is closed when nobody looks at it any more.
func (f *boltFile) swap(next *bolt.DB) (old *oneFile, err error) {
	before, err := f.now().Begin(false)
	if err != nil {
		return nil, err
	}
	after, err := next.Begin(false)
	if err != nil {
		return nil, errors.Join(err, before.Rollback())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old = f.cur
	f.cur = &oneFile{DB: next, base: old.number(before) - txID(after)}
	return old, errors.Join(before.Rollback(), after.Rollback())
}

// heldView is a view that is ended by whoever holds it.
type heldView struct {
	tx *bolt.Tx
	of *oneFile
}

// hold begins a view for longer than one call of a function.
func (f *boltFile) hold() (*heldView, error) {
	b, of, err := f.begin()
	if err != nil {
		return nil, err
	}
	return &heldView{b, of}, nil
}

func (v *heldView) end() error {
	defer v.of.views.Done()
	return ignoreClosed(v.tx.Rollback())
}

// ignoreClosed is for transactions that may have ended already.
func ignoreClosed(err error) error {
	if errors.Is(err, bberrors.ErrTxClosed) {
		return nil
	}
	return err
}
