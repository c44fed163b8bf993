// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// counters is what meta keeps besides the format: the numbers that were given
// out and the last instant that was committed.
type counters struct {
	ID      uint64
	Subject uint32
	Now     int64
}

const countersLen = 8 + 4 + 8

func (c counters) bytes() []byte {
	b := make([]byte, 0, countersLen)
	b = binary.BigEndian.AppendUint64(b, c.ID)
	b = binary.BigEndian.AppendUint32(b, c.Subject)
	return binary.BigEndian.AppendUint64(b, uint64(c.Now)) //nolint:gosec // written and read back as bits
}

func parseCounters(b []byte) (counters, error) {
	if len(b) < countersLen {
		return counters{}, fmt.Errorf("%w: the counters in meta are too short", ErrDamaged)
	}
	return counters{
		ID:      binary.BigEndian.Uint64(b),
		Subject: binary.BigEndian.Uint32(b[8:]),
		Now:     int64(binary.BigEndian.Uint64(b[12:])), //nolint:gosec // written and read back as bits
	}, nil
}

// begin starts the transaction of a batch.
func (tx *Tx) begin(b *bolt.Tx, number uint64) {
	tx.b, tx.snap = b, number
	tx.w.touched = false
	tx.w.rec.begin(len(tx.db.taps) > 0)
	tx.w.rec.know(b.Bucket(metaBin.name), metaBin.name, nil)
	tx.w.after, tx.w.fire = tx.w.after[:0], tx.w.fire[:0]
}

// mark starts an operation: what it does can be taken back to here.
func (tx *Tx) mark() {
	tx.now = tx.db.instant(tx.now)
	tx.w.changes, tx.w.dropping = tx.w.changes[:0], false
	tx.w.rec.mark()
	tx.w.opAfter, tx.w.opFire = len(tx.w.after), len(tx.w.fire)
	for _, r := range tx.db.rows {
		r.mark()
	}
}

// keep notes that the operation that just succeeded has something to commit.
func (tx *Tx) keep() {
	if len(tx.w.changes) > 0 || tx.db.counters.ID != tx.db.saved.ID || tx.db.counters.Subject != tx.db.saved.Subject {
		tx.w.touched = true
	}
}

// takeBack undoes the operation that just failed.
func (tx *Tx) takeBack() error {
	clear(tx.w.after[tx.w.opAfter:])
	tx.w.after, tx.w.fire = tx.w.after[:tx.w.opAfter], tx.w.fire[:tx.w.opFire]
	for _, r := range tx.db.rows {
		r.undo()
	}
	if tx.w.dropping {
		return errDropped
	}
	tx.w.rec.undo()
	return tx.undo()
}

// changed tells whether there is anything to commit.
func (tx *Tx) changed() bool {
	if tx.w.touched || len(tx.w.after) > 0 {
		return true
	}
	for _, r := range tx.db.rows {
		if r.dirty() {
			return true
		}
	}
	return false
}

// finish seals the rows that changed, once each, and writes the counters.
func (tx *Tx) finish() error {
	for _, r := range tx.db.rows {
		if err := r.finish(tx); err != nil {
			return err
		}
	}
	meta, err := tx.bucket(&metaBin)
	if err != nil {
		return err
	}
	tx.db.counters.Now = tx.now.UnixNano()
	tx.db.saved = tx.db.counters
	return tx.set(meta, []byte(countersKey), tx.db.counters.bytes())
}

var metaBin = reservedBin(metaBucket)

// end forgets the batch; bbolt no longer holds on to its memory.
func (tx *Tx) end() {
	tx.b = nil
	clear(tx.w.changes)
	clear(tx.w.after)
	clear(tx.w.fire)
	tx.w.changes = tx.w.changes[:0]
	tx.w.arena.reset()
}

// instant is the clock, held back by nothing but what was committed before.
func (db *DB) instant(last time.Time) time.Time {
	now := db.now().UTC()
	if last.Before(time.Unix(0, db.lastNow.Load())) {
		last = time.Unix(0, db.lastNow.Load()).UTC()
	}
	if now.Before(last) {
		return last
	}
	return now.Round(0) // without the monotonic reading: it must survive a restart
}

func (db *DB) stageRows(id uint64) {
	for _, r := range db.rows {
		r.stage(id)
	}
}

func (db *DB) publishRows(id uint64) {
	oldest := db.readers.oldest(id)
	for _, r := range db.rows {
		r.publish(oldest)
	}
}

func (db *DB) discardRows() {
	for _, r := range db.rows {
		r.discard()
	}
}
