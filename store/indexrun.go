// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// indexState is an index in one store.
type indexState struct {
	x  *indexCore
	db *DB
	// work is held by who changes what the index holds: the follower for a step,
	// an erasure or expiry for a part of theirs.
	work sync.Mutex
	gone []func(Subject, DayKey) bool // what is about to be destroyed
	lost atomic.Bool                  // a segment does not open: the index is to be built anew

	mu       sync.RWMutex
	editions []*edition // the one that answers, and one that is being built to replace it
	moved    chan struct{}
	begun    time.Time
}

// in is the state of the index in a store.
func (x *indexCore) in(db *DB) *indexState {
	if s, ok := db.indexes.Load(x); ok {
		return s.(*indexState) //nolint:errcheck,forcetypeassert // only states are put there
	}
	s, _ := db.indexes.LoadOrStore(x, &indexState{x: x, db: db, moved: make(chan struct{}), begun: time.Now()})
	return s.(*indexState) //nolint:errcheck,forcetypeassert // only states are put there
}

// How much is read in one view, and how long the follower rests after an error
// that no commit ends.
const (
	indexStep = 1000
	indexRest = time.Minute
)

// runner is an index that is kept up behind the scenes.
type runner interface {
	run(ctx context.Context, db *DB)
}

// runIndexes starts what keeps the indexes up.
func (db *DB) runIndexes(ctx context.Context) {
	for _, i := range declared.allIndexes() {
		if r, ok := i.(runner); ok {
			db.loops.Go(func() { r.run(ctx, db) })
		}
	}
}

// run follows the log until the store is closed.
func (x *indexCore) run(ctx context.Context, db *DB) {
	s := x.in(db)
	for ctx.Err() == nil {
		wake := x.log.Watch(db)
		rest := make(<-chan time.Time)
		if err := s.advance(ctx); err != nil && ctx.Err() == nil {
			if db.Err() != nil || errors.Is(err, ErrClosed) {
				return
			}
			db.log.Warn("the search index could not be kept up; it is tried again", "error", err)
			wake, rest = nil, time.After(indexRest)
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-rest:
		}
	}
}

// advance does whatever there is to do, a step at a time.
func (s *indexState) advance(ctx context.Context) error {
	for {
		more, err := s.step(ctx)
		if err != nil || !more || ctx.Err() != nil {
			return err
		}
	}
}

func (s *indexState) step(ctx context.Context) (more bool, err error) {
	s.work.Lock()
	defer s.work.Unlock()
	defer s.tell()
	if err := s.load(ctx); err != nil {
		return false, err
	}
	for _, e := range s.editions {
		followed, err := s.follow(ctx, e)
		if err != nil {
			return false, err
		}
		scanned, err := s.scan(ctx, e)
		if err != nil {
			return false, err
		}
		merged, err := s.tidyUp(ctx, e, followed)
		if err != nil {
			return false, err
		}
		more = more || followed || scanned || merged
	}
	switch {
	case more:
		return true, nil
	case len(s.editions) > 1:
		return true, s.takeOver(ctx)
	case s.lost.Load():
		return true, s.rebuild(ctx)
	}
	return false, nil
}

// tidyUp writes a tail that is full, and merges while there is nothing to read.
func (s *indexState) tidyUp(ctx context.Context, e *edition, busy bool) (more bool, err error) {
	if e.tail.full() {
		return true, s.flush(ctx, e)
	}
	if busy || s.lost.Load() {
		return false, nil
	}
	more, err = s.mergeSome(ctx, e)
	if unreadable(err) {
		s.lost.Store(true)
		return true, nil
	}
	return more, err
}

// tell wakes those who wait for the index.
func (s *indexState) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.moved)
	s.moved = make(chan struct{})
}

