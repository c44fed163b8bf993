// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"slices"
)

// Mark is a place in the order of a resident table: behind the row that has it.
type Mark struct{ Order, ID uint64 }

// above tells whether a mark comes before another in a walk.
func (m Mark) above(o Mark) bool {
	if m.Order != o.Order {
		return m.Order > o.Order
	}
	return m.ID > o.ID
}

// take finds a spot for a new row, not yet in the order.
func (s *shelf[T]) take(id uint64) int32 {
	i := int32(len(s.spots)) //nolint:gosec // two thousand million rows do not fit into RAM
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.spots = append(s.spots, spot[T]{})
	}
	s.spots[i] = spot[T]{id: id, next: none, prev: unlisted}
	s.index[id] = i
	return i
}

// release gives the spot of a row back.
func (s *shelf[T]) release(i int32) {
	s.unlink(i)
	delete(s.index, s.spots[i].id)
	s.spots[i] = spot[T]{prev: unlisted}
	s.free = append(s.free, i)
}

// settle brings a row to its place in the order.
func (s *shelf[T]) settle(i int32) {
	p := &s.spots[i]
	if p.v.gone {
		s.unlink(i)
		return
	}
	order := s.r.orderOf(&p.v.row)
	if p.prev != unlisted && p.order == order {
		return
	}
	s.unlink(i)
	p.order = order
	at, m := s.head, Mark{order, p.id}
	for at != none && s.steps > 0 && s.markOf(at).above(m) {
		at = s.spots[at].next
		s.steps--
	}
	if s.steps == 0 {
		at = none // for sortAll to put right
	}
	s.link(i, at)
}

// sortAll brings every row to its place at once. Rows move to the front as a
// rule, a step or two; many that belong far back, in an import say, would each
// walk the whole list.
func (s *shelf[T]) sortAll() {
	var all []int32
	for at := s.head; at != none; at = s.spots[at].next {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b int32) int {
		return cmp.Or(cmp.Compare(s.spots[b].order, s.spots[a].order), cmp.Compare(s.spots[b].id, s.spots[a].id))
	})
	s.head, s.tail = none, none
	for _, i := range all {
		s.link(i, none)
	}
}

func (s *shelf[T]) markOf(i int32) Mark { return Mark{s.spots[i].order, s.spots[i].id} }

// link puts a spot before another, or at the end for none.
func (s *shelf[T]) link(i, before int32) {
	p := &s.spots[i]
	p.next = before
	if before == none {
		p.prev, s.tail = s.tail, i
	} else {
		p.prev, s.spots[before].prev = s.spots[before].prev, i
	}
	if p.prev == none {
		s.head = i
	} else {
		s.spots[p.prev].next = i
	}
}

func (s *shelf[T]) unlink(i int32) {
	p := &s.spots[i]
	if p.prev == unlisted {
		return
	}
	if p.prev == none {
		s.head = p.next
	} else {
		s.spots[p.prev].next = p.next
	}
	if p.next == none {
		s.tail = p.prev
	} else {
		s.spots[p.next].prev = p.prev
	}
	p.next, p.prev = none, unlisted
}

// after is the first spot behind a mark.
func (s *shelf[T]) after(m Mark) int32 {
	if m == (Mark{}) {
		return s.head
	}
	if i, ok := s.index[m.ID]; ok && s.spots[i].prev != unlisted && s.spots[i].order == m.Order {
		return s.spots[i].next
	}
	at := s.head
	for at != none && !m.above(s.markOf(at)) {
		at = s.spots[at].next
	}
	return at
}

// Walk calls fn with the rows in their order, largest first, from behind a mark
// on; false ends it. The zero mark begins at the top. A row that moves while the
// walk is under way may be missed or come at its new place, never twice at one.
// fn must neither keep nor change v.
func (r *Resident[T]) Walk(tx *Tx, after Mark, fn func(id uint64, v *T) bool) {
	s := r.of(tx)
	if tx.w != nil {
		s.walkCurrent(after, fn)
		return
	}
	for size := 64; ; size = min(size*2, 2048) {
		chunk := make([]seenRow[T], 0, size)
		var more bool
		chunk, after, more = s.chunk(chunk, after, tx.snap)
		for _, c := range chunk {
			if !fn(c.id, &c.v.row) {
				return
			}
		}
		if !more {
			return
		}
	}
}

type seenRow[T any] struct {
	id uint64
	v  *version[T]
}

// chunk collects rows under the lock, so that fn runs without it.
func (s *shelf[T]) chunk(into []seenRow[T], after Mark, snap uint64) ([]seenRow[T], Mark, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at := s.after(after)
	for ; at != none && len(into) < cap(into); at = s.spots[at].next {
		p := &s.spots[at]
		if v := p.v.at(snap); live(v) == 1 {
			into = append(into, seenRow[T]{p.id, v})
		}
		after = s.markOf(at)
	}
	return into, after, at != none
}

// walkCurrent is Walk for the operation that runs: committed rows in their order,
// with the drafts of this batch in their places.
func (s *shelf[T]) walkCurrent(after Mark, fn func(uint64, *T) bool) {
	var drafts []spot[T]
	for id, v := range s.drafts {
		if m := (Mark{s.r.orderOf(&v.row), id}); !v.gone && (after == (Mark{}) || after.above(m)) {
			drafts = append(drafts, spot[T]{order: m.Order, id: id, v: v})
		}
	}
	slices.SortFunc(drafts, func(a, b spot[T]) int {
		return cmp.Or(cmp.Compare(b.order, a.order), cmp.Compare(b.id, a.id))
	})
	for at := s.after(after); at != none; at = s.spots[at].next {
		p := &s.spots[at]
		for ; len(drafts) > 0 && (Mark{drafts[0].order, drafts[0].id}).above(s.markOf(at)); drafts = drafts[1:] {
			if !fn(drafts[0].id, &drafts[0].v.row) {
				return
			}
		}
		if s.drafts[p.id] == nil && !fn(p.id, &p.v.row) {
			return
		}
	}
	for _, d := range drafts {
		if !fn(d.id, &d.v.row) {
			return
		}
	}
}
