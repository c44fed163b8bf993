// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math/rand/v2"
	"testing"
)

func TestPuncturesAgainstASet(t *testing.T) {
	const depth = 10
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := newCover(depth)
		whole, gone := c.clone(), map[uint64]bool{}
		for range 30 {
			if r.IntN(4) == 0 {
				lo := r.Uint64N(1 << depth)
				hi := min(lo+r.Uint64N(200), 1<<depth)
				c.punctureRange(lo, hi)
				for i := lo; i < hi; i++ {
					gone[i] = true
				}
			} else {
				i := r.Uint64N(1 << depth)
				if c.puncture(i) == gone[i] {
					t.Fatalf("seed %d: puncture of %d told a lie", seed, i)
				}
				gone[i] = true
			}
			again, err := parseCover(depth, c.bytes())
			if err != nil {
				t.Fatal(err)
			}
			c = again
		}
		w, ordered := walker{c: c}, walker{c: c}
		for i := range uint64(1 << depth) {
			want, _ := whole.leaf(i)
			got, ok := c.leaf(i)
			if ok == gone[i] || ok && got != want {
				t.Fatalf("seed %d: leaf %d is there: %v, punctured: %v, same: %v", seed, i, ok, gone[i], got == want)
			}
			if n, ok := ordered.leaf(i); ok == gone[i] || ok && n != want {
				t.Fatalf("seed %d: in order, leaf %d differs", seed, i)
			}
			j := r.Uint64N(1 << depth)
			want, _ = whole.leaf(j)
			if n, ok := w.leaf(j); ok == gone[j] || ok && n != want {
				t.Fatalf("seed %d: out of order, leaf %d differs", seed, j)
			}
		}
	}
}

func TestCoverRefusesNonsense(t *testing.T) {
	good := newCover(8).bytes()
	for name, b := range map[string][]byte{
		"odd length": good[:39],
		"level":      append([]byte{9}, good[1:]...),
		"prefix":     append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, good[8:]...),
	} {
		if _, err := parseCover(8, b); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}

func TestTheWholeRangeOfADepthCanBePunctured(t *testing.T) {
	c := newCover(subjectDepth)
	c.punctureRange(0, 1<<subjectDepth)
	if len(c.nodes) != 0 {
		t.Errorf("%d nodes are left", len(c.nodes))
	}
	c = newCover(subjectDepth)
	c.puncture(1<<subjectDepth - 1)
	if _, ok := c.leaf(1<<subjectDepth - 1); ok || len(c.nodes) != subjectDepth {
		t.Errorf("the last leaf is there: %v; %d nodes", ok, len(c.nodes))
	}
}
