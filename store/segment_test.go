// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLongLists has terms with more records than a block holds.
func TestLongLists(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const docs = 120_000
	blocks := map[string][]byte{}
	w := &segmentWriter{put: func(key, plain []byte) error {
		if len(plain) > blockLen && key[0] != blockFence {
			t.Errorf("%c block of %d bytes", key[0], len(plain))
		}
		blocks[string(key)] = slices.Clone(plain)
		return nil
	}}
	for n := range docs {
		if err := w.doc(&segmentDoc{docOrder(docs - n), uint64(n % 50), Subject(n % 49)}); err != nil {
			t.Fatal(err)
		}
	}
	sets := map[string][]uint32{}
	for i, share := range []int{1, 2, 3, 10, 100, 5000, docs, docs / 2} {
		var set []uint32
		for n := range uint32(docs) {
			if r.IntN(share) == 0 {
				set = append(set, n)
			}
		}
		if len(set) > 0 {
			sets[fmt.Sprintf("term%d", i)] = set
		}
	}
	for _, term := range slices.Sorted(maps.Keys(sets)) {
		if err := w.term([]byte(term), sets[term]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	l := newLibrary(t, 4)
	key, err := l.db.keys.segment(9)
	if err != nil {
		t.Fatal(err)
	}
	sink := &blockSink{x: essayIn.core, number: 9, key: key}
	for name, plain := range blocks {
		if err := sink.put([]byte(name), plain); err != nil {
			t.Fatal(err)
		}
	}
	l.update(func(tx *Tx) error { return sink.write(tx, sink.blocks) })
	err = l.db.View(t.Context(), func(tx *Tx) error {
		s, err := openSegment(tx, &essayIn.core.segments, segmentInfo{number: 9})
		if err != nil {
			return err
		}
		all, err := s.allDocs()
		for n := range all {
			if all[n] != (segmentDoc{docOrder(docs - n), uint64(n % 50), Subject(n % 49)}) {
				t.Fatalf("record %d is %+v", n, all[n])
			}
		}
		for term, want := range sets {
			found, ferr := s.find([]byte(term))
			if ferr != nil || found == nil {
				t.Fatalf("%s: %v", term, ferr)
			}
			compareHits(t, term, s.hitsOf(found), want, r)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compareHits asks for places in a list, forwards and anywhere.
func compareHits(t *testing.T, term string, h hits, want []uint32, r *rand.Rand) {
	t.Helper()
	ask := func(n uint32) uint32 {
		at, ok, err := h.from(n)
		i, _ := slices.BinarySearch(want, n)
		if err != nil || ok != (i < len(want)) || ok && at != want[i] {
			t.Fatalf("%s from %d: %d %v %v", term, n, at, ok, err)
		}
		return at
	}
	for n, step := uint32(0), uint32(len(want)/500+1); n < want[len(want)-1]; n += step {
		n = ask(n)
	}
	for range 300 {
		ask(r.Uint32N(120_000))
	}
}

// TestVerifyIndex holds a store with segments, live, replaced and destroyed ones,
// to be sound.
func TestVerifyIndex(t *testing.T) {
	l := newLibrary(t, 7)
	l.write(300, 40, 60)
	l.flush()
	l.write(300, 40, 60)
	l.flush()
	l.erase(func(s Subject, _ DayKey) bool { return s == 40 }, []Subject{40}, 2)
	v, err := l.db.Verify(t.Context(), VerifyOptions{AtRest: true})
	if err != nil || !v.Fine() {
		t.Errorf("%+v, %v", v, err)
	}
}
