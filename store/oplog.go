// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
)

// The op log is what standbys follow: every commit and every change of the
// keyring, in segments
//
//	oplog/<16 hex>.age   an age file to the standbys: segmentHead, then logRecords
//	oplog/state          left by a clean stop: where the chain goes on
//
// Each segment names the SHA-256 of the file before it. A chain begins with a
// copy of the store, taken between two commits; after a crash, which may have
// lost the last segment, a new chain begins. Nothing is written while nobody
// follows.
const (
	oplogDir      = "oplog"
	oplogState    = "state"
	segmentEvery  = 200 * time.Millisecond
	segmentSize   = 1 << 20
	maxOplogBytes = 2 << 30 // a standby that is further behind starts from a copy
	oplogFormat   = 1
)

// chainID names a chain of segments.
type chainID [16]byte

// segmentHead begins every segment.
type segmentHead struct {
	Format int      `cbor:"1,keyasint"`
	Chain  chainID  `cbor:"2,keyasint"`
	Number uint64   `cbor:"3,keyasint"`
	Prev   [32]byte `cbor:"4,keyasint"`
	Epoch  uint64   `cbor:"5,keyasint"`
}

// logRecord is a commit or a change of the keyring.
type logRecord struct {
	Commit *wireCommit `cbor:"1,keyasint,omitempty"`
	Ring   *ringRecord `cbor:"2,keyasint,omitempty"`
}

// ringRecord is a generation of the keyring: the places that changed in its
// trees, and the body without trees and recipients.
type ringRecord struct {
	Trees [3]coverDiff `cbor:"1,keyasint"`
	Body  ringBody     `cbor:"2,keyasint"`
}

// chainState is where a chain goes on after a clean stop.
type chainState struct {
	Chain    chainID  `cbor:"1,keyasint"`
	Next     uint64   `cbor:"2,keyasint"`
	Prev     [32]byte `cbor:"3,keyasint"`
	Counters []byte   `cbor:"4,keyasint"`
	Ring     uint64   `cbor:"5,keyasint"`
	Oldest   uint64   `cbor:"6,keyasint"`
}

// oplog writes the segments.
type oplog struct {
	db  *DB
	dir string

	sealing sync.Mutex // held to write a segment
	mu      sync.Mutex
	on      bool
	tap     *tap
	buf     []byte
	spare   []byte // memory for the next buf
	busy    bool   // a segment is being written
	wirer   wirer
	at      chainState
	epoch   uint64
	to      []age.Recipient
	trees   trees // as of the last change that was written down
	sizes   map[uint64]int64
	bytes   int64

	cut   signal        // fired when a segment was written
	dirty chan struct{} // there is something to write
	large chan struct{} // there is a segment's worth of it
}

func newOplog(db *DB) *oplog {
	return &oplog{
		db: db, dir: db.path(oplogDir), sizes: map[uint64]int64{},
		dirty: make(chan struct{}, 1), large: make(chan struct{}, 1),
	}
}

// begin starts a chain, or goes on with the one that a clean stop left. It runs
// when no transaction is open.
func (o *oplog) begin(to []age.Recipient, epoch uint64) error {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return filing("making", o.dir, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to, o.epoch = to, epoch
	if o.on {
		return nil
	}
	o.trees = o.db.keys.snapshot()
	if err := o.resume(); err != nil {
		return err
	}
	o.on = true
	o.tap = &tap{o.add}
	o.db.taps = append(o.db.taps, o.tap)
	return nil
}

// stop ends the chain: nobody follows any more.
func (o *oplog) stop() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on {
		return nil
	}
	o.on = false
	o.db.taps = slices.DeleteFunc(o.db.taps, func(t *tap) bool { return t == o.tap })
	return o.restart()
}

// resume takes up the chain of a clean stop.
func (o *oplog) resume() error {
	path := filepath.Join(o.dir, oplogState)
	b, err := os.ReadFile(path)
	if err == nil {
		err = errors.Join(os.Remove(path), syncDir(o.dir))
	}
	var st chainState
	if err != nil || decoding.Unmarshal(b, &st) != nil ||
		!bytes.Equal(st.Counters, o.db.saved.bytes()) || st.Ring != o.db.currentRing().Gen {
		return errors.Join(ignoreMissing(err), o.restart())
	}
	o.at, o.sizes, o.bytes = st, map[uint64]int64{}, 0
	for n := st.Oldest; n < st.Next; n++ {
		size := sizeOf(o.path(n))
		o.sizes[n] = size
		o.bytes += size
	}
	return nil
}

// restart begins a new chain: whoever follows needs a copy first.
func (o *oplog) restart() error {
	entries, err := os.ReadDir(o.dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".age") {
			err = errors.Join(err, ignoreMissing(os.Remove(filepath.Join(o.dir, e.Name()))))
		}
	}
	o.buf, o.spare, o.sizes, o.bytes = nil, nil, map[uint64]int64{}, 0
	o.at = chainState{Next: 1, Oldest: 1}
	_, _ = rand.Read(o.at.Chain[:])
	if err != nil {
		return filing("emptying", o.dir, err)
	}
	return nil
}

