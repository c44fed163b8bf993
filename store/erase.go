// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
)

// Erase destroys the key of a subject, and with it everything that was ever
// sealed about it, in this store and in every copy of data.db and blobs; then it
// removes the records, jobs, rows and attachments themselves.
//
// The intent is durable before the key is destroyed, and the key is destroyed
// before anything is removed: a crash or an error in between delays the rest
// until the next start or the next call, and undoes nothing. Once it returns nil
// all of it is done. What holds only numbers and hashes (Lookup, Ordered, Log)
// is the caller's to remove beforehand.
func (db *DB) Erase(ctx context.Context, s Subject) error {
	if s == Nobody {
		return errors.New("store: nobody cannot be erased")
	}
	db.erasing.Lock()
	defer db.erasing.Unlock()
	e, err := db.intend(ctx, s)
	if err != nil || e == nil {
		return err
	}
	return db.carryOut(ctx, e)
}

// intend writes the intent into the ledger, or finds one that was cut short;
// nil when the subject was erased before.
func (db *DB) intend(ctx context.Context, s Subject) (*ledgerEntry, error) {
	var e *ledgerEntry
	err := db.Update(ctx, func(tx *Tx) error {
		open, err := unfinished(tx)
		if err != nil {
			return err
		}
		for i := range open {
			if open[i].Kind == ledgerSubject && open[i].Number == uint64(s) {
				e = &open[i]
				return nil
			}
		}
		if !db.keys.alive(s) {
			return nil
		}
		e = &ledgerEntry{Kind: ledgerSubject, Number: uint64(s)}
		return e.write(tx)
	})
	return e, err
}

// carryOut does what an entry of the ledger says; every step can be repeated.
func (db *DB) carryOut(ctx context.Context, e *ledgerEntry) error {
	if e.Kind != ledgerSubject {
		return fmt.Errorf("%w: the ledger asks for a destruction of kind %d", ErrNewer, e.Kind)
	}
	s := Subject(e.Number) //nolint:gosec // written from a Subject
	if err := db.destroyKey(s); err != nil {
		return err
	}
	if err := db.removeRecords(ctx, s); err != nil {
		return err
	}
	return db.Update(ctx, func(tx *Tx) error {
		e.Done, e.Gen = tx.now.Unix(), db.currentRing().Gen
		return e.write(tx)
	})
}

// destroyKey punctures the tree of subjects, on disk and then in RAM.
func (db *DB) destroyKey(s Subject) error {
	return db.puncture(func(t trees) bool { return t.subjects.puncture(uint64(s)) })
}

// removeRecords removes what is about s from every table, a part at a time so
// that other writers are not held up.
func (db *DB) removeRecords(ctx context.Context, s Subject) error {
	erasers, _ := declared.all()
	for _, t := range append(erasers, blobEraser{}) {
		for after := []byte(nil); ; {
			var found []found
			err := db.View(ctx, func(tx *Tx) (err error) {
				found, after, err = t.find(tx, s, after)
				return err
			})
			if err != nil {
				return err
			}
			if len(found) > 0 {
				if err := db.Update(ctx, func(tx *Tx) error { return dropAll(tx, t, s, found) }); err != nil {
					return err
				}
			}
			if after == nil {
				break
			}
		}
	}
	return nil
}

func dropAll(tx *Tx, t eraser, s Subject, all []found) error {
	for _, f := range all {
		b, err := f.bucket(tx)
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		if about, ok := subjectOf(b.Get(f.key)); !ok || about != s {
			continue
		}
		if err := t.drop(tx, f); err != nil {
			return err
		}
	}
	return nil
}

// resume does what an earlier run left unfinished.
func (db *DB) resume(ctx context.Context) {
	if err := db.resumeErasing(ctx); err != nil && ctx.Err() == nil {
		db.log.Error("an erasure that was cut short could not be completed; it is tried again at the next start", "error", err)
	}
	if err := db.removeOrphans(ctx); err != nil && ctx.Err() == nil {
		db.log.Warn("looking for attachments that nothing refers to", "error", err)
	}
}

func (db *DB) resumeErasing(ctx context.Context) error {
	db.erasing.Lock()
	defer db.erasing.Unlock()
	var open []ledgerEntry
	err := db.View(ctx, func(tx *Tx) (err error) {
		open, err = unfinished(tx)
		return err
	})
	for i := range open {
		err = errors.Join(err, db.carryOut(ctx, &open[i]))
	}
	return err
}
