// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"slices"
)

// leftOut is the number of a record that a merge leaves out.
const leftOut = ^uint32(0)

// segmentMerge writes several segments of one class as one. Of a record that is in more
// than one the entry of the oldest age is left out, and so is what keep refuses;
// nil keeps everything. It returns what it wrote; Docs is 0 when nothing was left.
type segmentMerge struct {
	in   []*segment // in the order of their ages, oldest first
	keep func(Ref, Subject) bool
	out  *segmentWriter

	renumber [][]uint32 // of each input: the new numbers
	info     segmentInfo
	cursors  []*termCursor
	lists    []listReader
	numbers  []uint32
}

// listReader reads the lists of terms that come in their order: what shares a
// block is read with one opening of it.
type listReader struct {
	s       *segment
	block   int64
	plain   []byte
	numbers []uint32
}

// read sets numbers to those of a term.
func (r *listReader) read(t *segmentTerm) (err error) {
	r.numbers = r.numbers[:0]
	if !needsList(t.has, r.s.docs) {
		return r.readShort(t)
	}
	if len(t.firsts) > 0 {
		for block := range t.firsts {
			if r.numbers, err = r.s.list(t, block, r.numbers); err != nil {
				return err
			}
		}
		return nil
	}
	if r.block != int64(t.block) {
		if r.plain, err = r.s.block(blockPostings, t.block, r.plain); err != nil {
			return err
		}
		r.block = int64(t.block)
	}
	if t.off+t.n > len(r.plain) {
		return r.s.damaged()
	}
	r.numbers, err = r.s.numbers(r.plain[t.off:t.off+t.n], r.numbers)
	return err
}

// readShort is for a term that all records have, or one.
func (r *listReader) readShort(t *segmentTerm) error {
	if t.has == r.s.docs {
		for n := range t.has {
			r.numbers = append(r.numbers, n)
		}
		return nil
	}
	if t.one >= r.s.docs {
		return r.s.damaged()
	}
	r.numbers = append(r.numbers, t.one)
	return nil
}

func (m *segmentMerge) run() error {
	if err := m.mergeDocs(); err != nil || m.info.Docs == 0 {
		return err
	}
	for _, s := range m.in {
		c := s.terms(nil)
		m.lists = append(m.lists, listReader{s: s, block: -1})
		ok, err := c.step()
		if err != nil {
			return err
		}
		if !ok {
			c = nil
		}
		m.cursors = append(m.cursors, c)
	}
	for {
		term := m.lowest()
		if term == nil {
			return m.out.close()
		}
		if err := m.mergeTerm(bytes.Clone(term)); err != nil {
			return err
		}
	}
}

// mergeDocs writes the records of all inputs, newest first, and notes their new
// numbers.
func (m *segmentMerge) mergeDocs() error {
	type entry struct {
		doc    segmentDoc
		in     int
		number uint32
	}
	var all []entry
	for i, s := range m.in {
		docs, err := s.allDocs()
		if err != nil {
			return err
		}
		m.renumber = append(m.renumber, slices.Repeat([]uint32{leftOut}, len(docs)))
		for n := range docs {
			all = append(all, entry{docs[n], i, uint32(n)}) //nolint:gosec // bounded by mostSegmentDocs
		}
		m.info.Age = max(m.info.Age, s.info.Age)
		m.info.Level = max(m.info.Level, s.info.Level)
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.doc.order, a.doc.order), cmp.Compare(b.in, a.in))
	})
	for i := range all {
		e := &all[i]
		if i > 0 && e.doc.order == all[i-1].doc.order {
			continue // an older state of the same record
		}
		if m.keep != nil && !m.keep(e.doc.ref(m.in[0].info.Class), e.doc.about) {
			continue
		}
		m.renumber[e.in][e.number] = m.info.Docs
		if err := m.out.doc(&e.doc); err != nil {
			return err
		}
		if m.info.Docs == 0 {
			m.info.Newest = e.doc.order
		}
		m.info.Oldest = e.doc.order
		m.info.Docs++
	}
	m.info.Class, m.info.Edition = m.in[0].info.Class, m.in[0].info.Edition
	return nil
}

// lowest is the first term among those the cursors stand at.
func (m *segmentMerge) lowest() (term []byte) {
	for _, c := range m.cursors {
		if c != nil && (term == nil || bytes.Compare(c.at.term, term) < 0) {
			term = c.at.term
		}
	}
	return term
}

func (m *segmentMerge) mergeTerm(term []byte) error {
	m.numbers = m.numbers[:0]
	for i, c := range m.cursors {
		if c == nil || !bytes.Equal(c.at.term, term) {
			continue
		}
		r := &m.lists[i]
		if err := r.read(&c.at); err != nil {
			return err
		}
		for _, n := range r.numbers {
			if to := m.renumber[i][n]; to != leftOut {
				m.numbers = append(m.numbers, to)
			}
		}
		ok, err := c.step()
		if err != nil {
			return err
		}
		if !ok {
			m.cursors[i] = nil
		}
	}
	if len(m.numbers) == 0 {
		return nil
	}
	if !slices.IsSorted(m.numbers) {
		slices.Sort(m.numbers)
	}
	return m.out.term(term, m.numbers)
}
