// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
)

// When a tail is written as segments.
const (
	mostTailDocs  = 4096
	mostTailBytes = 4 << 20
)

// indexTail is the newest part of an index, in RAM: what no segment holds yet.
type indexTail struct {
	mu    sync.RWMutex
	docs  []tailDoc
	terms map[string]int // place in lists
	lists [][]uint32     // numbers of docs, ascending
	newer map[docOrder]uint32
	bytes int
}

type tailDoc struct {
	segmentDoc
	class Class
}

func newIndexTail() *indexTail {
	return &indexTail{terms: map[string]int{}, newer: map[docOrder]uint32{}}
}

// add takes a record and its terms, each ended by a zero byte. A record that is
// there already counts as it is now.
func (t *indexTail) add(ref Ref, about Subject, terms []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := tailDoc{segmentDoc{orderOf(ref), ref.Group, about}, ref.Class}
	number := uint32(len(t.docs)) //nolint:gosec // bounded by mostTailDocs
	t.docs = append(t.docs, d)
	t.newer[d.order] = number
	for len(terms) > 0 {
		end := 0
		for terms[end] != 0 {
			end++
		}
		t.addTerm(terms[:end], number)
		terms = terms[end+1:]
	}
}

func (t *indexTail) addTerm(term []byte, number uint32) {
	at, ok := t.terms[string(term)]
	if !ok {
		at = len(t.lists)
		t.terms[string(term)] = at
		t.lists = append(t.lists, nil)
		t.bytes += len(term)
	}
	list := t.lists[at]
	if len(list) > 0 && list[len(list)-1] == number {
		return
	}
	t.lists[at] = append(list, number)
	t.bytes += 4
}

func (t *indexTail) full() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.docs) >= mostTailDocs || t.bytes >= mostTailBytes
}

func (t *indexTail) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.docs)
}

// current tells whether nothing newer is known of a record.
func (t *indexTail) current(number uint32) bool { return t.newer[t.docs[number].order] == number }

// find lists the records that have everything that is wanted, newest first.
func (t *indexTail) find(all []Want) []tailDoc {
	t.mu.RLock()
	defer t.mu.RUnlock()
	have := make([]uint16, len(t.docs)) // how many wants a record meets, in a row
	for i := range all {
		met := uint16(i) //nolint:gosec // a query is short
		for _, list := range t.wanted(&all[i]) {
			for _, n := range list {
				if have[n] == met {
					have[n] = met + 1
				}
			}
		}
	}
	var found []tailDoc
	for n, met := range have {
		if int(met) == len(all) && t.current(uint32(n)) { //nolint:gosec // an index
			found = append(found, t.docs[n])
		}
	}
	slices.SortFunc(found, func(a, b tailDoc) int { return cmp.Compare(b.order, a.order) })
	return found
}

func (t *indexTail) wanted(w *Want) (lists [][]uint32) {
	for _, text := range w.Any {
		if !w.Prefix {
			if at, ok := t.terms[text]; ok {
				lists = append(lists, t.lists[at])
			}
			continue
		}
		for term, at := range t.terms {
			if strings.HasPrefix(term, text) {
				lists = append(lists, t.lists[at])
			}
		}
	}
	return lists
}

// without is the tail without what gone names.
func (t *indexTail) without(gone func(Subject, DayKey) bool) *indexTail {
	t.mu.RLock()
	defer t.mu.RUnlock()
	next, number := newIndexTail(), slices.Repeat([]uint32{leftOut}, len(t.docs))
	for n := range t.docs {
		d := &t.docs[n]
		if !t.current(uint32(n)) || gone(d.about, DayKey{d.class, d.order.day()}) { //nolint:gosec // an index
			continue
		}
		number[n] = uint32(len(next.docs)) //nolint:gosec // bounded by mostTailDocs
		next.newer[d.order] = number[n]
		next.docs = append(next.docs, *d)
	}
	for term, at := range t.terms {
		for _, n := range t.lists[at] {
			if number[n] != leftOut {
				next.addTerm([]byte(term), number[n])
			}
		}
	}
	return next
}

// tailPart is what of a tail becomes one segment: one class and span of days.
type tailPart struct {
	class  Class
	window int
}

// parts lists the segments that the tail becomes, and the records of each,
// newest first.
func (t *indexTail) parts() (all []tailPart, docs map[tailPart][]uint32) {
	docs = map[tailPart][]uint32{}
	for n := range t.docs {
		d := &t.docs[n]
		if t.current(uint32(n)) { //nolint:gosec // an index
			p := tailPart{d.class, windowOf(d.order.day())}
			docs[p] = append(docs[p], uint32(n)) //nolint:gosec // an index
		}
	}
	all = slices.SortedFunc(maps.Keys(docs), func(a, b tailPart) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.window, b.window))
	})
	for _, p := range all {
		slices.SortFunc(docs[p], func(a, b uint32) int { return cmp.Compare(t.docs[b].order, t.docs[a].order) })
	}
	return all, docs
}

// write lays the parts out, one writer for each in their order. Nobody may add
// meanwhile.
func (t *indexTail) write(all []tailPart, docs map[tailPart][]uint32, to []*segmentWriter) error {
	in, number := slices.Repeat([]int{-1}, len(t.docs)), make([]uint32, len(t.docs))
	for i, p := range all {
		for at, n := range docs[p] {
			in[n], number[n] = i, uint32(at) //nolint:gosec // an index
			if err := to[i].doc(&t.docs[n].segmentDoc); err != nil {
				return err
			}
		}
	}
	for _, term := range slices.Sorted(maps.Keys(t.terms)) {
		if err := t.writeTerm(term, in, number, to); err != nil {
			return err
		}
	}
	for _, w := range to {
		if err := w.close(); err != nil {
			return err
		}
	}
	return nil
}

// writeTerm gives each part the numbers of its own records.
func (t *indexTail) writeTerm(term string, in []int, number []uint32, to []*segmentWriter) error {
	lists := make([][]uint32, len(to))
	for _, n := range t.lists[t.terms[term]] {
		if i := in[n]; i >= 0 {
			lists[i] = append(lists[i], number[n])
		}
	}
	for i, list := range lists {
		if len(list) == 0 {
			continue
		}
		slices.Sort(list)
		if err := to[i].term([]byte(term), list); err != nil {
			return err
		}
	}
	return nil
}
