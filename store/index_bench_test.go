// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vocabulary draws words as languages do: some everywhere, most hardly ever.
type vocabulary struct {
	r *rand.Rand
	z *rand.Zipf
}

const vocabularySize = 38_000

func newVocabulary(seed uint64) *vocabulary {
	r := rand.New(rand.NewPCG(seed, 7))
	return &vocabulary{r, rand.NewZipf(r, 1.07, 9, vocabularySize-1)}
}

// wordOf is the word of a rank; words of near ranks begin alike.
func wordOf(rank uint64) string {
	const syllables = "kasipumetalorinubadegohajewiyozaca"
	var b strings.Builder
	for n := rank*2_654_435_761%vocabularySize + 40; n > 0; n /= 17 {
		b.WriteString(syllables[n%17*2:][:2])
	}
	return b.String()
}

func (v *vocabulary) text(b *strings.Builder) string {
	b.Reset()
	for range 8 + v.r.IntN(10) {
		b.WriteString(wordOf(v.z.Uint64()))
		b.WriteByte(' ')
	}
	return b.String()
}

func benchMessages(b *testing.B, fallback int) int {
	b.Helper()
	if n, err := strconv.Atoi(os.Getenv("KITH_SEARCH_MESSAGES")); err == nil && n > 0 {
		return n
	}
	return fallback
}

// fillIndex puts records into the tail of an index as its follower does, and
// flushes and merges as they come. Opening them is not part of it.
func fillIndex(b *testing.B, s *indexState, messages int) {
	b.Helper()
	v, text, terms := newVocabulary(1), strings.Builder{}, []byte(nil)
	e := s.editions[0]
	for n := range messages {
		day := 20_000 + Day(n*45/messages) //nolint:gosec // 45 days
		terms = terms[:0]
		for w := range strings.FieldsSeq(v.text(&text)) {
			terms = append(append(terms, w...), 0)
		}
		ref := Ref{DayKey{Default, day}, v.r.Uint64N(10_000) + 1000, uint64(n + 1)}
		e.tail.add(ref, Subject(ref.Group), terms)
		if !e.tail.full() {
			continue
		}
		if err := s.flush(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		for more := true; more; {
			var err error
			if more, err = s.mergeSome(b.Context(), e); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func openIndexBench(b *testing.B) (*DB, *indexState) {
	b.Helper()
	db, err := Open(filepath.Join(b.TempDir(), "data"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if err := essayIn.Wait(b.Context(), db); err != nil {
		b.Fatal(err)
	}
	s := essayIn.core.in(db)
	s.work.Lock()
	b.Cleanup(s.work.Unlock)
	return db, s
}

// BenchmarkIndex tells what a message costs: microseconds of one core, and bytes
// in the segments that are left in the end.
func BenchmarkIndex(b *testing.B) {
	n := benchMessages(b, 40_000)
	for b.Loop() {
		db, s := openIndexBench(b)
		start := time.Now()
		fillIndex(b, s, n)
		took := time.Since(start)
		var bytes uint64
		var segments, docs int
		err := db.View(b.Context(), func(tx *Tx) error {
			list, err := s.x.live(tx, 1)
			for _, i := range list {
				bytes, segments, docs = bytes+i.Bytes, segments+1, docs+int(i.Docs)
			}
			return err
		})
		if err != nil || docs == 0 {
			b.Fatalf("%d records in segments, %v", docs, err)
		}
		b.ReportMetric(float64(took.Nanoseconds())/1e3/float64(docs), "us/message")
		b.ReportMetric(float64(bytes)/float64(docs), "B/message")
		b.ReportMetric(float64(segments), "segments")
	}
}

// BenchmarkFind tells how long the index takes for the newest 50 candidates.
func BenchmarkFind(b *testing.B) {
	db, s := openIndexBench(b)
	fillIndex(b, s, benchMessages(b, 40_000))
	word := func(rank uint64, prefix int) Want {
		w := wordOf(rank)
		if prefix > 0 {
			return Want{Any: []string{w[:min(prefix, len(w))]}, Prefix: true}
		}
		return Want{Any: []string{w}}
	}
	for _, c := range []struct {
		name string
		want func(r *rand.Rand) []Want
	}{
		{"rare", func(r *rand.Rand) []Want { return []Want{word(5000+r.Uint64N(30_000), 0)} }},
		{"mid", func(r *rand.Rand) []Want { return []Want{word(300+r.Uint64N(500), 0)} }},
		{"common", func(r *rand.Rand) []Want { return []Want{word(r.Uint64N(8), 0)} }},
		{"prefix3", func(r *rand.Rand) []Want { return []Want{word(r.Uint64N(vocabularySize), 3)} }},
		{"prefix5", func(r *rand.Rand) []Want { return []Want{word(r.Uint64N(vocabularySize), 5)} }},
		{"common+mid", func(r *rand.Rand) []Want { return []Want{word(r.Uint64N(8), 0), word(300+r.Uint64N(500), 0)} }},
		{"common+common", func(r *rand.Rand) []Want { return []Want{word(r.Uint64N(8), 0), word(8+r.Uint64N(8), 0)} }},
		{"mid+mid", func(r *rand.Rand) []Want {
			return []Want{word(200+r.Uint64N(300), 0), word(500+r.Uint64N(500), 0)}
		}},
		{"mid+prefix2", func(r *rand.Rand) []Want { return []Want{word(300+r.Uint64N(500), 0), word(r.Uint64N(5000), 2)} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 3))
			var times []time.Duration
			hits := 0
			for b.Loop() {
				q := IndexQuery{All: c.want(r)}
				start := time.Now()
				n := 0
				err := essayIn.Find(b.Context(), db, q, func(*Tx, Ref) error {
					if n++; n == 50 {
						return ErrStop
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				times, hits = append(times, time.Since(start)), hits+n
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1e3, "p50-ms")
			b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1e3, "p95-ms")
			b.ReportMetric(float64(hits)/float64(len(times)), "hits")
		})
	}
}

func TestVocabulary(t *testing.T) {
	seen := map[string]bool{}
	for n := range uint64(vocabularySize) {
		seen[wordOf(n)] = true
	}
	if len(seen) != vocabularySize {
		t.Errorf("%d words for %d ranks: %s", len(seen), vocabularySize, fmt.Sprint(wordOf(1), wordOf(2)))
	}
}
