// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// essay is a record that is found by its words.
type essay struct {
	Subject Subject `cbor:"1,keyasint,omitempty"`
	Text    string  `cbor:"2,keyasint,omitempty"`
	Edited  bool    `cbor:"3,keyasint,omitempty"`
}

var (
	essays   = NewDayTable("t.essays", func(e *essay) Subject { return e.Subject })
	essayLog = NewLog("t.essays.log")
	essayIn  = NewIndex("t.words", essays, IndexOptions[essay]{
		Version: 1, Log: essayLog,
		Of: func(e Entry) (Ref, bool, bool) {
			return Ref{DayKey{Class(e.C >> 16), Day(e.C)}, e.A, e.B}, e.Kind == 1, e.Kind != 0
		},
		Rewritten: func(e *essay) bool { return e.Edited },
		Terms: func(_ *Tx, _ Ref, e *essay, add func([]byte)) {
			for w := range strings.FieldsSeq(e.Text) {
				add([]byte(w))
			}
		},
	})
)

// library is a store of essays and what should be found in it.
type library struct {
	*testing.T
	db    *DB
	dir   string
	clock *clock
	r     *rand.Rand
	have  map[Ref]essay
	// doomed is who is about to be erased: they are found no more.
	doomed map[Subject]bool
}

func newLibrary(t *testing.T, seed uint64) *library {
	t.Helper()
	l := &library{T: t, dir: filepath.Join(t.TempDir(), "data"), clock: newClock(epoch), r: rand.New(rand.NewPCG(seed, 5)), have: map[Ref]essay{}, doomed: map[Subject]bool{}}
	l.reopen()
	t.Cleanup(func() { _ = l.db.Close() })
	return l
}

func (l *library) reopen() {
	l.Helper()
	if l.db != nil {
		if err := l.db.Close(); err != nil {
			l.Fatal(err)
		}
	}
	var err error
	if l.db, err = Open(l.dir, Options{Now: l.clock.now}); err != nil {
		l.Fatal(err)
	}
}

func (l *library) update(fn func(*Tx) error) {
	l.Helper()
	if err := l.db.Update(l.Context(), fn); err != nil {
		l.Fatal(err)
	}
}

// word is one of many: some are everywhere, some are rare.
func (l *library) word() string {
	n := int(l.r.ExpFloat64() * 40)
	return fmt.Sprintf("%c%c%d", 'a'+n%7, 'a'+n%3, n)
}

func (l *library) text() string {
	words := make([]string, 1+l.r.IntN(9))
	for i := range words {
		words[i] = l.word()
	}
	return strings.Join(words, " ")
}

