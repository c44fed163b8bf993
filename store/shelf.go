// SPDX-License-Identifier: Apache-2.0

package store

import (
	"maps"
	"slices"
	"sync"
)

// version is a row as of one commit. Older ones are kept while a view sees them.
type version[T any] struct {
	row  T
	from uint64 // the commit that made it
	prev *version[T]
	gone bool
}

// spot is the place of a row in the order: a list over an array, 32 bytes a row.
type spot[T any] struct {
	order, id  uint64
	v          *version[T]
	next, prev int32
}

const (
	none     int32 = -1
	unlisted int32 = -2 // in prev: made by a commit that is not done
)

// shelf holds the rows of one table. Only the committer changes it, under the
// lock; it reads without.
//
// A commit shows its rows to views before bbolt shows its pages to them, by the
// number of the commit: a view takes the newest version that is not newer than
// its own snapshot. Order and counts follow when the commit is done.
type shelf[T any] struct {
	r          *Resident[T]
	mu         sync.RWMutex
	index      map[uint64]int32
	spots      []spot[T]
	free       []int32
	head, tail int32
	count      int
	tally      map[uint64]int

	drafts  map[uint64]*version[T] // changed in this batch
	journal []draftWas[T]          // changed by this operation
	order   []uint64               // the drafts in the order of their keys
	old     []uint64               // rows with more than one version
	steps   int                    // left to walk in this commit, see sortAll
}

type draftWas[T any] struct {
	id uint64
	v  *version[T] // nil: no draft
}

// seen is the version of a row that a view may see.
func (s *shelf[T]) seen(id, snap uint64) *version[T] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := s.index[id]
	if !ok {
		return nil
	}
	return s.spots[i].v.at(snap)
}

func (s *shelf[T]) has(id, snap uint64) bool {
	v := s.seen(id, snap)
	return v != nil && !v.gone
}

func (v *version[T]) at(snap uint64) *version[T] {
	for v != nil && v.from > snap {
		v = v.prev
	}
	return v
}

// published is the committed version of a row, for the committer.
func (s *shelf[T]) published(id uint64) *version[T] {
	if i, ok := s.index[id]; ok {
		return s.spots[i].v
	}
	return nil
}

// current is what the operation that runs sees; nil when there is no row.
func (s *shelf[T]) current(id uint64) *version[T] {
	v, ok := s.drafts[id]
	if !ok {
		v = s.published(id)
	}
	if v != nil && v.gone {
		return nil
	}
	return v
}

func (s *shelf[T]) draft(id uint64, v *version[T]) {
	s.journal = append(s.journal, draftWas[T]{id, s.drafts[id]})
	s.drafts[id] = v
}

func (s *shelf[T]) mark() {
	clear(s.journal)
	s.journal = s.journal[:0]
}

func (s *shelf[T]) undo() {
	for _, was := range slices.Backward(s.journal) {
		if was.v == nil {
			delete(s.drafts, was.id)
		} else {
			s.drafts[was.id] = was.v
		}
	}
	s.mark()
}

func (s *shelf[T]) dirty() bool { return len(s.drafts) > 0 }

func (s *shelf[T]) finish(tx *Tx) error {
	if !s.dirty() {
		return nil
	}
	b, err := tx.bucket(&s.r.bin)
	if err != nil {
		return err
	}
	s.order = slices.AppendSeq(s.order[:0], maps.Keys(s.drafts))
	slices.Sort(s.order)
	for _, id := range s.order {
		v, key := s.drafts[id], rowKey(id)
		if v.gone {
			if err := tx.unset(b, key[:]); err != nil {
				return err
			}
			continue
		}
		sealed, err := tx.sealValue(s.r.about(&v.row), DayKey{}, &v.row, tx.at(&s.r.bin, nil, key[:]))
		switch {
		case isErased(err): // between the operation and its commit
			v.gone = true
			err = tx.unset(b, key[:])
		case err != nil:
		default:
			if err = tx.putAside(b, key[:]); err != nil {
				return err
			}
			err = tx.set(b, key[:], sealed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stage puts the new versions before the old ones; no view sees them until bbolt
// shows commit id.
func (s *shelf[T]) stage(id uint64) {
	if !s.dirty() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.order {
		v := s.drafts[row]
		i, ok := s.index[row]
		if !ok {
			i = s.take(row)
		}
		v.from, v.prev = id, s.spots[i].v
		s.spots[i].v = v
	}
}

// publish moves the rows to their places and counts them.
func (s *shelf[T]) publish(oldest uint64) {
	if !s.dirty() && len(s.old) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = 4*len(s.spots) + 1024
	for _, row := range s.order {
		i := s.index[row]
		v := s.spots[i].v
		s.recount(v.prev, -1)
		s.recount(v, 1)
		s.settle(i)
		if v.prev != nil || v.gone {
			s.old = append(s.old, row)
		}
	}
	if s.steps == 0 {
		s.sortAll()
	}
	s.forget(oldest)
	s.clean()
}

// discard takes staged versions off again.
func (s *shelf[T]) discard() {
	if !s.dirty() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for row, v := range s.drafts {
		i, ok := s.index[row]
		if !ok || s.spots[i].v != v {
			continue // not staged
		}
		if s.spots[i].v = v.prev; v.prev == nil {
			s.release(i)
		}
	}
	s.clean()
}

func (s *shelf[T]) clean() {
	clear(s.drafts)
	s.order = s.order[:0]
	s.mark()
}

// forget drops versions that no view sees any more.
func (s *shelf[T]) forget(oldest uint64) {
	kept := s.old[:0]
	for _, row := range s.old {
		i, ok := s.index[row]
		if !ok {
			continue
		}
		v := s.spots[i].v.at(oldest)
		if v != nil {
			v.prev = nil
		}
		switch {
		case v == s.spots[i].v && v.gone:
			s.release(i)
		case v != s.spots[i].v:
			kept = append(kept, row)
		}
	}
	s.old = kept
}

func live[T any](v *version[T]) int {
	if v == nil || v.gone {
		return 0
	}
	return 1
}

func (s *shelf[T]) counted(v *version[T], key uint64) (n int) {
	if live(v) == 1 && s.r.tally != nil {
		s.r.tally(&v.row, func(k uint64) {
			if k == key {
				n++
			}
		})
	}
	return n
}

// recount adds a version to the counts or takes it away.
func (s *shelf[T]) recount(v *version[T], by int) {
	if live(v) == 0 {
		return
	}
	s.count += by
	if s.r.tally == nil {
		return
	}
	s.r.tally(&v.row, func(key uint64) {
		if s.tally[key] += by; s.tally[key] == 0 {
			delete(s.tally, key)
		}
	})
}
