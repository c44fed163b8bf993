// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Destroyed tells what a destruction took away, in numbers.
type Destroyed struct {
	Entry    uint64    // its number in the ledger
	Subjects []Subject // who was erased; nil for days
	Days     DayKey    // else: all days of the class below this one
	At       time.Time // when it was complete
	// A generation of the keyring that had the keys, the last one unless a crash came
	// between, and one that has them no more.
	Before, After uint64
	Removed       map[string]int // records by table, and "attachments"
}

// Nothing tells that there was nothing to destroy.
func (d *Destroyed) Nothing() bool { return d.Entry == 0 }

// Erase destroys the keys of subjects, and with them everything that was ever
// sealed about them, in this store and in every copy of data.db and blobs; then
// it removes the records, jobs, rows and attachments themselves.
//
// The intent is durable before the keys are destroyed, all at once, and they are
// destroyed before anything is removed: a crash or an error in between delays the
// rest until the next start or the next call, and undoes nothing. Once it returns
// nil all of it is done. What holds only numbers and hashes (Lookup, Ordered, Log)
// is the caller's to remove beforehand.
func (db *DB) Erase(ctx context.Context, all ...Subject) error {
	_, err := db.EraseSubjects(ctx, all...)
	return err
}

// EraseSubjects is Erase, and tells what it did. For subjects that were erased
// before it tells what was done then.
func (db *DB) EraseSubjects(ctx context.Context, all ...Subject) (Destroyed, error) {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	if len(all) == 0 || all[0] == Nobody {
		return Destroyed{}, errNobody
	}
	ctx = Freeing(ctx)
	defer db.throwAway(ctx)
	db.erasing.Lock()
	defer db.erasing.Unlock()
	wanted := make([]ledgerEntry, len(all))
	for i, s := range all {
		wanted[i] = ledgerEntry{Kind: ledgerSubject, Number: uint64(s)}
	}
	entries, err := db.intend(ctx, wanted, db.isAlive)
	if err != nil {
		return Destroyed{}, err
	}
	return db.carryOut(ctx, entries)
}

// IntendErasure writes the intent to erase subjects in the transaction of what
// belongs to it: from then on the erasure is completed, by EraseSubjects or at the
// next start.
func (tx *Tx) IntendErasure(all ...Subject) error {
	if tx.w == nil {
		return errReadOnly
	}
	wanted := make([]ledgerEntry, len(all))
	for i, s := range all {
		if s == Nobody {
			return errNobody
		}
		wanted[i] = ledgerEntry{Kind: ledgerSubject, Number: uint64(s)}
	}
	_, err := intendIn(tx, wanted, tx.db.isAlive)
	return err
}

var errNobody = errors.New("store: nobody cannot be erased")

func (db *DB) isAlive(e *ledgerEntry) bool { return db.keys.alive(e.subject()) }

// intend writes intents into the ledger, or finds them there. What needs none,
// and is in no ledger either, is left out.
func (db *DB) intend(ctx context.Context, wanted []ledgerEntry, needed func(*ledgerEntry) bool) (entries []*ledgerEntry, err error) {
	err = db.Update(ctx, func(tx *Tx) error {
		entries, err = intendIn(tx, wanted, needed)
		return err
	})
	return entries, err
}

