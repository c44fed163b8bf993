// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
)

// An index is kept in segments that are never changed, only written anew. The
// records of a segment have one class and lie within 31 days; they are numbered
// from the newest (0) to the oldest, so that the first hits of a search are the
// newest. Every block is one age file under the key of the segment.
//
//	f          docs | term blocks: n, (length, first term)* | record blocks: n, (first number, its order)* | subject blocks: n
//	t | n u32  posting block, offset | (shared, length, rest of the term, how many, where)*
//	p | n u32  posting lists: differences of numbers, ascending
//	o | n u32  (order before - order, group)*
//	s | n u32  (records that are about whom the last one of their group was, subject of the next)*
//
// "where" is nothing when every record of the segment has the term, the number
// of the record when one has it, else the length of its list; lists lie one
// behind the other, and one that does not fit into the rest of a block begins
// the next. A list longer than a block has blocks of its own: their count and
// the first number in each follow its length, which is then given as one more
// than fits.
const (
	// A page of bbolt holds two values at least: two sealed blocks of these lengths
	// fill four, two and one pages of 4 KiB. What is read for a single entry has
	// short blocks.
	blockLen     = 7990
	termBlockLen = 3900
	docBlockLen  = 1850
	// segmentDays is how many days a segment may span.
	segmentDays = 31
	// mostSegmentDocs is how many records a segment may have.
	mostSegmentDocs = 1 << 18
)

// Kinds of blocks.
const (
	blockFence    = 'f'
	blockTerms    = 't'
	blockPostings = 'p'
	blockDocs     = 'o'
	blockSubjects = 's'
)

// docOrder sorts records: by day, and by sequence number within the day.
type docOrder uint64

const seqBits = 48

func orderOf(r Ref) docOrder { return docOrder(uint64(r.Day)<<seqBits | r.Seq&(1<<seqBits-1)) }

func (o docOrder) day() Day { return Day(o >> seqBits) }

func (o docOrder) seq() uint64 { return uint64(o) & (1<<seqBits - 1) }

// segmentDoc is a record as a segment knows it.
type segmentDoc struct {
	order docOrder
	group uint64
	about Subject
}

func (d *segmentDoc) ref(c Class) Ref {
	return Ref{DayKey: DayKey{c, d.order.day()}, Group: d.group, Seq: d.order.seq()}
}

// segmentInfo is the line of a segment in the list, plain numbers. Numbers of
// fields are never used again.
type segmentInfo struct {
	number  uint32
	State   uint8    `cbor:"1,keyasint"`
	Edition uint32   `cbor:"2,keyasint,omitempty"`
	Class   Class    `cbor:"3,keyasint,omitempty"`
	Level   uint8    `cbor:"4,keyasint,omitempty"`
	Docs    uint32   `cbor:"5,keyasint,omitempty"`
	Age     uint64   `cbor:"6,keyasint,omitempty"` // of two records that are one, that of the larger age counts
	Newest  docOrder `cbor:"7,keyasint,omitempty"`
	Oldest  docOrder `cbor:"8,keyasint,omitempty"`
	Bytes   uint64   `cbor:"9,keyasint,omitempty"`
}

// States of a segment.
const (
	segmentBuilding uint8 = iota + 1 // its blocks are being written; nobody reads it
	segmentLive
	segmentRetired // replaced; its number waits to be destroyed
)

// window is the span of days that segments of a class do not cross.
func windowOf(d Day) int { return int(d) / segmentDays }

func (i *segmentInfo) window() int { return windowOf(i.Newest.day()) }

func blockKey(kind byte, n uint32) []byte {
	if kind == blockFence {
		return []byte{kind}
	}
	return binary.BigEndian.AppendUint32([]byte{kind}, n)
}

func segmentName(number uint32) []byte { return binary.BigEndian.AppendUint32(nil, number) }

// blockWhere is the place a block is sealed for.
func blockWhere(t *bin, number uint32, key []byte) []byte {
	w := append([]byte(nil), t.where...)
	w = binary.BigEndian.AppendUint32(w, number)
	return append(w, key...)
}

// segmentWriter lays out a segment from its records, newest first, and its
// terms in ascending order.
type segmentWriter struct {
	put    func(key, plain []byte) error
	docs   uint32
	blocks []docBlock // record blocks
	record []byte
	last   docOrder

	subjects  []byte
	nSubjects uint32
	same      uint64 // records since the last one in subjects
	whose     map[uint64]Subject

	fences    []byte // first terms of the term blocks
	nTerms    uint32
	terms     []byte
	prev      []byte
	postings  []byte
	nPostings uint32
	entry     []byte
	list      []byte
	firsts    []uint32
	ends      []int
}

// docBlock is where a record block begins.
type docBlock struct {
	first uint32
	order docOrder
}

// doc adds the next record.
func (w *segmentWriter) doc(d *segmentDoc) error {
	if len(w.record) > docBlockLen-2*binary.MaxVarintLen64 {
		if err := w.flushDocs(); err != nil {
			return err
		}
	}
	if len(w.record) == 0 {
		w.blocks = append(w.blocks, docBlock{w.docs, d.order})
		w.last = d.order
	}
	w.record = binary.AppendUvarint(w.record, uint64(w.last-d.order))
	w.record = binary.AppendUvarint(w.record, d.group)
	w.last = d.order
	w.docs++
	return w.subject(d)
}

// subject notes whom a record is about, unless it is whom the group is known to
// be about.
func (w *segmentWriter) subject(d *segmentDoc) error {
	if about, ok := w.whose[d.group]; ok && about == d.about {
		w.same++
		return nil
	}
	if w.whose == nil {
		w.whose = map[uint64]Subject{}
	}
	w.whose[d.group] = d.about
	w.subjects = binary.AppendUvarint(w.subjects, w.same)
	w.subjects = binary.AppendUvarint(w.subjects, uint64(d.about))
	w.same = 0
	if len(w.subjects) > blockLen-2*binary.MaxVarintLen64 {
		return w.flushSubjects()
	}
	return nil
}