func (o *oplog) path(n uint64) string { return filepath.Join(o.dir, fmt.Sprintf("%016x.age", n)) }

// add runs in the committer.
func (o *oplog) add(c *committed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write(&logRecord{Commit: o.wirer.wire(c)})
}

// ringChanged is called after every change of the keyring.
func (o *oplog) ringChanged(uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on {
		return
	}
	now, body := o.db.keys.snapshot(), *o.db.currentRing()
	body.Subjects, body.Days, body.Segments, body.Recipients, body.Notes = nil, nil, nil, nil, nil
	r := ringRecord{Body: body, Trees: [3]coverDiff{
		diffCovers(o.trees.subjects, now.subjects), diffCovers(o.trees.days, now.days), diffCovers(o.trees.segments, now.segments),
	}}
	o.trees = now
	o.write(&logRecord{Ring: &r})
}

// write needs the lock.
func (o *oplog) write(r *logRecord) {
	b, err := encoding.Marshal(r)
	if err != nil {
		o.lost(err)
		return
	}
	o.buf = append(o.buf, b...)
	nudge(o.dirty)
	if len(o.buf) >= segmentSize {
		nudge(o.large)
	}
}

func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// lost gives the chain up: what cannot be written down would be missing.
func (o *oplog) lost(err error) {
	o.db.log.Error("the op log begins anew; standbys start from a copy", "error", err)
	if err := o.restart(); err != nil {
		o.db.log.Error("the op log could not be emptied", "error", err)
	}
	o.cut.fire()
}

// seal writes what was collected as the next segment. Commits go on meanwhile.
func (o *oplog) seal() {
	o.sealing.Lock()
	defer o.sealing.Unlock()
	o.mu.Lock()
	head := segmentHead{oplogFormat, o.at.Chain, o.at.Next, o.at.Prev, o.epoch}
	records, to, on := o.buf, o.to, o.on
	o.buf, o.spare = o.spare[:0], nil
	o.busy = len(records) > 0
	o.mu.Unlock()
	if !on || len(records) == 0 {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.busy = false
		return
	}
	sealed, err := sealSegment(&head, records, to)
	if err == nil {
		err = os.WriteFile(o.path(head.Number), sealed, 0o600)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spare, o.busy = records, false
	if o.at.Chain != head.Chain {
		return // given up meanwhile
	}
	if err != nil {
		o.lost(err)
		return
	}
	o.at.Next, o.at.Prev = head.Number+1, sha256.Sum256(sealed)
	o.sizes[head.Number] = int64(len(sealed))
	o.bytes += int64(len(sealed))
	for o.bytes > maxOplogBytes && o.at.Oldest < head.Number {
		o.forget(o.at.Oldest + 1)
	}
	o.cut.fire()
}

func sealSegment(head *segmentHead, records []byte, to []age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, err
	}
	b, err := encoding.Marshal(head)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if _, err := w.Write(records); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// forget removes the segments below one. It needs the lock.
func (o *oplog) forget(below uint64) {
	for ; o.at.Oldest < min(below, o.at.Next); o.at.Oldest++ {
		if err := ignoreMissing(os.Remove(o.path(o.at.Oldest))); err != nil {
			o.db.log.Warn("a segment of the op log stays behind", "error", err)
		}
		o.bytes -= o.sizes[o.at.Oldest]
		delete(o.sizes, o.at.Oldest)
	}
}

// run seals what was collected, some times a second.
func (o *oplog) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.dirty:
		}
		wait := time.NewTimer(segmentEvery)
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-o.large:
		}
		wait.Stop()
		o.seal()
	}
}

// end notes where the chain goes on, once the committer has stopped.
func (o *oplog) end() error {
	o.seal()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on {
		return nil
	}
	o.on = false
	o.at.Counters, o.at.Ring = o.db.saved.bytes(), o.db.currentRing().Gen
	b, err := encoding.Marshal(&o.at)
	if err != nil {
		return err
	}
	return errors.Join(writeFile(filepath.Join(o.dir, oplogState), b), syncDir(o.dir))
}

// readSegment opens a segment and hands its records to fn, in order.
func readSegment(sealed io.Reader, id age.Identity, fn func(*segmentHead, *logRecord) error) (head segmentHead, err error) {
	r, err := age.Decrypt(sealed, id)
	if err != nil {
		return head, fmt.Errorf("%w: a segment of the op log does not open", ErrWrongKey)
	}
	d := decoding.NewDecoder(r)
	if err := d.Decode(&head); err != nil {
		return head, fmt.Errorf("%w: a segment of the op log: %w", ErrDamaged, err)
	}
	if head.Format > oplogFormat {
		return head, fmt.Errorf("%w: the op log has format %d; install the same kith on both servers", ErrNewer, head.Format)
	}
	for {
		var one logRecord
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return head, nil
		case err != nil:
			return head, fmt.Errorf("%w: a segment of the op log: %w", ErrDamaged, err)
		}
		if err := fn(&head, &one); err != nil {
			return head, err
		}
	}
}
