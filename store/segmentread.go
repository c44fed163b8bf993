// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	bolt "go.etcd.io/bbolt"
)

// segment reads a segment in one transaction.
type segment struct {
	info   segmentInfo
	in     *bin
	b      *bolt.Bucket
	key    *segmentKey
	docs   uint32
	fences [][]byte
	blocks []docBlock
	abouts uint32 // subject blocks

	plain   []byte       // scratch: a record block or a list
	term    []byte       // scratch: a term block
	records []segmentDoc // of the block that was read last; whom they are about is not there
	at      int          // which one that is; -1 for none
}

// cutter takes a block apart; after the first piece that is not there all
// others are zero.
type cutter struct {
	b   []byte
	bad bool
}

func (c *cutter) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	return c.longUvarint()
}

func (c *cutter) longUvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cutter) u32() uint32 {
	v := c.uvarint()
	if v > 1<<32-1 {
		c.bad = true
	}
	return uint32(v) //nolint:gosec // checked above
}

func (c *cutter) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

// openSegment opens a segment of the list; ErrErased when its key is destroyed.
func openSegment(tx *Tx, t *bin, info segmentInfo) (*segment, error) {
	key, err := tx.db.keys.segment(info.number)
	if err != nil {
		return nil, err
	}
	b, err := tx.sub(t, segmentName(info.number), false)
	if err != nil {
		return nil, err
	}
	s := &segment{info: info, in: t, b: b, key: key, at: -1}
	if b == nil {
		return nil, s.damaged()
	}
	return s, s.readFence()
}

func (s *segment) damaged() error {
	return fmt.Errorf("%s: segment %d: %w", s.in.name, s.info.number, ErrDamaged)
}

// block opens a block.
func (s *segment) block(kind byte, n uint32, dst []byte) ([]byte, error) {
	key := blockKey(kind, n)
	sealed := s.b.Get(key)
	if sealed == nil {
		return nil, s.damaged()
	}
	plain, _, err := open(dst[:0], s.key, sealed, blockWhere(s.in, s.info.number, key))
	if err != nil {
		return nil, fmt.Errorf("%s: segment %d: %w", s.in.name, s.info.number, err)
	}
	return plain, nil
}

func (s *segment) readFence() error {
	plain, err := s.block(blockFence, 0, nil)
	if err != nil {
		return err
	}
	c := cutter{b: plain}
	s.docs = c.u32()
	for n := c.uvarint(); n > 0 && !c.bad; n-- {
		s.fences = append(s.fences, c.bytes(c.uvarint()))
	}
	for n := c.uvarint(); n > 0 && !c.bad; n-- {
		s.blocks = append(s.blocks, docBlock{c.u32(), docOrder(c.uvarint())})
	}
	s.abouts = c.u32()
	if c.bad || len(s.blocks) == 0 {
		return s.damaged()
	}
	return nil
}

// loadDocs reads a record block.
func (s *segment) loadDocs(block int) error {
	if s.at == block {
		return nil
	}
	plain, err := s.block(blockDocs, uint32(block), s.plain) //nolint:gosec // an index
	if err != nil {
		return err
	}
	s.plain = plain
	s.records, s.at = s.records[:0], -1
	order := s.blocks[block].order
	c := cutter{b: plain}
	for len(c.b) > 0 {
		order -= docOrder(c.uvarint())
		s.records = append(s.records, segmentDoc{order: order, group: c.uvarint()})
	}
	if c.bad {
		return s.damaged()
	}
	s.at = block
	return nil
}

// doc is the record of a number.
func (s *segment) doc(n uint32) (segmentDoc, error) {
	block := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].first > n }) - 1
	if block < 0 {
		return segmentDoc{}, s.damaged()
	}
	if err := s.loadDocs(block); err != nil {
		return segmentDoc{}, err
	}
	i := int(n - s.blocks[block].first)
	if i >= len(s.records) {
		return segmentDoc{}, s.damaged()
	}
	return s.records[i], nil
}

// from is the number of the first record that is not newer than an order.
func (s *segment) from(order docOrder) (uint32, error) {
	block := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].order <= order })
	if block == 0 {
		return 0, nil
	}
	block--
	if err := s.loadDocs(block); err != nil {
		return 0, err
	}
	i := sort.Search(len(s.records), func(i int) bool { return s.records[i].order <= order })
	return s.blocks[block].first + uint32(i), nil //nolint:gosec // an index
}

