// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// Damage is a record that cannot be read, and nothing but that record.
type Damage struct {
	Table  string `json:"table"`
	Key    string `json:"key"` // in hex; numbers and hashes only
	Reason string `json:"reason"`
}

// damages are the damaged records that were met since the start. Iterations pass
// them over; what a write would replace is put aside first.
type damages struct {
	mu    sync.Mutex
	count atomic.Int64
	all   map[string]Damage // by place
}

// maxDamages bounds the list; what lies beyond is as damaged but not listed.
const maxDamages = 10_000

// aside keeps what a damaged record held when something else took its place: the
// place is the key. Some day somebody may get something out of it.
var aside = declareAside()

const damagedBucket = "damaged"

func declareAside() *bin {
	b := newBin(damagedBucket, 0)
	declared.addEraser(asideEraser{&b})
	return &b
}

// asideEraser finds what was put aside about a subject.
type asideEraser struct{ *bin }

func (e asideEraser) find(tx *Tx, s subjectSet, after []byte) ([]found, []byte, error) {
	return e.searchFlat(tx, s, after)
}

func (asideEraser) drop(tx *Tx, f found) error { return f.remove(tx) }

// Damaged lists the damaged records that were met so far, in the order of their
// tables and keys: those that the start reads, and those that somebody asked for
// or Verify looked at.
func (db *DB) Damaged() []Damage {
	db.damage.mu.Lock()
	defer db.damage.mu.Unlock()
	list := make([]Damage, 0, len(db.damage.all))
	for _, d := range db.damage.all {
		list = append(list, d)
	}
	sortDamages(list)
	return list
}

func sortDamages(list []Damage) {
	slices.SortFunc(list, func(a, b Damage) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Key, b.Key))
	})
}

// Why a record cannot be read.
const (
	reasonSeal   = "its seal does not open"
	reasonDecode = "it opens but cannot be decoded"
)

// damaged notes a record that cannot be read, and says so in the log once.
func (db *DB) damaged(where []byte, reason string) {
	d, fresh := db.damage.note(where, reason)
	if fresh {
		db.log.Error("a record is damaged and left out; the rest goes on", "table", d.Table, "key", d.Key, "reason", d.Reason)
	}
}

func (all *damages) note(where []byte, reason string) (d Damage, fresh bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if d, ok := all.all[string(where)]; ok || len(all.all) >= maxDamages {
		return d, false
	}
	d = damageAt(where, reason)
	if all.all == nil {
		all.all = map[string]Damage{}
	}
	all.all[string(where)] = d
	all.count.Store(int64(len(all.all)))
	return d, true
}

func damageAt(where []byte, reason string) Damage {
	name, key, _ := bytes.Cut(where, []byte{0})
	return Damage{string(name), hex.EncodeToString(key), reason}
}

func (all *damages) has(where []byte) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	_, ok := all.all[string(where)]
	return ok
}

func (all *damages) forget(where string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.all, where)
	all.count.Store(int64(len(all.all)))
}

// putAside copies a damaged value before a write takes its place; where is that
// of the value. It costs nothing while no damage is known.
func (tx *Tx) putAside(b *bolt.Bucket, key []byte) error {
	if tx.db.damage.count.Load() == 0 || !bytes.HasSuffix(tx.where, key) || !tx.db.damage.has(tx.where) {
		return nil
	}
	place := string(tx.where)
	if old := b.Get(key); old != nil {
		in, err := tx.bucket(aside)
		if err != nil {
			return err
		}
		if err := tx.set(in, tx.w.arena.copy(tx.where), old); err != nil {
			return fmt.Errorf("putting a damaged record aside: %w", err)
		}
	}
	db := tx.db
	tx.afterCommit(func() { db.damage.forget(place) })
	return nil
}

// passedOver tells whether an iteration goes on after a record: its key was
// destroyed, or it is damaged, which openValue has noted.
func passedOver(err error) bool { return isErased(err) || errors.Is(err, ErrDamaged) }

// unreadable turns what the file below does to a reader into an error: pages that
// make no sense panic in bbolt, those that the disk does not give back fault. What
// the caller's own function panics with is none of that.
func (db *DB) unreadable(p any) error {
	if _, fault := p.(interface{ Addr() uintptr }); !fault && !strings.HasPrefix(panicPlace(), "go.etcd.io/bbolt") {
		return nil
	}
	err := fmt.Errorf("%w: a part of %s cannot be read; stop kith and restore it from a backup", ErrDamaged, db.path(dataFile))
	if _, fresh := db.damage.note([]byte(dataFile+"\x00"), "a page cannot be read"); fresh {
		db.log.Error("the store is damaged", "error", err)
	}
	return err
}
