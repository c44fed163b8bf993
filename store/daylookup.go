// SPDX-License-Identifier: Apache-2.0

package store

import "fmt"

// DayLookup finds a record of a day table by an identifier that somebody else
// gave it. The hash is keyed under the key of the day and is worth nothing once
// that is destroyed.
type DayLookup struct{ bin }

// NewDayLookup declares a lookup by day.
func NewDayLookup(name string) *DayLookup {
	l := &DayLookup{newBin(name, 0)}
	declared.addPartitioned(&l.bin, false)
	return l
}

func (l *DayLookup) hide(tx *Tx, day DayKey, ident string) ([]byte, error) {
	key, err := tx.db.keys.provider(day)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	sum := keyedHash(&key, l.where, "", ident)
	tx.key = append(tx.key[:0], sum[:hashLen]...)
	return tx.key, nil
}

// Set makes an identifier lead to a record of the day.
func (l *DayLookup) Set(tx *Tx, key DayKey, ident string, group, seq uint64) error {
	if tx.w == nil {
		return errReadOnly
	}
	name := key.bytes()
	k, err := l.hide(tx, key, ident)
	if err != nil {
		return err
	}
	b, err := tx.sub(&l.bin, name[:], true)
	if err != nil {
		return err
	}
	return tx.put(b, k, tx.number(group, seq))
}

// Get returns where an identifier of the day leads to.
func (l *DayLookup) Get(tx *Tx, key DayKey, ident string) (group, seq uint64, ok bool, err error) {
	name := key.bytes()
	b, err := tx.sub(&l.bin, name[:], false)
	if b == nil || err != nil {
		return 0, 0, false, err
	}
	k, err := l.hide(tx, key, ident)
	if isErased(err) {
		return 0, 0, false, nil
	}
	if err != nil {
		return 0, 0, false, err
	}
	v := b.Get(k)
	if v == nil {
		return 0, 0, false, nil
	}
	if group, seq, ok = parsePair(v); !ok {
		return 0, 0, false, fmt.Errorf("%s: %w", l.name, ErrDamaged)
	}
	return group, seq, true, nil
}

// Delete forgets an identifier of the day; one that is unknown is no error.
func (l *DayLookup) Delete(tx *Tx, key DayKey, ident string) error {
	name := key.bytes()
	b, err := tx.sub(&l.bin, name[:], false)
	if b == nil || err != nil {
		return err
	}
	k, err := l.hide(tx, key, ident)
	if isErased(err) {
		return nil // it is about to be removed
	}
	if err != nil {
		return err
	}
	return tx.delete(b, k)
}

// Find looks for an identifier in the days from newest back, as many as days
// says, where there is something to be found.
func (l *DayLookup) Find(tx *Tx, c Class, newest Day, days int, ident string) (Ref, bool, error) {
	b, err := tx.bucket(&l.bin)
	if b == nil || err != nil || days <= 0 {
		return Ref{}, false, err
	}
	oldest := Day(max(int(newest)-days+1, 0)) //nolint:gosec // between 0 and newest
	for day := int(newest); day >= int(oldest); day-- {
		key := DayKey{c, Day(day)} //nolint:gosec // between oldest and newest
		if !hasDay(b, key) {
			continue
		}
		group, seq, ok, err := l.Get(tx, key, ident)
		if ok || err != nil {
			return Ref{key, group, seq}, ok, err
		}
	}
	return Ref{}, false, nil
}
