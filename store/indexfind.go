// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"time"
)

// Want is one thing that a record must have: one of some terms, or a term that
// begins with one of some texts.
type Want struct {
	Any    []string
	Prefix bool
}

// IndexQuery selects records. Zero members select everything.
type IndexQuery struct {
	All      []Want
	From, To Day // the first and the last day; 0 = no bound
	Before   Ref // only what comes behind this record in the order of hits
}

// IndexProgress is how far an index has come.
type IndexProgress struct {
	// Complete says that everything that was there at the start of the index is in
	// it. Until then it holds what is of the days from Since on.
	Complete bool
	Since    Day
	// Days and DaysDone count the days there are, and those that have been read.
	Days, DaysDone int
	// Behind is how many entries of the log are still to be read, at most.
	Behind uint64
	// Rebuilding says that a new version is being built while the old one answers.
	Rebuilding bool
}

// Progress tells how far the index has come.
func (x *Index[T]) Progress(ctx context.Context, db *DB) (p IndexProgress, err error) {
	s := x.core.in(db)
	s.mu.RLock()
	var answers, builds editionState
	loaded := len(s.editions) > 0
	if loaded {
		answers, builds = s.editions[0].now, s.editions[len(s.editions)-1].now
		p.Rebuilding = len(s.editions) > 1
	}
	s.mu.RUnlock()
	err = db.View(ctx, func(tx *Tx) error {
		last := x.core.log.Last(tx)
		p.Behind = last - min(answers.Seq, last)
		days := tx.days(x.core.table)
		p.Days = len(days)
		if builds.Scanned {
			p.DaysDone = len(days)
			return nil
		}
		for _, day := range days {
			if builds.Begun && scanOrder(day, builds.Place.Day) < 0 {
				p.DaysDone++
			}
		}
		return nil
	})
	p.Complete, p.Since = answers.Scanned, answers.since()
	return p, err
}

// since is the first day of which everything is there.
func (e *editionState) since() Day {
	switch {
	case e.Scanned:
		return 0
	case !e.Begun:
		return ^Day(0)
	}
	return e.Place.Day.Day + 1
}

// How long a search waits for what was committed before it: it is a matter of
// milliseconds unless much comes in at once.
const (
	indexPatience  = 5 * time.Second
	indexFarBehind = 20_000
)