func intendIn(tx *Tx, wanted []ledgerEntry, needed func(*ledgerEntry) bool) (entries []*ledgerEntry, err error) {
	known, err := newest(tx, wanted)
	if err != nil {
		return nil, err
	}
	for i := range wanted {
		e := known[i]
		if e == nil || (e.Done != 0 && needed(e)) {
			if !needed(&wanted[i]) {
				continue
			}
			e = &wanted[i]
			if err := e.write(tx); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// newest finds the newest entry for each of those that are wanted.
func newest(tx *Tx, wanted []ledgerEntry) ([]*ledgerEntry, error) {
	known := make([]*ledgerEntry, len(wanted))
	err := eachEntry(tx, func(e *ledgerEntry) error {
		for i := range wanted {
			if wanted[i].same(e) {
				known[i] = e
			}
		}
		return nil
	})
	return known, err
}

// carryOut does what entries of the ledger say; every step can be repeated.
//
//	1  indexes write what they hold anew, without what is destroyed
//	2  ONE commit of the keyring destroys the keys, those of replaced segments too
//	3  records are removed, dropped partitions go to the trash
//	4  indexes drop what was replaced; the ledger says that it is done
func (db *DB) carryOut(ctx context.Context, entries []*ledgerEntry) (Destroyed, error) {
	open := slices.DeleteFunc(slices.Clone(entries), func(e *ledgerEntry) bool { return e.Done != 0 })
	if len(open) > 0 {
		if err := db.destroy(ctx, open); err != nil {
			return Destroyed{}, err
		}
	}
	return destroyed(entries), nil
}

func (db *DB) destroy(ctx context.Context, open []*ledgerEntry) error {
	defer db.CompactSoon()
	for _, e := range open {
		if e.Kind != ledgerSubject && e.Kind != ledgerDays {
			return fmt.Errorf("%w: the ledger asks for a destruction of kind %d", ErrNewer, e.Kind)
		}
	}
	before, replaced, err := db.destroyKeys(ctx, open)
	if err != nil {
		return err
	}
	after := db.currentRing().Gen
	removed, err := db.removeAll(ctx, open)
	if err != nil {
		return err
	}
	if err := dropReplaced(ctx, db, replaced); err != nil {
		return err
	}
	err = db.Update(ctx, func(tx *Tx) error {
		for i, e := range open {
			e.Done, e.Gen = tx.now.Unix(), after
			if before < after {
				e.GenWas = before // else an earlier run destroyed the keys
			}
			if i == 0 {
				e.countRemoved(removed)
			}
			if err := e.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	db.wantAfter(open)
	return nil
}

// destroyed sums entries up that are done.
func destroyed(entries []*ledgerEntry) (d Destroyed) {
	for _, e := range entries {
		if d.Entry == 0 {
			d.Entry, d.Before, d.Removed = e.n, e.GenWas, e.removed()
		}
		if e.Kind == ledgerSubject {
			d.Subjects = append(d.Subjects, e.subject())
		} else {
			d.Days = e.until()
		}
		d.After = max(d.After, e.Gen)
		if at := time.Unix(e.Done, 0).UTC(); at.After(d.At) {
			d.At = at
		}
	}
	return d
}

// destroyKeys destroys the keys that entries name and those of the segments that
// indexes replaced. What an index took in between its own step and the commit of
// the keyring is taken out in a second round: after the first commit nothing more
// can be read that could come into it.
func (db *DB) destroyKeys(ctx context.Context, open []*ledgerEntry) (before uint64, replaced replacedBy, err error) {
	replaced = replacedBy{}
	for round := range 2 {
		fresh, err := forgetAll(ctx, db, goneOf(open), replaced)
		if err != nil || (round > 0 && fresh == 0) {
			return before, replaced, err
		}
		if round == 0 {
			before = db.currentRing().Gen
		}
		err = db.puncture(func(t trees) (changed bool) {
			for _, e := range open {
				changed = e.puncture(t) || changed
			}
			return replaced.puncture(t) || changed
		})
		if err != nil {
			return before, replaced, err
		}
	}
	return before, replaced, nil
}

// goneOf tells of a record whether one of the entries destroys it.
func goneOf(open []*ledgerEntry) func(Subject, DayKey) bool {
	subjects, until := map[Subject]bool{}, map[Class]Day{}
	for _, e := range open {
		if e.Kind == ledgerSubject {
			subjects[e.subject()] = true
			continue
		}
		k := e.until()
		until[k.Class] = max(until[k.Class], k.Day)
	}
	return func(s Subject, k DayKey) bool { return subjects[s] || k.Day < until[k.Class] }
}

// replacedBy are the segments that each index replaced.
type replacedBy map[index][]uint32

func (r replacedBy) puncture(t trees) (changed bool) {
	for _, segments := range r {
		for _, n := range segments {
			changed = t.segments.puncture(uint64(n)) || changed
		}
	}
	return changed
}

// forgetAll lets every index forget, and counts segments that are newly replaced.
func forgetAll(ctx context.Context, db *DB, gone func(Subject, DayKey) bool, replaced replacedBy) (fresh int, err error) {
	for _, i := range declared.allIndexes() {
		segments, err := i.forget(ctx, db, gone)
		if err != nil {
			return fresh, err
		}
		for _, n := range segments {
			if !slices.Contains(replaced[i], n) {
				replaced[i] = append(replaced[i], n)
				fresh++
			}
		}
	}
	return fresh, nil
}

func dropReplaced(ctx context.Context, db *DB, replaced replacedBy) error {
	for i, segments := range replaced {
		if err := i.drop(ctx, db, segments); err != nil {
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
	ctx = Freeing(ctx)
	db.erasing.Lock()
	defer db.erasing.Unlock()
	return errors.Join(db.resumeOpen(ctx), db.emptyTrash(ctx))
}

// throwAway gives the pages of what was dropped back. That is no part of the
// destruction any more: what an error leaves behind goes with the next one.
func (db *DB) throwAway(ctx context.Context) {
	if err := db.emptyTrash(ctx); err != nil && ctx.Err() == nil {
		db.log.Warn("the pages of what was destroyed could not all be given back yet", "error", err)
	}
}

// resumeOpen carries out what the ledger says is not done.
func (db *DB) resumeOpen(ctx context.Context) error {
	var open []*ledgerEntry
	err := db.View(ctx, func(tx *Tx) (err error) {
		open, err = unfinished(tx)
		return err
	})
	if err != nil || len(open) == 0 {
		return err
	}
	if _, err = db.carryOut(ctx, open); err != nil {
		return err
	}
	return db.certifyAll(ctx, open)
}

// certifyAll certifies what an earlier run began and this one completed: those who
// asked for it are not there to do so.
func (db *DB) certifyAll(ctx context.Context, entries []*ledgerEntry) error {
	var subjects []*ledgerEntry
	parts := [][]*ledgerEntry{}
	for _, e := range entries {
		if e.Kind == ledgerSubject {
			subjects = append(subjects, e)
		} else {
			parts = append(parts, []*ledgerEntry{e})
		}
	}
	if len(subjects) > 0 {
		parts = append(parts, subjects)
	}
	for _, part := range parts {
		if _, _, err := db.Certify(ctx, destroyed(part), ""); err != nil {
			return err
		}
	}
	return nil
}