// allDocs reads every record, newest first, and whom it is about.
func (s *segment) allDocs() ([]segmentDoc, error) {
	all := make([]segmentDoc, 0, s.docs)
	for i := range s.blocks {
		if err := s.loadDocs(i); err != nil {
			return nil, err
		}
		all = append(all, s.records...)
	}
	if uint32(len(all)) != s.docs { //nolint:gosec // bounded by mostSegmentDocs
		return nil, s.damaged()
	}
	return all, s.readSubjects(all)
}

// readSubjects fills in whom the records are about.
func (s *segment) readSubjects(all []segmentDoc) error {
	whose := map[uint64]Subject{}
	known := func(n uint64) bool {
		for i := range all[:min(n, uint64(len(all)))] {
			all[i].about = whose[all[i].group]
		}
		ok := n <= uint64(len(all))
		all = all[min(n, uint64(len(all))):]
		return ok
	}
	for block := range s.abouts {
		plain, err := s.block(blockSubjects, block, s.plain)
		if err != nil {
			return err
		}
		s.plain = plain
		for c := (cutter{b: plain}); len(c.b) > 0; {
			ok := known(c.uvarint())
			about := Subject(c.u32())
			if !ok || c.bad || len(all) == 0 {
				return s.damaged()
			}
			all[0].about, whose[all[0].group] = about, about
			all = all[1:]
		}
	}
	known(uint64(len(all)))
	return nil
}

// segmentTerm is a term and where the numbers of its records are.
type segmentTerm struct {
	term   []byte
	has    uint32
	one    uint32   // the only number, when has is 1
	block  uint32   // the first posting block
	off, n int      // of a list that shares its block
	firsts []uint32 // of a long list: the first number in each of its blocks
}

// spot is where the numbers are, for longer than the cursor stays there.
func (t *segmentTerm) spot() segmentTerm {
	c := *t
	c.term, c.firsts = nil, slices.Clone(t.firsts)
	return c
}

// termCursor walks over the terms of a segment in their order.
type termCursor struct {
	s     *segment
	next  int // term block
	buf   []byte
	cut   cutter
	block uint32 // where the next list lies
	off   int
	at    segmentTerm
}

// terms begins at the block that holds from, if any does. A segment has one
// cursor at a time.
func (s *segment) terms(from []byte) *termCursor {
	i := sort.Search(len(s.fences), func(i int) bool { return bytes.Compare(s.fences[i], from) > 0 }) - 1
	return &termCursor{s: s, next: max(i, 0), buf: s.term}
}

// step moves to the next term; false at the end.
func (c *termCursor) step() (bool, error) {
	if len(c.cut.b) == 0 {
		if c.next >= len(c.s.fences) {
			return false, nil
		}
		var err error
		if c.buf, err = c.s.block(blockTerms, uint32(c.next), c.buf); err != nil { //nolint:gosec // an index
			return false, err
		}
		c.next++
		c.s.term = c.buf
		c.cut = cutter{b: c.buf}
		c.block, c.off = c.cut.u32(), int(c.cut.u32())
		c.at.term = c.at.term[:0]
	}
	same := c.cut.uvarint()
	rest := c.cut.bytes(c.cut.uvarint())
	if same > uint64(len(c.at.term)) {
		return false, c.s.damaged()
	}
	c.at.term = append(c.at.term[:same], rest...)
	c.at.has = c.cut.u32()
	c.place()
	if c.cut.bad || c.at.has == 0 || c.at.has > c.s.docs {
		return false, c.s.damaged()
	}
	return true, nil
}

// place follows the layout of the lists as the writer does.
func (c *termCursor) place() {
	c.at.firsts = c.at.firsts[:0]
	if !needsList(c.at.has, c.s.docs) {
		if c.at.has != c.s.docs {
			c.at.one = c.cut.u32()
		}
		return
	}
	n := int(c.cut.u32())
	if c.off > 0 && c.off+n > blockLen {
		c.block, c.off = c.block+1, 0
	}
	c.at.block, c.at.off, c.at.n = c.block, c.off, n
	c.off += n
	if n <= blockLen {
		return
	}
	for left := c.cut.uvarint(); left > 0 && !c.cut.bad; left-- {
		c.at.firsts = append(c.at.firsts, c.cut.u32())
	}
	c.block, c.off = c.block+uint32(len(c.at.firsts)), 0 //nolint:gosec // as many as were read
}

// find looks a term up; nil when no record has it.
func (s *segment) find(term []byte) (*segmentTerm, error) {
	for c := s.terms(term); ; {
		ok, err := c.step()
		if !ok || err != nil {
			return nil, err
		}
		if order := bytes.Compare(c.at.term, term); order >= 0 {
			if order > 0 {
				return nil, nil //nolint:nilnil // no record has it
			}
			return &c.at, nil
		}
	}
}