// change sets what is read while the follower works.
func (s *indexState) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// load reads which editions there are, once, and decides which is to be built.
func (s *indexState) load(ctx context.Context) error {
	if s.editions != nil {
		return nil
	}
	if err := s.sweep(ctx); err != nil {
		return err
	}
	var all []*edition
	lost, last := false, uint64(0)
	err := s.db.View(ctx, func(tx *Tx) (err error) {
		if all, err = s.x.editions(tx); err != nil || len(all) == 0 {
			last = s.x.log.Last(tx)
			return err
		}
		last = s.x.log.Last(tx)
		list, err := s.x.live(tx, all[0].id)
		lost = slices.ContainsFunc(list, func(i segmentInfo) bool { return !s.db.keys.segmentAlive(i.number) })
		return err
	})
	if err != nil {
		return err
	}
	fresh := func(id uint32) *edition { return s.x.fresh(id, last) }
	switch {
	case len(all) == 0:
		all = append(all, fresh(1))
	case len(all) == 1 && (lost || all[0].saved.Version != s.x.version):
		all = append(all, fresh(all[0].id+1))
	case len(all) > 1 && all[len(all)-1].saved.Version != s.x.version:
		if err := s.remove(ctx, all[1:]...); err != nil {
			return err
		}
		all = append(all[:1], fresh(all[len(all)-1].id+1))
	}
	s.change(func() { s.editions = all[:min(len(all), 2)] })
	return nil
}

// fresh is an edition that holds nothing yet of what was before seq.
func (x *indexCore) fresh(id uint32, seq uint64) *edition {
	return &edition{id: id, now: editionState{Version: x.version, Seq: seq}, tail: newIndexTail()}
}

// rebuild begins another edition because the one that answers lost something.
func (s *indexState) rebuild(ctx context.Context) error {
	return s.db.View(ctx, func(tx *Tx) error {
		next := s.x.fresh(s.editions[0].id+1, s.x.log.Last(tx))
		s.change(func() { s.editions = append(s.editions, next) })
		s.db.log.Warn("a part of the search index does not open; it is built anew")
		return nil
	})
}

// sweep retires what a crash or an error left half written.
func (s *indexState) sweep(ctx context.Context) error {
	var half []segmentInfo
	err := s.db.View(ctx, func(tx *Tx) error {
		all, err := s.x.allSegments(tx)
		half = slices.DeleteFunc(all, func(i segmentInfo) bool { return i.State != segmentBuilding })
		return err
	})
	if err != nil || len(half) == 0 {
		return err
	}
	return s.db.Update(ctx, func(tx *Tx) error { return s.x.replace(tx, nil, half) })
}

// remove takes editions away with all their segments.
func (s *indexState) remove(ctx context.Context, gone ...*edition) error {
	return s.db.Update(ctx, func(tx *Tx) error {
		var all []segmentInfo
		for _, e := range gone {
			list, err := s.x.live(tx, e.id)
			if err != nil {
				return err
			}
			all = append(all, list...)
			if err := s.x.deleteLine(tx, editionLine(e.id)); err != nil {
				return err
			}
		}
		return s.x.replace(tx, nil, all)
	})
}

// takeOver lets the edition that was built answer from now on.
func (s *indexState) takeOver(ctx context.Context) error {
	next := s.editions[1]
	if err := s.flush(ctx, next); err != nil {
		return err
	}
	if err := s.remove(ctx, s.editions[0]); err != nil {
		return err
	}
	s.change(func() { s.editions = []*edition{next} })
	s.lost.Store(false)
	return nil
}

// doomed tells whether what is about s in a partition is about to be destroyed.
func (s *indexState) doomed(about Subject, k DayKey) bool {
	return slices.ContainsFunc(s.gone, func(gone func(Subject, DayKey) bool) bool { return gone(about, k) })
}

// follow reads on in the log.
func (s *indexState) follow(ctx context.Context, e *edition) (more bool, err error) {
	var terms []byte
	seq := e.now.Seq
	err = s.db.View(ctx, func(tx *Tx) error {
		list, err := s.x.log.Read(tx, seq, indexStep)
		if err != nil {
			return err
		}
		more = len(list) == indexStep
		for i := range list {
			if e.tail.full() {
				more = true
				return nil
			}
			ref, fresh, ok := s.x.of(list[i])
			if ok {
				var about Subject
				if terms, about, ok, err = s.x.read(tx, ref, fresh, terms[:0]); err != nil {
					return err
				}
				if ok && !s.doomed(about, ref.DayKey) {
					e.tail.add(ref, about, terms)
				}
			}
			seq = list[i].Seq
		}
		return nil
	})
	s.change(func() { e.now.Seq = seq })
	return more, err
}

