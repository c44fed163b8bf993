// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// load reads the rows of the table, in the order of their keys and on as many
// cores as there are.
func (s *shelf[T]) load(db *DB) error {
	lo, hi, err := s.bounds(db)
	if err != nil || hi == 0 {
		return err
	}
	parts := uint64(min(max(runtime.GOMAXPROCS(0), 1), 8)) //nolint:gosec // between 1 and 8
	step := (hi-lo)/parts + 1
	found := make([][]spot[T], parts)
	errs := make([]error, parts)
	var wg sync.WaitGroup
	for p := range parts {
		wg.Go(func() {
			from := lo + p*step
			if from < lo || from > hi {
				return
			}
			found[p], errs[p] = s.loadRange(db, from, min(hi, from+min(step-1, math.MaxUint64-from)))
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.arrange(slices.Concat(found...))
	return nil
}

// bounds are the first and the last number of the table; hi is 0 when empty.
func (s *shelf[T]) bounds(db *DB) (lo, hi uint64, err error) {
	err = db.bolt.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(s.r.name)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		first, _ := c.First()
		last, _ := c.Last()
		if first == nil {
			return nil
		}
		if len(first) != 8 || len(last) != 8 {
			return fmt.Errorf("%w: a key of %s has the wrong length; restore the store from a backup", ErrDamaged, s.r.name)
		}
		lo, hi = binary.BigEndian.Uint64(first), binary.BigEndian.Uint64(last)
		return nil
	})
	return lo, hi, err
}

// loadRange opens the rows from lo to hi. A row whose subject was erased is left
// out: its removal is on the list of what resume does. So is a damaged one, see
// Damaged.
func (s *shelf[T]) loadRange(db *DB, lo, hi uint64) (found []spot[T], err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: %s cannot be read; restore it from a backup", ErrDamaged, db.path(dataFile))
		}
	}()
	err = db.bolt.View(func(b *bolt.Tx) error {
		var plain []byte
		tx, keys := &Tx{db: db, b: b}, db.keys.opener()
		c := b.Bucket(s.r.name).Cursor()
		start := rowKey(lo)
		for k, sealed := c.Seek(start[:]); len(k) == 8; k, sealed = c.Next() {
			id := binary.BigEndian.Uint64(k)
			if id > hi {
				break
			}
			var err error
			if plain, _, err = open(plain[:0], keys, sealed, tx.at(&s.r.bin, nil, k)); errors.Is(err, ErrErased) {
				continue
			}
			if err != nil {
				db.damaged(tx.at(&s.r.bin, nil, k), reasonSeal)
				continue
			}
			v := new(version[T])
			if err := decoding.Unmarshal(plain, &v.row); err != nil {
				db.damaged(tx.at(&s.r.bin, nil, k), reasonDecode)
				continue
			}
			found = append(found, spot[T]{order: s.r.orderOf(&v.row), id: id, v: v})
		}
		return nil
	})
	return found, err
}

// arrange puts all rows in their order at once, side by side in memory.
func (s *shelf[T]) arrange(all []spot[T]) {
	slices.SortFunc(all, func(a, b spot[T]) int {
		return cmp.Or(cmp.Compare(b.order, a.order), cmp.Compare(b.id, a.id))
	})
	s.spots = slices.Clip(all)
	s.index = make(map[uint64]int32, len(all))
	for i := range s.spots {
		at := int32(i) //nolint:gosec // two thousand million rows do not fit into RAM
		s.index[s.spots[i].id] = at
		s.link(at, none)
		s.recount(s.spots[i].v, 1)
	}
}
