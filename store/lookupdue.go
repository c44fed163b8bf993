// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// wantLookupRotation asks for a new key of identifiers soon: what was erased may
// have left hashes in pages that are free now.
func (db *DB) wantLookupRotation() {
	db.rotation.wanted.Store(true)
	select {
	case db.rotation.soon <- struct{}{}:
	default:
	}
}

// wantAfter asks for it when somebody was erased.
func (db *DB) wantAfter(done []*ledgerEntry) {
	for _, e := range done {
		if e.Kind == ledgerSubject {
			db.wantLookupRotation()
			return
		}
	}
}

// lookupDue tells whether somebody was erased since the key of identifiers was
// made, or the key is old, or a rotation was cut short.
func (db *DB) lookupDue(ctx context.Context) bool {
	body := db.currentRing()
	if body.NextGen != 0 || db.now().Unix()-body.LookupAt > int64(lookupAge.Seconds()) {
		return true
	}
	erased := uint64(0)
	err := db.View(ctx, func(tx *Tx) (err error) {
		erased, err = lastErasure(tx)
		return err
	})
	return err == nil && erased > body.LookupRing
}

// lastErasure is the generation of the keyring without the subject that was
// erased last; 0 when none was.
func lastErasure(tx *Tx) (gen uint64, err error) {
	b, err := tx.bucket(&ledger)
	if b == nil || err != nil {
		return 0, err
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var e ledgerEntry
		if err := decoding.Unmarshal(v, &e); err != nil {
			return 0, fmt.Errorf("%w: an entry of the ledger cannot be read", ErrDamaged)
		}
		if e.Kind == ledgerSubject {
			gen = max(gen, e.Gen)
		}
	}
	return gen, nil
}

// rotateLoop changes the key of identifiers when it is wanted or due.
func (db *DB) rotateLoop(ctx context.Context) {
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	if db.lookupDue(ctx) {
		db.wantLookupRotation()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-day.C:
			db.forgetLookups()
			if !db.lookupDue(ctx) {
				continue
			}
		case <-db.rotation.soon:
		}
		if !db.hasIdentifiers(ctx) {
			db.rotation.wanted.Store(false)
			continue
		}
		began := time.Now()
		if err := db.rotateLookups(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
			db.log.Warn("the key of identifiers was not changed; the next erasure or the next day tries again", "error", err)
		}
		select { // erasures one after the other share a rotation
		case <-ctx.Done():
			return
		case <-time.After(rotationPause * time.Since(began)):
		}
	}
}

// hasIdentifiers tells whether there is anything under the key.
func (db *DB) hasIdentifiers(ctx context.Context) (some bool) {
	err := db.View(ctx, func(tx *Tx) error {
		for _, l := range declared.allLookups() {
			empty, err := l.isEmpty(tx)
			if err != nil {
				return err
			}
			some = some || !empty
		}
		return nil
	})
	return some && err == nil
}
