// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"slices"
)

const (
	// mergeWidth is how many segments of one level become one of the next.
	mergeWidth = 8
	// mostMergeBytes bounds what a merge keeps in RAM before it is written.
	mostMergeBytes = 48 << 20
	// closedSegments is how many segments a span of days that takes no new
	// messages any more may keep.
	closedSegments = 4
	// blocksPerWrite is how many blocks one transaction takes, so that a merge does
	// not hold up other writers.
	blocksPerWrite = 32
)

// mergeSome merges segments of an edition where that is due; false when it is
// nowhere.
func (s *indexState) mergeSome(ctx context.Context, e *edition) (bool, error) {
	var due []segmentInfo
	err := s.db.View(ctx, func(tx *Tx) error {
		list, err := s.x.live(tx, e.id)
		due = dueMerge(list)
		return err
	})
	if err != nil || due == nil {
		return false, err
	}
	level := due[0].Level
	if slices.MaxFunc(due, func(a, b segmentInfo) int { return int(a.Level) - int(b.Level) }).Level == level {
		level++
	}
	return true, s.rewrite(ctx, due, level, nil)
}

// dueMerge chooses segments to merge, neighbours in age; nil for none. list is
// in the order of ages.
func dueMerge(list []segmentInfo) []segmentInfo {
	groups, newest := map[tailPart][]segmentInfo{}, map[Class]int{}
	for _, i := range list {
		p := tailPart{i.Class, i.window()}
		groups[p] = append(groups[p], i)
		newest[i.Class] = max(newest[i.Class], i.window())
	}
	for p, group := range groups {
		if run := equalLevels(group); run != nil {
			return run
		}
		if p.window < newest[p.class]-1 && len(group) > closedSegments {
			if run := youngest(group); len(run) > 1 {
				return run
			}
		}
	}
	return nil
}

// equalLevels finds neighbours of one level, enough to merge them.
func equalLevels(group []segmentInfo) []segmentInfo {
	for start := 0; start+mergeWidth <= len(group); start++ {
		run := group[start : start+mergeWidth]
		same := !slices.ContainsFunc(run, func(i segmentInfo) bool { return i.Level != run[0].Level })
		if same && fits(run) {
			return run
		}
	}
	return nil
}

// youngest is the longest run at the end of a group that makes one segment.
func youngest(group []segmentInfo) []segmentInfo {
	start := len(group)
	for start > 0 && fits(group[start-1:]) {
		start--
	}
	return group[start:]
}

func fits(run []segmentInfo) bool {
	var docs, bytes uint64
	for _, i := range run {
		docs, bytes = docs+uint64(i.Docs), bytes+i.Bytes
	}
	return docs <= mostSegmentDocs && bytes <= mostMergeBytes
}

// rewrite puts one segment into the place of several, without what keep refuses.
// The old ones answer until the last step.
func (s *indexState) rewrite(ctx context.Context, old []segmentInfo, level uint8, keep func(Ref, Subject) bool) error {
	numbers, err := s.x.takeNumbers(ctx, s.db, 1)
	if err != nil {
		return err
	}
	sink, err := s.x.newSink(s.db, numbers[0])
	if err != nil {
		return err
	}
	m := segmentMerge{keep: keep, out: &segmentWriter{put: sink.put}}
	err = s.db.View(ctx, func(tx *Tx) error {
		for _, i := range old {
			one, err := openSegment(tx, &s.x.segments, i)
			if err != nil {
				return err
			}
			m.in = append(m.in, one)
		}
		return m.run()
	})
	if err != nil {
		return fmt.Errorf("merging the index: %w", err)
	}
	if m.info.Docs == 0 {
		gone := append(slices.Clone(old), segmentInfo{number: numbers[0]})
		return s.db.Update(ctx, func(tx *Tx) error { return s.x.replace(tx, nil, gone) })
	}
	for part := range slices.Chunk(sink.blocks, blocksPerWrite) {
		if err := s.db.Update(ctx, func(tx *Tx) error { return sink.write(tx, part) }); err != nil {
			return fmt.Errorf("merging the index: %w", err)
		}
	}
	m.info.number, m.info.Level, m.info.Bytes = numbers[0], level, sink.bytes
	return s.db.Update(ctx, func(tx *Tx) error { return s.x.replace(tx, []segmentInfo{m.info}, old) })
}

// forget implements index.
func (x *indexCore) forget(ctx context.Context, db *DB, gone func(Subject, DayKey) bool) (replaced []uint32, err error) {
	s := x.in(db)
	s.work.Lock()
	defer s.work.Unlock()
	s.gone = append(s.gone, gone)
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if err := s.sweep(ctx); err != nil {
		return nil, err
	}
	for _, e := range s.editions {
		tail := e.tail.without(gone)
		s.change(func() { e.tail = tail })
		if err := s.forgetIn(ctx, e, gone); err != nil {
			return nil, err
		}
	}
	err = db.View(ctx, func(tx *Tx) error {
		all, err := x.allSegments(tx)
		for _, i := range all {
			if i.State == segmentRetired {
				replaced = append(replaced, i.number)
			}
		}
		return err
	})
	return replaced, err
}

// forgetIn writes the segments of an edition anew that hold something of what
// gone names.
func (s *indexState) forgetIn(ctx context.Context, e *edition, gone func(Subject, DayKey) bool) error {
	var list []segmentInfo
	err := s.db.View(ctx, func(tx *Tx) (err error) {
		list, err = s.x.live(tx, e.id)
		return err
	})
	if err != nil {
		return err
	}
	for _, i := range list {
		err := s.forgetSegment(ctx, i, gone)
		if unreadable(err) { // who knows what is in it: it goes whole, and the index is built anew
			s.lost.Store(true)
			err = s.db.Update(ctx, func(tx *Tx) error { return s.x.replace(tx, nil, []segmentInfo{i}) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *indexState) forgetSegment(ctx context.Context, i segmentInfo, gone func(Subject, DayKey) bool) error {
	touched := false
	err := s.db.View(ctx, func(tx *Tx) error {
		one, err := openSegment(tx, &s.x.segments, i)
		if err == nil {
			touched, err = one.holds(gone)
		}
		return err
	})
	if err != nil || !touched {
		return err
	}
	return s.rewrite(ctx, []segmentInfo{i}, i.Level, func(r Ref, about Subject) bool { return !gone(about, r.DayKey) })
}

// holds tells whether the segment has a record of what gone names.
func (s *segment) holds(gone func(Subject, DayKey) bool) (bool, error) {
	all, err := s.allDocs()
	return slices.ContainsFunc(all, func(d segmentDoc) bool {
		return gone(d.about, DayKey{s.info.Class, d.order.day()})
	}), err
}

// drop implements index.
func (x *indexCore) drop(ctx context.Context, db *DB, replaced []uint32) error {
	s := x.in(db)
	s.work.Lock()
	defer s.work.Unlock()
	s.gone = nil // nothing of it can be read any more
	if len(replaced) == 0 {
		return nil
	}
	return db.Update(ctx, func(tx *Tx) error {
		b, err := tx.bucket(&x.list)
		if err != nil {
			return err
		}
		for _, n := range replaced {
			key, i := segmentLine(n), segmentInfo{}
			v := b.Get(key)
			if v == nil {
				continue
			}
			if err := decoding.Unmarshal(v, &i); err != nil {
				return fmt.Errorf("%s: %w", x.list.name, ErrDamaged)
			}
			if i.State == segmentRetired {
				if err := tx.delete(b, key); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
