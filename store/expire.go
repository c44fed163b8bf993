// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrUnconfirmed says that an expiry waits for a person: the clock is not to be
// trusted, or more would go at once than a night accounts for.
var ErrUnconfirmed = errors.New("an expiry waits to be confirmed")

// MaxUnconfirmed is how many days that hold something go at once unasked.
const MaxUnconfirmed = 7

// Expiry says what is to expire: all days of a class below one.
type Expiry struct {
	Class  Class
	Before Day
	// Held tells whose records are kept by order, nil for nobody's. They go into
	// class Hold first and are found there under the place they had.
	Held func(Subject) bool
	// Confirmed says that a person looked at what goes and at the date.
	Confirmed bool
}

// Due is what an expiry would destroy, to the record.
type Due struct {
	Days        []Day          // that hold something
	Records     map[string]int // by table
	Attachments int
	People      int // whom records are about
	Held        int // records that are kept by order
}

// Nothing tells that no day holds anything.
func (d *Due) Nothing() bool { return len(d.Days) == 0 }

// Due looks at what Expire would destroy.
func (db *DB) Due(ctx context.Context, o Expiry) (Due, error) {
	d := Due{Records: map[string]int{}}
	people, days := map[Subject]bool{}, map[Day]bool{}
	for _, t := range declared.allPartitioned() {
		names, err := db.partsBelow(ctx, t.bin, o.until())
		if err != nil {
			return d, err
		}
		for _, name := range names {
			n, err := db.count(ctx, t, name, o.Held, people)
			if err != nil {
				return d, err
			}
			d.Held += n.held
			if t.sealed && n.all > 0 {
				day, _ := parseDayKey(name)
				days[day.Day] = true
			}
			switch {
			case t.bin == &blobs:
				d.Attachments += n.all - n.held
			case n.all > n.held:
				d.Records[t.called()] += n.all - n.held
			}
		}
	}
	d.Days, d.People = slices.Sorted(maps.Keys(days)), len(people)
	return d, nil
}

func (o *Expiry) until() DayKey { return DayKey{o.Class, o.Before} }

// partsBelow lists the partitions of a class below a day.
func (db *DB) partsBelow(ctx context.Context, t *bin, until DayKey) (names [][]byte, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		names = nil
		b, err := tx.bucket(t)
		if b == nil || err != nil {
			return err
		}
		from, end := DayKey{Class: until.Class}.bytes(), until.bytes()
		c := b.Cursor()
		for k, _ := c.Seek(from[:]); k != nil && bytes.Compare(k, end[:]) < 0; k, _ = c.Next() {
			if len(k) == dayKeyLen {
				names = append(names, bytes.Clone(k))
			}
		}
		return nil
	})
	return names, err
}

type counted struct{ all, held int }

// count counts the records of a partition, and whom they are about.
func (db *DB) count(ctx context.Context, t partitioned, name []byte, held func(Subject) bool, people map[Subject]bool) (n counted, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		b, err := tx.sub(t.bin, name, false)
		if b == nil || err != nil {
			return err
		}
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			n.all++
			if !t.sealed {
				continue
			}
			s, ok := subjectOf(v)
			if !ok || s == Nobody {
				continue
			}
			if held != nil && held(s) {
				n.held++
				continue
			}
			people[s] = true
		}
		return nil
	})
	return n, err
}

// Expire destroys the keys of all days of a class below one, and with them what
// was ever sealed in those days, in this store and in every copy of data.db and
// blobs; then it removes the partitions and the files. Like Erase it writes its
// intent first, can be cut short anywhere and is completed at the next start.
//
// Records about whoever is held are sealed anew in class Hold beforehand.
func (db *DB) Expire(ctx context.Context, o Expiry) (Destroyed, error) {
	ctx = Freeing(ctx)
	if err := db.mayExpire(ctx, o); err != nil {
		return Destroyed{}, err
	}
	defer db.throwAway(ctx)
	db.erasing.Lock()
	defer db.erasing.Unlock()
	if o.Held != nil {
		if err := db.hold(ctx, o); err != nil {
			return Destroyed{}, err
		}
	}
	entries, err := db.intend(ctx, []ledgerEntry{daysEntry(o.Class, o.Before)}, db.expirable)
	if err != nil {
		return Destroyed{}, err
	}
	return db.carryOut(ctx, slices.DeleteFunc(entries, func(e *ledgerEntry) bool { return e.Done != 0 }))
}