func (w *segmentWriter) flushSubjects() error {
	err := w.put(blockKey(blockSubjects, w.nSubjects), w.subjects)
	w.subjects = w.subjects[:0]
	w.nSubjects++
	return err
}

func (w *segmentWriter) flushDocs() error {
	if len(w.record) == 0 {
		return nil
	}
	err := w.put(blockKey(blockDocs, uint32(len(w.blocks)-1)), w.record)
	w.record = w.record[:0]
	return err
}

// term adds a term with the numbers of its records, ascending. All records come
// before the first term.
func (w *segmentWriter) term(term []byte, numbers []uint32) error {
	w.encodeList(numbers)
	w.encodeEntry(term, numbers)
	if len(w.terms)+len(w.entry) > termBlockLen && len(w.terms) > 0 {
		if err := w.flushTerms(); err != nil {
			return err
		}
	}
	if len(w.terms) == 0 {
		w.fences = binary.AppendUvarint(w.fences, uint64(len(term)))
		w.fences = append(w.fences, term...)
		w.terms = binary.AppendUvarint(w.terms, uint64(w.nPostings))
		w.terms = binary.AppendUvarint(w.terms, uint64(len(w.postings)))
		w.prev = w.prev[:0]
		w.encodeEntry(term, numbers)
	}
	w.terms = append(w.terms, w.entry...)
	w.prev = append(w.prev[:0], term...)
	if !needsList(uint32(len(numbers)), w.docs) {
		return nil
	}
	return w.place()
}

// needsList tells whether a term that so many records have needs a list.
func needsList(has, docs uint32) bool { return has != docs && has != 1 }

// encodeList writes the list, and where its blocks end if it is long.
func (w *segmentWriter) encodeList(numbers []uint32) {
	w.list, w.firsts, w.ends = w.list[:0], w.firsts[:0], w.ends[:0]
	if !needsList(uint32(len(numbers)), w.docs) {
		return
	}
	var last uint32
	start := 0
	for _, n := range numbers {
		if len(w.list)-start > blockLen-binary.MaxVarintLen32 {
			w.ends = append(w.ends, len(w.list))
			start, last = len(w.list), 0
		}
		if len(w.list) == start {
			w.firsts = append(w.firsts, n)
		}
		w.list = binary.AppendUvarint(w.list, uint64(n-last))
		last = n
	}
	w.ends = append(w.ends, len(w.list))
}

func (w *segmentWriter) encodeEntry(term []byte, numbers []uint32) {
	same := 0
	for same < len(term) && same < len(w.prev) && term[same] == w.prev[same] {
		same++
	}
	e := binary.AppendUvarint(w.entry[:0], uint64(same))
	e = binary.AppendUvarint(e, uint64(len(term)-same))
	e = append(e, term[same:]...)
	e = binary.AppendUvarint(e, uint64(len(numbers)))
	switch {
	case uint32(len(numbers)) == w.docs:
	case len(numbers) == 1:
		e = binary.AppendUvarint(e, uint64(numbers[0]))
	case len(w.ends) == 1:
		e = binary.AppendUvarint(e, uint64(len(w.list)))
	default:
		e = binary.AppendUvarint(e, blockLen+1)
		e = binary.AppendUvarint(e, uint64(len(w.firsts)))
		for _, n := range w.firsts {
			e = binary.AppendUvarint(e, uint64(n))
		}
	}
	w.entry = e
}

// place writes the list where readers expect it.
func (w *segmentWriter) place() error {
	long := len(w.ends) > 1
	if len(w.postings) > 0 && (long || len(w.postings)+len(w.list) > blockLen) {
		if err := w.flushPostings(); err != nil {
			return err
		}
	}
	if !long {
		w.postings = append(w.postings, w.list...)
		return nil
	}
	start := 0
	for _, end := range w.ends {
		w.postings = append(w.postings[:0], w.list[start:end]...)
		if err := w.flushPostings(); err != nil {
			return err
		}
		start = end
	}
	return nil
}

func (w *segmentWriter) flushTerms() error {
	err := w.put(blockKey(blockTerms, w.nTerms), w.terms)
	w.terms = w.terms[:0]
	w.nTerms++
	return err
}

func (w *segmentWriter) flushPostings() error {
	err := w.put(blockKey(blockPostings, w.nPostings), w.postings)
	w.postings = w.postings[:0]
	w.nPostings++
	return err
}

// close writes what is left, and the fence.
func (w *segmentWriter) close() error {
	if err := w.flushDocs(); err != nil {
		return err
	}
	if len(w.subjects) > 0 {
		if err := w.flushSubjects(); err != nil {
			return err
		}
	}
	if len(w.postings) > 0 {
		if err := w.flushPostings(); err != nil {
			return err
		}
	}
	if len(w.terms) > 0 {
		if err := w.flushTerms(); err != nil {
			return err
		}
	}
	f := binary.AppendUvarint(nil, uint64(w.docs))
	f = binary.AppendUvarint(f, uint64(w.nTerms))
	f = append(f, w.fences...)
	f = binary.AppendUvarint(f, uint64(len(w.blocks)))
	for _, b := range w.blocks {
		f = binary.AppendUvarint(f, uint64(b.first))
		f = binary.AppendUvarint(f, uint64(b.order))
	}
	f = binary.AppendUvarint(f, uint64(w.nSubjects))
	if err := w.put(blockKey(blockFence, 0), f); err != nil {
		return fmt.Errorf("writing a segment: %w", err)
	}
	return nil
}