// Wait returns when what was committed before is in the index, or when that will
// take long.
func (x *Index[T]) Wait(ctx context.Context, db *DB) error {
	s := x.core.in(db)
	var last uint64
	err := db.View(ctx, func(tx *Tx) error {
		last = x.core.log.Last(tx)
		return nil
	})
	if err != nil {
		return err
	}
	patience := time.NewTimer(indexPatience)
	defer patience.Stop()
	for {
		s.mu.RLock()
		moved, ready := s.moved, s.readyFor(last)
		s.mu.RUnlock()
		if ready {
			return nil
		}
		select {
		case <-moved:
		case <-patience.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readyFor tells whether a search need not wait; it needs the lock.
func (s *indexState) readyFor(last uint64) bool {
	if len(s.editions) == 0 {
		return false
	}
	now := &s.editions[0].now
	if !now.Scanned && time.Since(s.begun) < indexPatience {
		return false
	}
	return now.Seq >= last || last-now.Seq > indexFarBehind
}

// findTries is how often a search goes on after the index was rewritten under it.
const findTries = 4

// Find calls fn with the records that are likely to have everything the query
// wants: by day and sequence number, the newest first. fn reads each and decides;
// ErrStop ends the search without an error. Each call may see a newer picture of
// the store than the one before.
func (x *Index[T]) Find(ctx context.Context, db *DB, q IndexQuery, fn func(*Tx, Ref) error) error {
	f := &finder{s: x.core.in(db), q: q, upper: ^docOrder(0), fn: fn}
	if q.To != 0 && q.To != ^Day(0) {
		f.upper = docOrder(q.To+1)<<seqBits - 1
	}
	f.lower = docOrder(q.From) << seqBits
	if q.Before.Seq != 0 {
		f.upper = min(f.upper, orderOf(q.Before)-1)
	}
	for try := range findTries {
		f.lenient = try == findTries-1
		err := f.run(ctx)
		if !unreadable(err) {
			return stopped(err)
		}
	}
	return nil
}

// finder is one search.
type finder struct {
	s            *indexState
	q            IndexQuery
	upper, lower docOrder // what is still to be found
	lenient      bool     // pass over a segment that does not open
	fn           func(*Tx, Ref) error
}

// hitSource gives hits, newest first: the tail or a segment.
type hitSource struct {
	at   docOrder // of the hit, or the newest there may be before it is opened
	ref  Ref
	next func() (bool, error)
}

func (f *finder) run(ctx context.Context) error {
	// The tail is looked at before the segments: what moves from one to the other
	// meanwhile is found twice rather than not at all.
	f.s.mu.RLock()
	if len(f.s.editions) == 0 {
		f.s.mu.RUnlock()
		return nil
	}
	id, tail := f.s.editions[0].id, f.s.editions[0].tail
	f.s.mu.RUnlock()
	sources := []*hitSource{f.inTail(tail.find(f.q.All))}
	return f.s.db.View(ctx, func(tx *Tx) error {
		list, err := f.s.x.live(tx, id)
		if err != nil {
			return err
		}
		for _, i := range list {
			if i.Newest >= f.lower && i.Oldest <= f.upper {
				sources = append(sources, f.inSegment(tx, i))
			}
		}
		return f.collect(ctx, tx, sources)
	})
}

// collect takes the newest hit of all sources again and again.
func (f *finder) collect(ctx context.Context, tx *Tx, sources []*hitSource) error {
	for n := 0; len(sources) > 0; n++ {
		if n%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		best := newestSource(sources)
		s := sources[best]
		if s.ref.Seq != 0 && s.at <= f.upper {
			f.upper = s.at - 1
			if err := f.fn(tx, s.ref); err != nil {
				return err
			}
		}
		more, err := s.next()
		if unreadable(err) && f.lenient {
			f.s.lost.Store(true)
		} else if err != nil {
			return err
		}
		if !more || s.at < f.lower {
			sources = slices.Delete(sources, best, best+1)
		}
	}
	return nil
}

func newestSource(sources []*hitSource) (best int) {
	for i, s := range sources {
		if s.at > sources[best].at {
			best = i
		}
	}
	return best
}

// inTail gives what was found in the tail.
func (f *finder) inTail(found []tailDoc) *hitSource {
	s := &hitSource{at: ^docOrder(0)}
	s.next = func() (bool, error) {
		for len(found) > 0 {
			d := &found[0]
			found = found[1:]
			if d.order <= f.upper {
				s.at, s.ref = d.order, d.ref(d.class)
				return true, nil
			}
		}
		return false, nil
	}
	return s
}

// inSegment opens the segment at the first call.
func (f *finder) inSegment(tx *Tx, info segmentInfo) *hitSource {
	s := &hitSource{at: info.Newest}
	var in *segment
	var lists []hits
	var number uint32
	s.next = func() (bool, error) {
		var err error
		if in == nil {
			if in, err = openSegment(tx, &f.s.x.segments, info); err != nil {
				return false, err
			}
			if lists, err = in.candidates(f.q.All); err != nil || lists == nil {
				return false, err
			}
			if number, err = in.from(f.upper); err != nil {
				return false, err
			}
		}
		at, ok, err := meet(lists, number)
		if !ok || err != nil {
			return false, err
		}
		d, err := in.doc(at)
		if err != nil {
			return false, err
		}
		s.at, s.ref, number = d.order, d.ref(info.Class), at+1
		return true, nil
	}
	return s
}
