// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// mirror is what the store should hold, in maps.
type mirror struct {
	people   map[[2]uint64]person
	messages map[Ref]message
	numbers  map[string]uint64
	provider map[string]Ref
	index    map[[2]uint64]uint64
	jobs     map[uint64]Item[job]
	threads  map[uint64]thread
	entries  []Entry
	cursor   uint64
}

func newMirror() *mirror {
	return &mirror{map[[2]uint64]person{}, map[Ref]message{}, map[string]uint64{}, map[string]Ref{}, map[[2]uint64]uint64{}, map[uint64]Item[job]{}, map[uint64]thread{}, nil, 0}
}

// clock is a clock that the test moves.
type clock struct{ nanos atomic.Int64 }

func newClock(at time.Time) *clock {
	c := new(clock)
	c.nanos.Store(at.UnixNano())
	return c
}

func (c *clock) now() time.Time { return time.Unix(0, c.nanos.Load()) }

func (c *clock) add(d time.Duration) { c.nanos.Add(int64(d)) }

var epoch = time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)

// TestTablesAgainstMaps does random things to all tables and to maps, reopens
// now and then, and compares everything.
func TestTablesAgainstMaps(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir, r, m, clock := filepath.Join(t.TempDir(), "data"), rand.New(rand.NewPCG(seed, 9)), newMirror(), newClock(epoch)
			o := Options{Now: clock.now}
			db := openTest(t, dir, o)
			for round := range 60 {
				clock.add(20 * time.Minute)
				update(t, db, func(tx *Tx) error {
					for range r.IntN(30) {
						if err := m.step(tx, r); err != nil {
							return err
						}
					}
					m.compare(t, tx)
					return nil
				})
				if round%20 == 19 {
					if err := db.Close(); err != nil {
						t.Fatal(err)
					}
					db = openTest(t, dir, o)
				}
				view(t, db, func(tx *Tx) error { m.compare(t, tx); return nil })
			}
		})
	}
}

// step does one random thing to both.
func (m *mirror) step(tx *Tx, r *rand.Rand) error {
	s, id := r.Uint64N(5), r.Uint64N(8)
	text := fmt.Sprint(r.Uint64())
	switch r.IntN(14) {
	case 0, 1:
		m.people[[2]uint64{s, id}] = person{Subject(s), text}
		return people.Put(tx, id, &person{Subject(s), text})
	case 2:
		delete(m.people, [2]uint64{s, id})
		return people.Delete(tx, Subject(s), id)
	case 3, 4:
		ref := Ref{DayKey{Default, DayOf(epoch) + Day(r.IntN(4))}, id, 1 + r.Uint64N(20)}
		m.messages[ref] = message{Subject(s), text, tx.Now()}
		return messages.Put(tx, ref, &message{Subject(s), text, tx.Now()})
	case 5:
		for ref := range m.messages {
			delete(m.messages, ref)
			return messages.Delete(tx, ref)
		}
	case 6:
		m.numbers[text[:2]] = id
		return numbers.Set(tx, "phone", text[:2], id)
	case 7:
		delete(m.numbers, text[:2])
		return numbers.Delete(tx, "phone", text[:2])
	case 8:
		ref := Ref{DayKey{Default, DayOf(tx.Now())}, id, s}
		m.provider[text] = ref
		return provider.Set(tx, ref.DayKey, text, id, s)
	case 9:
		m.index[[2]uint64{s, id}] = s + id
		return byNumber.Put(tx, []uint64{s, id}, s+id)
	case 10:
		delete(m.index, [2]uint64{s, id})
		return byNumber.Delete(tx, []uint64{s, id})
	case 11:
		return m.log(tx, s, id)
	case 12:
		return m.queue(tx, r, Subject(s), text)
	}
	return m.thread(tx, r, id, text)
}

func (m *mirror) log(tx *Tx, a, b uint64) error {
	seq, err := journal.Append(tx, Entry{Kind: 9, A: a, B: b})
	m.entries = append(m.entries, Entry{Seq: seq, At: tx.Now().Unix(), Kind: 9, A: a, B: b})
	m.cursor = seq
	return errors.Join(err, journal.SetCursor(tx, "reader", seq))
}

func (m *mirror) queue(tx *Tx, r *rand.Rand, s Subject, text string) error {
	var id uint64
	for id = range m.jobs {
		break
	}
	it := m.jobs[id]
	switch r.IntN(5) {
	case 0, 1:
		due := tx.Now().Add(time.Duration(r.IntN(100)-50) * time.Minute)
		id, err := outbox.Push(tx, due, &job{s, text})
		m.jobs[id] = Item[job]{ID: id, Due: due, Job: job{s, text}}
		return err
	case 2:
		delete(m.jobs, id)
		return outbox.Delete(tx, id)
	case 3:
		if it.ID == 0 {
			return nil
		}
		it.Attempts, it.Due, it.Parked, it.Reason = it.Attempts+1, it.Due.Add(time.Hour), false, ""
		m.jobs[id] = it
		return outbox.Save(tx, it)
	}
	if it.ID == 0 {
		return nil
	}
	it.Parked, it.Reason = true, text
	m.jobs[id] = it
	return outbox.Park(tx, id, text)
}