// expirable tells whether a key is left to be destroyed.
func (db *DB) expirable(e *ledgerEntry) bool {
	end := e.until()
	return db.keys.anyDay(DayKey{Class: end.Class}, end)
}

// mayExpire refuses what no clock can ask for, and, unless a person confirmed it,
// what a wrong clock might.
func (db *DB) mayExpire(ctx context.Context, o Expiry) error {
	if o.Class == Permanent || o.Class == Hold {
		return fmt.Errorf("store: records of class %d do not expire", o.Class)
	}
	now, doubt, err := db.trusted(ctx)
	if err != nil {
		return err
	}
	if o.Confirmed {
		if o.Before > db.tomorrow() {
			return fmt.Errorf("store: day %d has not come yet; only what is there can expire", o.Before)
		}
		return db.trustClock(ctx)
	}
	if doubt != "" {
		return fmt.Errorf("%w: %s", ErrUnconfirmed, doubt)
	}
	if o.Before > DayOf(now) {
		return fmt.Errorf("%w: the days until %s are not over", ErrUnconfirmed, (o.Before - 1).Time().Format("2006-01-02"))
	}
	due, err := db.Due(ctx, o)
	if err != nil {
		return err
	}
	if len(due.Days) > MaxUnconfirmed {
		return fmt.Errorf("%w: %d days would be destroyed at once, more than %d", ErrUnconfirmed, len(due.Days), MaxUnconfirmed)
	}
	return nil
}

// tomorrow is the first day that nothing can be filed under yet.
func (db *DB) tomorrow() Day { return DayOf(db.Now()) + 1 }

// dropDays counts what the days below one hold and drops them, one transaction a
// day.
func (db *DB) dropDays(ctx context.Context, until DayKey, removed map[string]int) error {
	parts := map[Day][]partitioned{}
	for _, t := range declared.allPartitioned() {
		names, err := db.partsBelow(ctx, t.bin, until)
		if err != nil {
			return err
		}
		for _, name := range names {
			day, _ := parseDayKey(name)
			parts[day.Day] = append(parts[day.Day], t)
			n, err := db.count(ctx, t, name, nil, map[Subject]bool{})
			if err != nil {
				return err
			}
			add(removed, t.called(), n.all)
		}
	}
	for _, day := range slices.Sorted(maps.Keys(parts)) {
		name := DayKey{until.Class, day}.bytes()
		if err := db.Update(ctx, func(tx *Tx) error { return dropDay(tx, parts[day], name[:]) }); err != nil {
			return err
		}
	}
	return nil
}

func dropDay(tx *Tx, parts []partitioned, name []byte) error {
	for _, t := range parts {
		if err := tx.dropPartition(t.bin, name); err != nil {
			return err
		}
	}
	return nil
}

// add counts, without a line for nothing.
func add(counts map[string]int, name string, n int) {
	if n > 0 {
		counts[name] += n
	}
}

// Living is the partition of k, or, when its key is destroyed, the next one of the
// class that can still be written to. What comes late, or on a day that was
// destroyed before it was over, is filed there.
func (tx *Tx) Living(k DayKey) DayKey { return tx.db.Living(k) }

// Living is Tx.Living for what is written before there is a transaction.
func (db *DB) Living(k DayKey) DayKey { return db.keys.living(k) }

// anyDay tells whether the key of any day from lo up to but not including hi is
// left.
func (ks *keys) anyDay(lo, hi DayKey) bool {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	return ks.trees.days.overlaps(lo.leaf(), hi.leaf())
}

func (ks *keys) living(k DayKey) DayKey {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	if _, ok := ks.days[k]; ok {
		return k
	}
	for next := k; ; next.Day++ {
		if _, _, ok := ks.trees.days.find(next.leaf()); ok {
			return next
		}
		if next.Day == ^Day(0) {
			return k
		}
	}
}