// scan reads on in what was there before the edition, newest days first.
func (s *indexState) scan(ctx context.Context, e *edition) (more bool, err error) {
	now := e.now
	if now.Scanned || e.tail.full() {
		return !now.Scanned, nil
	}
	err = s.db.View(ctx, func(tx *Tx) error {
		if !now.Begun {
			s.nextDay(tx, &now)
		}
		for left := indexStep; left > 0 && !now.Scanned && !e.tail.full(); left-- {
			ended, err := s.scanDay(tx, e, &now, &left)
			if err != nil {
				return err
			}
			if ended {
				s.nextDay(tx, &now)
			}
		}
		return nil
	})
	s.change(func() { e.now.Scanned, e.now.Begun, e.now.Place = now.Scanned, now.Begun, now.Place })
	return !now.Scanned, err
}

// scanDay reads on in one day; ended tells that there is no more of it.
func (s *indexState) scanDay(tx *Tx, e *edition, now *editionState, left *int) (ended bool, err error) {
	ended = true
	err = s.x.scan(tx, now.Place, func(ref Ref, about Subject, terms []byte) error {
		if !s.doomed(about, ref.DayKey) {
			e.tail.add(ref, about, terms)
		}
		now.Place.Group, now.Place.Seq = ref.Group, ref.Seq
		if *left--; *left <= 0 || e.tail.full() {
			ended = false
			return ErrStop
		}
		return nil
	})
	return ended, err
}

// nextDay moves to the partition that is scanned after this one.
func (s *indexState) nextDay(tx *Tx, now *editionState) {
	days := tx.days(s.x.table)
	slices.SortFunc(days, scanOrder)
	for _, day := range days {
		if !now.Begun || scanOrder(now.Place.Day, day) < 0 {
			now.Begun, now.Place = true, scanPlace{Day: day}
			return
		}
	}
	now.Scanned = true
}

// scanOrder puts the newest days first.
func scanOrder(a, b DayKey) int {
	return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(b.Class, a.Class))
}

// flush writes the tail of an edition as segments.
func (s *indexState) flush(ctx context.Context, e *edition) error {
	all, docs := e.tail.parts()
	numbers, err := s.x.takeNumbers(ctx, s.db, len(all))
	if err != nil {
		return err
	}
	sinks, writers := make([]*blockSink, len(all)), make([]*segmentWriter, len(all))
	for i, n := range numbers {
		if sinks[i], err = s.x.newSink(s.db, n); err != nil {
			return err
		}
		writers[i] = &segmentWriter{put: sinks[i].put}
	}
	if err := e.tail.write(all, docs, writers); err != nil {
		return err
	}
	infos := make([]segmentInfo, len(all))
	for i, p := range all {
		list := docs[p]
		infos[i] = segmentInfo{
			number: numbers[i], Edition: e.id, Class: p.class, Docs: writers[i].docs, Age: uint64(numbers[i]),
			Newest: e.tail.docs[list[0]].order, Oldest: e.tail.docs[list[len(list)-1]].order, Bytes: sinks[i].bytes,
		}
	}
	now := e.now
	err = s.db.Update(ctx, func(tx *Tx) error {
		for _, k := range sinks {
			if err := k.write(tx, k.blocks); err != nil {
				return err
			}
		}
		if err := s.x.putLine(tx, editionLine(e.id), now); err != nil {
			return err
		}
		return s.x.replace(tx, infos, nil)
	})
	if err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	s.change(func() { e.tail, e.saved = newIndexTail(), now })
	return nil
}

// blockSink seals the blocks of a segment.
type blockSink struct {
	x      *indexCore
	number uint32
	key    *segmentKey
	blocks []sealedBlock
	bytes  uint64
}

type sealedBlock struct{ key, value []byte }

func (x *indexCore) newSink(db *DB, number uint32) (*blockSink, error) {
	key, err := db.keys.segment(number)
	return &blockSink{x: x, number: number, key: key}, err
}

func (k *blockSink) put(key, plain []byte) error {
	sealed, err := seal(make([]byte, 0, overhead+len(plain)), k.key, Nobody, DayKey{}, plain, blockWhere(&k.x.segments, k.number, key))
	if err != nil {
		return err
	}
	k.bytes += uint64(len(key) + len(sealed))
	k.blocks = append(k.blocks, sealedBlock{key, sealed})
	return nil
}

func (k *blockSink) write(tx *Tx, blocks []sealedBlock) error {
	b, err := tx.sub(&k.x.segments, segmentName(k.number), true)
	if err != nil {
		return err
	}
	for _, one := range blocks {
		if err := tx.put(b, one.key, one.value); err != nil {
			return err
		}
	}
	return nil
}