// write adds essays on the days before now.
func (l *library) write(n int, people, days int) {
	l.update(func(tx *Tx) error {
		for range n {
			e := essay{Subject: Subject(1 + l.r.IntN(people)), Text: l.text()}
			day := DayOf(tx.Now()) - Day(l.r.IntN(days))
			ref := Ref{DayKey{Default + Class(l.r.IntN(2))*2, day}, uint64(e.Subject) * 10, tx.NextID()}
			if err := l.put(tx, ref, &e, 1); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *library) put(tx *Tx, ref Ref, e *essay, kind uint16) error {
	if err := essays.Put(tx, ref, e); err != nil {
		return err
	}
	l.have[ref] = *e
	_, err := essayLog.Append(tx, Entry{Kind: kind, A: ref.Group, B: ref.Seq, C: ref.leaf()})
	return err
}

func (l *library) refs() []Ref {
	return slices.SortedFunc(maps.Keys(l.have), func(a, b Ref) int {
		if orderOf(a) > orderOf(b) {
			return -1
		}
		return 1
	})
}

func (l *library) edit() {
	all := l.refs()
	if len(all) == 0 {
		return
	}
	ref := all[l.r.IntN(len(all))]
	e := essay{l.have[ref].Subject, l.text(), true}
	l.update(func(tx *Tx) error { return l.put(tx, ref, &e, 2) })
}

func (l *library) remove() {
	all := l.refs()
	if len(all) == 0 {
		return
	}
	ref := all[l.r.IntN(len(all))]
	l.update(func(tx *Tx) error { return essays.Delete(tx, ref) })
	delete(l.have, ref)
}

// meets is the index by brute force.
func (e *essay) meets(all []Want) bool {
	words := strings.Fields(e.Text)
	return !slices.ContainsFunc(all, func(w Want) bool {
		return !slices.ContainsFunc(w.Any, func(text string) bool {
			return slices.ContainsFunc(words, func(word string) bool {
				return word == text || w.Prefix && strings.HasPrefix(word, text)
			})
		})
	})
}

func (l *library) search(q IndexQuery, limit int) (found []Ref) {
	l.Helper()
	if err := essayIn.Wait(l.Context(), l.db); err != nil {
		l.Fatal(err)
	}
	err := essayIn.Find(l.Context(), l.db, q, func(tx *Tx, ref Ref) error {
		e, err := essays.Get(tx, ref)
		if errors.Is(err, ErrNotFound) || isErased(err) || err == nil && (l.doomed[e.Subject] || !e.meets(q.All)) {
			return nil
		}
		if err != nil {
			return err
		}
		if found = append(found, ref); len(found) == limit {
			return ErrStop
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
	return found
}

func (l *library) want() (all []Want) {
	for range 1 + l.r.IntN(3) {
		w := Want{Any: []string{l.word()}}
		switch l.r.IntN(4) {
		case 0:
			w.Prefix, w.Any[0] = true, w.Any[0][:1+l.r.IntN(2)]
		case 1:
			w.Any = append(w.Any, l.word())
		}
		all = append(all, w)
	}
	return all
}

// compare holds some searches against brute force.
func (l *library) compare(times int) {
	l.Helper()
	today := DayOf(l.clock.now())
	for range times {
		q, limit := IndexQuery{All: l.want()}, 1+l.r.IntN(60)
		if l.r.IntN(3) == 0 {
			q.To = today - Day(l.r.IntN(40))
			q.From = q.To - Day(l.r.IntN(40))
		}
		if all := l.refs(); l.r.IntN(3) == 0 && len(all) > 0 {
			q.Before = all[l.r.IntN(len(all))]
		}
		var want []Ref
		for _, ref := range l.refs() {
			e := l.have[ref]
			in := (q.From == 0 || ref.Day >= q.From) && (q.To == 0 || ref.Day <= q.To) &&
				(q.Before.Seq == 0 || orderOf(ref) < orderOf(q.Before))
			if in && e.meets(q.All) && len(want) < limit {
				want = append(want, ref)
			}
		}
		if diff := gocmp.Diff(want, l.search(q, limit)); diff != "" {
			l.Fatalf("%+v, at most %d:\n%s", q, limit, diff)
		}
	}
}

// flush writes the tail now, however small it is, and merges what is due.
func (l *library) flush() {
	l.Helper()
	if err := essayIn.Wait(l.Context(), l.db); err != nil {
		l.Fatal(err)
	}
	s := essayIn.core.in(l.db)
	s.work.Lock()
	defer s.work.Unlock()
	for _, e := range s.editions {
		if e.tail.size() > 0 {
			if err := s.flush(l.Context(), e); err != nil {
				l.Fatal(err)
			}
		}
		for more := true; more; {
			var err error
			if more, err = s.mergeSome(l.Context(), e); err != nil {
				l.Fatal(err)
			}
		}
	}
}

// erase destroys what gone names as an erasure does, or ends after a step as a
// crash does.
func (l *library) erase(gone func(Subject, DayKey) bool, subjects []Subject, steps int) {
	l.Helper()
	ctx := context.Background()
	replaced, err := essayIn.core.forget(ctx, l.db, gone)
	if err != nil {
		l.Fatal(err)
	}
	for ref, e := range l.have {
		if gone(e.Subject, ref.DayKey) {
			delete(l.have, ref)
			l.doomed[e.Subject] = true
		}
	}
	if steps == 1 {
		return
	}
	err = l.db.puncture(func(t trees) bool {
		for _, n := range replaced {
			t.segments.puncture(uint64(n))
		}
		for _, s := range subjects {
			t.subjects.puncture(uint64(s))
		}
		return true
	})
	if err != nil {
		l.Fatal(err)
	}
	if steps == 2 {
		return
	}
	if err := essayIn.core.drop(ctx, l.db, replaced); err != nil {
		l.Fatal(err)
	}
}

// TestIndexAgainstBruteForce does random things to records and compares what is
// found, with reopening and erasures that are cut short in between.
func TestIndexAgainstBruteForce(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := newLibrary(t, seed)
			people := 30
			for round := range 40 {
				l.clock.add(5 * time.Hour)
				l.write(l.r.IntN(60), people, 70)
				for range l.r.IntN(4) {
					l.edit()
					l.remove()
				}
				switch l.r.IntN(6) {
				case 0:
					l.reopen()
				case 1, 2, 3:
					l.flush()
				case 4:
					who := Subject(people)
					gone := func(s Subject, _ DayKey) bool { return s == who }
					steps := 1 + l.r.IntN(3)
					if l.erase(gone, []Subject{who}, steps); steps < 3 {
						if steps == 1 {
							l.reopen()
						}
						l.compare(3)
						l.erase(gone, []Subject{who}, 3)
					}
					people--
				}
				l.compare(6)
				if t.Failed() {
					t.Fatalf("round %d", round)
				}
			}
		})
	}
}

// TestIndexErasure erases somebody through the front door: nothing of theirs is
// found, their terms are in no segment that opens, and what replaced segments
// held opens no more.
func TestIndexErasure(t *testing.T) {
	l := newLibrary(t, 1)
	l.write(200, 20, 50)
	var who Subject
	l.update(func(tx *Tx) error {
		for range 21 {
			who = tx.NextSubject()
		}
		e := essay{who, "unmistakable", false}
		ref := Ref{DayKey{Default, DayOf(tx.Now())}, 7, tx.NextID()}
		if err := l.put(tx, ref, &e, 1); err != nil {
			return err
		}
		e.Text, ref.Seq = "unmistakable too", tx.NextID()
		return l.put(tx, ref, &e, 1)
	})
	l.flush()
	want := IndexQuery{All: []Want{{Any: []string{"unmist"}, Prefix: true}}}
	if n := len(l.search(want, 10)); n != 2 {
		t.Fatalf("%d found before", n)
	}
	var before []segmentInfo
	view := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := l.db.View(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	view(func(tx *Tx) (err error) {
		before, err = essayIn.core.live(tx, 1)
		return err
	})
	if err := l.db.Erase(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	view(func(tx *Tx) error {
		after, err := essayIn.core.live(tx, 1)
		for _, i := range after {
			s, err := openSegment(tx, &essayIn.core.segments, i)
			if err != nil {
				return err
			}
			if term, err := s.find([]byte("unmistakable")); term != nil || err != nil {
				t.Errorf("segment %d still has the term: %v", i.number, err)
			}
		}
		gone := 0
		for _, i := range before {
			if !slices.ContainsFunc(after, func(o segmentInfo) bool { return o.number == i.number }) {
				gone++
				if _, err := l.db.keys.segment(i.number); !isErased(err) {
					t.Errorf("the key of segment %d is still there: %v", i.number, err)
				}
			}
		}
		if gone == 0 {
			t.Error("no segment was replaced")
		}
		all, lerr := essayIn.core.allSegments(tx)
		if len(all) != len(after) {
			t.Errorf("the list has %d lines for %d segments", len(all), len(after))
		}
		return errors.Join(err, lerr)
	})
	for ref, e := range l.have {
		if e.Subject == who {
			delete(l.have, ref)
		}
	}
	l.compare(10)
	l.reopen()
	l.compare(10)
}

// TestIndexVersions builds the index of a store that has none, and a new version
// while the old one answers.
func TestIndexVersions(t *testing.T) {
	l := newLibrary(t, 2)
	l.write(3000, 40, 60)
	l.flush()
	version := essayIn.core.version
	t.Cleanup(func() { essayIn.core.version = version })
	essayIn.core.version++
	l.reopen()
	l.write(50, 40, 60)
	l.compare(10)
	s := essayIn.core.in(l.db)
	if err := s.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := essayIn.Progress(t.Context(), l.db)
	if err != nil || !p.Complete || p.Rebuilding || p.DaysDone != p.Days {
		t.Fatalf("after the rebuild: %+v, %v", p, err)
	}
	if e := s.editions[0]; len(s.editions) != 1 || e.id != 2 || e.saved.Version != version+1 {
		t.Fatalf("%d editions, the first is %d of version %d", len(s.editions), e.id, e.saved.Version)
	}
	l.compare(10)
	if err := l.db.View(t.Context(), func(tx *Tx) error {
		list, err := essayIn.core.live(tx, 1)
		if len(list) > 0 {
			t.Errorf("%d segments of the old version are left", len(list))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	l.reopen()
	l.compare(10)
}

// TestIndexLosesSegments has a segment whose key is gone, as an old backup with
// a newer keyring has: the index is built anew.
func TestIndexLosesSegments(t *testing.T) {
	l := newLibrary(t, 3)
	l.write(500, 40, 60)
	l.flush()
	err := l.db.puncture(func(t trees) bool { return t.segments.puncture(1) })
	if err != nil {
		t.Fatal(err)
	}
	l.search(IndexQuery{All: []Want{{Any: []string{"a"}, Prefix: true}}}, 10) // some of it, and no error
	l.reopen()
	if err := essayIn.core.in(l.db).advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.compare(10)
}

// TestIndexDamaged has a segment with a byte that flipped: what it gives is left
// out until the index is built anew, and an erasure does not stop at it.
func TestIndexDamaged(t *testing.T) {
	for _, erase := range []bool{false, true} {
		l := newLibrary(t, 6)
		l.write(500, 40, 60)
		l.flush()
		l.update(func(tx *Tx) error {
			b, err := tx.sub(&essayIn.core.segments, segmentName(1), false)
			if err != nil {
				return err
			}
			key := blockKey(blockDocs, 0)
			bad := slices.Clone(b.Get(key))
			bad[len(bad)-9] ^= 4
			return tx.put(b, key, bad)
		})
		all := IndexQuery{All: []Want{{Any: []string{"a", "b", "c", "d", "e", "f", "g"}, Prefix: true}}}
		if n := len(l.search(all, 1000)); n == 0 || n >= 500 {
			t.Fatalf("%d found with a damaged segment", n)
		}
		if erase {
			gone := func(s Subject, _ DayKey) bool { return s == 40 }
			l.erase(gone, []Subject{40}, 3)
		}
		if err := essayIn.core.in(l.db).advance(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := essayIn.core.in(l.db).editions; len(e) != 1 || e[0].id != 2 {
			t.Fatalf("%d editions, the first is %d", len(e), e[0].id)
		}
		l.compare(10)
	}
}