func (m *mirror) thread(tx *Tx, r *rand.Rand, id uint64, text string) error {
	if r.IntN(4) == 0 {
		delete(m.threads, id)
		return threads.Delete(tx, id)
	}
	v := thread{Subject: 1, Last: r.Uint64N(6), Status: r.Uint64N(3), Title: text, Days: []DayKey{{Default, 5}}}
	m.threads[id] = v
	return threads.Put(tx, id, v)
}

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := gocmp.Diff(want, got); d != "" {
		t.Fatalf("%s: %s", what, d)
	}
}

func (m *mirror) compare(t *testing.T, tx *Tx) {
	t.Helper()
	m.comparePeople(t, tx)
	m.compareMessages(t, tx)
	m.compareNumbers(t, tx)
	m.compareLog(t, tx)
	m.compareQueue(t, tx)
	m.compareThreads(t, tx)
}

func (m *mirror) comparePeople(t *testing.T, tx *Tx) {
	t.Helper()
	all, each := map[[2]uint64]person{}, map[[2]uint64]person{}
	err := people.Every(tx, Nobody, func(s Subject, id uint64, p *person) error {
		all[[2]uint64{uint64(s), id}] = *p
		return nil
	})
	diff(t, "people", m.people, all)
	for s := range Subject(5) {
		last := -1
		err = errors.Join(err, people.Each(tx, s, func(id uint64, p *person) error {
			if int(id) <= last {
				t.Errorf("%d after %d", id, last)
			}
			last, each[[2]uint64{uint64(s), id}] = int(id), *p
			return nil
		}))
	}
	diff(t, "people one by one", m.people, each)
	_, ok := m.people[[2]uint64{2, 3}]
	if _, gerr := people.Get(tx, 2, 3); (gerr == nil) != ok || !ok && !errors.Is(gerr, ErrNotFound) {
		t.Errorf("person 2/3 is %v: %v", ok, gerr)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *mirror) compareMessages(t *testing.T, tx *Tx) {
	t.Helper()
	days := messages.Days(tx)
	slices.Reverse(days)
	all := map[Ref]message{}
	for _, day := range days {
		if err := messages.Every(tx, day, func(ref Ref, v *message) error { all[ref] = *v; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	diff(t, "messages", m.messages, all)
	before := uint64(7)
	for group := range uint64(8) {
		var want, got []Ref
		for ref := range m.messages {
			if ref.Group == group && (ref.DayKey != days[0] || ref.Seq < before) {
				want = append(want, ref)
			}
		}
		slices.SortFunc(want, func(a, b Ref) int { return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(b.Seq, a.Seq)) })
		want = want[:min(len(want), 5)]
		err := messages.Back(tx, group, days, before, func(ref Ref, v *message) error {
			if len(got) == 5 {
				return ErrStop
			}
			got = append(got, ref)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "messages back", want, got)
	}
}

func (m *mirror) compareNumbers(t *testing.T, tx *Tx) {
	t.Helper()
	for i := range 100 {
		ident := fmt.Sprint(i)
		want, has := m.numbers[ident]
		if v, ok, err := numbers.Get(tx, "phone", ident); v != want || ok != has || err != nil {
			t.Errorf("%s leads to %d %v %v, not %d", ident, v, ok, err, want)
		}
	}
	for ident, want := range m.provider {
		if ref, ok, err := provider.Find(tx, Default, DayOf(tx.Now()), 5, ident); ref != want || !ok || err != nil {
			t.Errorf("%s leads to %v %v %v, not %v", ident, ref, ok, err, want)
		}
	}
	for s := range uint64(5) {
		var want, up, down [][2]uint64
		for k := range m.index {
			if k[0] == s && k[1] > 2 {
				want = append(want, k)
			}
		}
		slices.SortFunc(want, func(a, b [2]uint64) int { return cmp.Compare(a[1], b[1]) })
		err := byNumber.Scan(tx, []uint64{s}, 2, func(k []uint64, _ uint64) error { up = append(up, [2]uint64(k)); return nil })
		diff(t, "index up", want, up)
		want = nil
		for k := range m.index {
			if k[0] == s && k[1] < 6 {
				want = append(want, k)
			}
		}
		slices.SortFunc(want, func(a, b [2]uint64) int { return cmp.Compare(b[1], a[1]) })
		err = errors.Join(err, byNumber.Back(tx, []uint64{s}, 6, func(k []uint64, _ uint64) error { down = append(down, [2]uint64(k)); return nil }))
		diff(t, "index down", want, down)
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err := byNumber.Back(tx, nil, 0, func([]uint64, uint64) error { n++; return nil })
	if n != len(m.index) || err != nil {
		t.Errorf("%d of %d in the index: %v", n, len(m.index), err)
	}
}

func (m *mirror) compareLog(t *testing.T, tx *Tx) {
	t.Helper()
	for _, skip := range []int{0, 1, len(m.entries) / 2, len(m.entries)} {
		if skip > len(m.entries) {
			continue
		}
		after := uint64(0)
		if skip > 0 {
			after = m.entries[skip-1].Seq
		}
		var want []Entry
		want = append(want, m.entries[skip:]...)
		got, err := journal.Read(tx, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "log", want, got)
		if got, err = journal.Read(tx, after, 2); err != nil || len(got) != min(2, len(want)) {
			t.Errorf("%d entries, %v", len(got), err)
		}
	}
	cursor, err := journal.Cursor(tx, "reader")
	if cursor != m.cursor || journal.Last(tx) != m.cursor || err != nil {
		t.Errorf("cursor %d, last %d, %v; not %d", cursor, journal.Last(tx), err, m.cursor)
	}
}

func (m *mirror) compareQueue(t *testing.T, tx *Tx) {
	t.Helper()
	all, parked, due, waiting := map[uint64]Item[job]{}, 0, 0, 0
	var next time.Time
	for _, it := range m.jobs {
		switch {
		case it.Parked:
			parked++
			continue
		case !it.Due.After(tx.Now()):
			due++
		}
		if waiting++; next.IsZero() || it.Due.Before(next) {
			next = it.Due
		}
	}
	err := outbox.Each(tx, func(it Item[job]) error { all[it.ID] = it; return nil })
	diff(t, "jobs", m.jobs, all)
	n := 0
	err = errors.Join(err, outbox.Parked(tx, func(it Item[job]) error { n++; return nil }))
	items, derr := outbox.Due(tx, tx.Now(), 1000)
	if err = errors.Join(err, derr); err != nil {
		t.Fatal(err)
	}
	if n != parked || len(items) != due || outbox.Len(tx) != waiting {
		t.Errorf("parked %d of %d, due %d of %d, waiting %d of %d", n, parked, len(items), due, outbox.Len(tx), waiting)
	}
	if at, ok := outbox.Next(tx); ok != (waiting > 0) || !at.Equal(next) {
		t.Errorf("next is %v %v, not %v", at, ok, next)
	}
	for id, want := range m.jobs {
		it, err := outbox.Get(tx, id)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "job", want, it)
		break
	}
}

func (m *mirror) compareThreads(t *testing.T, tx *Tx) {
	t.Helper()
	type line struct {
		ID uint64
		V  thread
	}
	var want []line
	counts := map[uint64]int{}
	for id, v := range m.threads {
		want = append(want, line{id, v})
		counts[v.Status]++
	}
	slices.SortFunc(want, func(a, b line) int { return cmp.Or(cmp.Compare(b.V.Last, a.V.Last), cmp.Compare(b.ID, a.ID)) })
	for from := range len(want) + 1 {
		var got []line
		after := Mark{}
		if from > 0 {
			if after = (Mark{want[from-1].V.Last, want[from-1].ID}); after == (Mark{}) {
				continue // the zero mark is the top
			}
		}
		threads.Walk(tx, after, func(id uint64, v *thread) bool { got = append(got, line{id, *v}); return true })
		diff(t, "threads", append([]line(nil), want[from:]...), got)
	}
	for s := range uint64(3) {
		if threads.Count(tx, s) != counts[s] {
			t.Errorf("status %d: %d, not %d", s, threads.Count(tx, s), counts[s])
		}
	}
	if threads.Len(tx) != len(want) {
		t.Errorf("%d rows, not %d", threads.Len(tx), len(want))
	}
}

// TestAnImportKeepsTheOrder puts many rows at random places in one commit, far
// more than are walked to one by one.
func TestAnImportKeepsTheOrder(t *testing.T) {
	db, r := newTest(t), rand.New(rand.NewPCG(4, 4))
	for range 3 {
		update(t, db, func(tx *Tx) error {
			for range 3000 {
				id := 1 + r.Uint64N(5000)
				if err := threads.Put(tx, id, thread{Subject: 1, Last: r.Uint64N(1000)}); err != nil {
					return err
				}
			}
			return nil
		})
		view(t, db, func(tx *Tx) error {
			n, last := 0, Mark{^uint64(0), ^uint64(0)}
			threads.Walk(tx, Mark{}, func(id uint64, v *thread) bool {
				if m := (Mark{v.Last, id}); !last.above(m) {
					t.Errorf("%v after %v", m, last)
				} else {
					last = m
				}
				n++
				return true
			})
			if n != threads.Len(tx) {
				t.Errorf("%d of %d rows", n, threads.Len(tx))
			}
			return nil
		})
	}
}
