// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"math/bits"
	"slices"
	"sort"
)

// hits are numbers of records of a segment, ascending: newest first.
type hits interface {
	// from returns the first number that is not below n; false when there is none.
	from(n uint32) (uint32, bool, error)
	// size is how many there are, or more.
	size() uint32
}

// everyHit is all of them.
type everyHit struct{ docs uint32 }

func (h everyHit) from(n uint32) (uint32, bool, error) { return n, n < h.docs, nil }
func (h everyHit) size() uint32                        { return h.docs }

// oneHit is a single one.
type oneHit struct{ number uint32 }

func (h oneHit) from(n uint32) (uint32, bool, error) { return h.number, n <= h.number, nil }
func (h oneHit) size() uint32                        { return 1 }

// listHits reads a posting list, a block at a time as it is needed.
type listHits struct {
	s       *segment
	t       segmentTerm
	block   int // the block of a long list that numbers holds; -1 for none
	numbers []uint32
	at      int
}

func (h *listHits) size() uint32 { return h.t.has }

func (h *listHits) from(n uint32) (uint32, bool, error) {
	for block := h.blockOf(n); ; block++ {
		if block != h.block {
			if block >= max(len(h.t.firsts), 1) {
				return 0, false, nil
			}
			if err := h.load(block); err != nil {
				return 0, false, err
			}
		}
		if h.at > 0 && h.numbers[h.at-1] >= n {
			h.at = 0
		}
		h.at += sort.Search(len(h.numbers)-h.at, func(i int) bool { return h.numbers[h.at+i] >= n })
		if h.at < len(h.numbers) {
			return h.numbers[h.at], true, nil
		}
	}
}

// blockOf is the block of a long list where n would be.
func (h *listHits) blockOf(n uint32) int {
	return max(sort.Search(len(h.t.firsts), func(i int) bool { return h.t.firsts[i] > n })-1, 0)
}

func (h *listHits) load(block int) (err error) {
	h.numbers, err = h.s.list(&h.t, block, h.numbers[:0])
	h.block, h.at = block, 0
	return err
}

// list appends the numbers of one block of a list.
func (s *segment) list(t *segmentTerm, block int, to []uint32) ([]uint32, error) {
	plain, err := s.block(blockPostings, t.block+uint32(block), s.plain) //nolint:gosec // an index
	if err != nil {
		return to, err
	}
	s.plain = plain
	if len(t.firsts) == 0 {
		if t.off+t.n > len(plain) {
			return to, s.damaged()
		}
		plain = plain[t.off : t.off+t.n]
	}
	return s.numbers(plain, to)
}

// numbers decodes a list.
func (s *segment) numbers(list []byte, to []uint32) ([]uint32, error) {
	var n uint32
	for len(list) > 0 {
		d := uint32(list[0])
		if d < 0x80 {
			list = list[1:]
		} else {
			c := cutter{b: list}
			d, list = c.u32(), c.b
			if c.bad {
				return to, s.damaged()
			}
		}
		if n += d; n >= s.docs {
			return to, s.damaged()
		}
		to = append(to, n)
	}
	return to, nil
}

// hitsOf are the records that have a term.
func (s *segment) hitsOf(t *segmentTerm) hits {
	switch t.has {
	case s.docs:
		return everyHit{s.docs}
	case 1:
		return oneHit{t.one}
	}
	return &listHits{s: s, t: t.spot(), block: -1}
}

// setHits is a set with a bit for each record.
type setHits struct {
	words []uint64
	count uint32
}

func (h *setHits) size() uint32 { return h.count }

func (h *setHits) add(n uint32) { h.words[n/64] |= 1 << (n % 64) }

func (h *setHits) from(n uint32) (uint32, bool, error) {
	i := int(n / 64)
	if i >= len(h.words) {
		return 0, false, nil
	}
	word := h.words[i] >> (n % 64) << (n % 64)
	for word == 0 {
		if i++; i == len(h.words) {
			return 0, false, nil
		}
		word = h.words[i]
	}
	return uint32(i*64 + bits.TrailingZeros64(word)), true, nil //nolint:gosec // an index
}

// union is the set of the records that have one of the terms.
func (s *segment) union(terms []segmentTerm) (hits, error) {
	set := &setHits{words: make([]uint64, (s.docs+63)/64)}
	r := listReader{s: s, block: -1}
	for i := range terms {
		if terms[i].has == s.docs {
			return everyHit{s.docs}, nil
		}
		if err := r.read(&terms[i]); err != nil {
			return nil, err
		}
		for _, n := range r.numbers {
			set.add(n)
		}
	}
	for _, w := range set.words {
		set.count += uint32(bits.OnesCount64(w)) //nolint:gosec // at most 64
	}
	return set, nil
}

// wanted finds what of a want the segment has: its terms, and at most how many
// records have them.
func (s *segment) wanted(w *Want) (terms []segmentTerm, size uint64, err error) {
	for _, text := range w.Any {
		if w.Prefix {
			err = s.begins([]byte(text), func(t *segmentTerm) { terms = append(terms, t.spot()) })
		} else {
			var t *segmentTerm
			if t, err = s.find([]byte(text)); t != nil {
				terms = append(terms, t.spot())
			}
		}
		if err != nil {
			return nil, 0, err
		}
	}
	for i := range terms {
		size += uint64(terms[i].has)
	}
	return terms, min(size, uint64(s.docs)), nil
}

// begins calls fn with the terms that begin with prefix.
func (s *segment) begins(prefix []byte, fn func(*segmentTerm)) error {
	for c := s.terms(prefix); ; {
		ok, err := c.step()
		if !ok || err != nil {
			return err
		}
		if bytes.HasPrefix(c.at.term, prefix) {
			fn(&c.at)
		} else if bytes.Compare(c.at.term, prefix) > 0 {
			return nil
		}
	}
}

// fewHits is how many candidates are cheaper to look at than to sift further.
const fewHits = 16

// candidates are the records that have what is wanted, or a few more: the
// caller looks at each. nil when there are none.
func (s *segment) candidates(all []Want) (lists []hits, err error) {
	type part struct {
		terms []segmentTerm
		size  uint64
	}
	parts := make([]part, 0, len(all))
	for i := range all {
		terms, size, err := s.wanted(&all[i])
		if err != nil || size == 0 {
			return nil, err
		}
		parts = append(parts, part{terms, size})
	}
	slices.SortFunc(parts, func(a, b part) int { return int(a.size) - int(b.size) }) //nolint:gosec // at most mostSegmentDocs
	for i := range parts {
		if i > 0 && parts[0].size <= fewHits {
			break
		}
		if len(parts[i].terms) == 1 {
			lists = append(lists, s.hitsOf(&parts[i].terms[0]))
			continue
		}
		union, err := s.union(parts[i].terms)
		if err != nil {
			return nil, err
		}
		lists = append(lists, union)
	}
	if len(lists) == 0 {
		lists = append(lists, everyHit{s.docs})
	}
	return lists, nil
}

// meet finds the first number from n on that all lists have.
func meet(lists []hits, n uint32) (uint32, bool, error) {
	for i := 0; i < len(lists); i++ {
		at, ok, err := lists[i].from(n)
		if !ok || err != nil {
			return 0, false, err
		}
		if at > n && i > 0 {
			i = -1 // begin again from there
		}
		n = at
	}
	return n, true, nil
}
