// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
)

// subjectSet are subjects in ascending order, each once.
type subjectSet []Subject

func (s subjectSet) has(one Subject) bool {
	_, ok := slices.BinarySearch(s, one)
	return ok
}

// atLeast is the first subject of the set that is not below one.
func (s subjectSet) atLeast(one Subject) (Subject, bool) {
	i, _ := slices.BinarySearch(s, one)
	if i == len(s) {
		return 0, false
	}
	return s[i], true
}

// removeAll removes what entries of the ledger name and counts it.
func (db *DB) removeAll(ctx context.Context, open []*ledgerEntry) (map[string]int, error) {
	var who subjectSet
	removed := map[string]int{}
	for _, e := range open {
		if e.Kind == ledgerSubject {
			who = append(who, e.subject())
			continue
		}
		if err := db.dropDays(ctx, e.until(), removed); err != nil {
			return nil, err
		}
	}
	if len(who) == 0 {
		return removed, nil
	}
	slices.Sort(who)
	return removed, db.removeRecords(ctx, slices.Compact(who), removed)
}

// removeRecords removes what is about subjects from every table, a part at a time
// so that other writers are not held up.
func (db *DB) removeRecords(ctx context.Context, who subjectSet, removed map[string]int) error {
	erasers, _ := declared.all()
	for _, t := range append(erasers, blobEraser{}) {
		for after := []byte(nil); ; {
			var found []found
			err := db.View(ctx, func(tx *Tx) (err error) {
				found, after, err = t.find(tx, who, after)
				return err
			})
			if err != nil {
				return err
			}
			if len(found) > 0 {
				var n int
				if err := db.Update(ctx, func(tx *Tx) (err error) { n, err = dropAll(tx, t, who, found); return err }); err != nil {
					return err
				}
				add(removed, found[0].in.called(), n)
			}
			if after == nil {
				break
			}
		}
	}
	return nil
}

// called is what people call the records of a bucket.
func (t *bin) called() string {
	if string(t.name) == blobBucket {
		return attachmentsName
	}
	return string(t.name)
}

func dropAll(tx *Tx, t eraser, who subjectSet, all []found) (n int, err error) {
	for _, f := range all {
		b, err := f.bucket(tx)
		if err != nil {
			return n, err
		}
		if b == nil {
			continue
		}
		if about, ok := subjectOf(b.Get(f.key)); !ok || !who.has(about) {
			continue
		}
		if err := t.drop(tx, f); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
