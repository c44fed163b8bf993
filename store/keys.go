// SPDX-License-Identifier: Apache-2.0

package store

import "sync"

const (
	subjectDepth = 32
	dayDepth     = 24
	segmentDepth = 32
	maxLeaves    = 100_000 // of each kind kept in RAM: 5 MB
)

// keys derives the key of every record from the trees of the keyring. Leaves
// that were computed are kept until a puncture.
type keys struct {
	mu       sync.RWMutex
	static   [32]byte
	trees    trees
	subjects leaves[Subject]
	days     leaves[DayKey]
}

// trees are the three covers of a keyring.
type trees struct{ subjects, days, segments *cover }

func newTrees() trees {
	return trees{newCover(subjectDepth), newCover(dayDepth), newCover(segmentDepth)}
}

func (t trees) clone() trees {
	return trees{t.subjects.clone(), t.days.clone(), t.segments.clone()}
}

type leaves[K comparable] map[K]node

// keep remembers a leaf; a full memory starts over, the simplest bound.
func (l *leaves[K]) keep(k K, n node) {
	if *l == nil || len(*l) >= maxLeaves {
		*l = make(leaves[K], 1024)
	}
	(*l)[k] = n
}

// record is the key of records about s in the partition k.
func (ks *keys) record(s Subject, k DayKey) ([32]byte, error) {
	ks.mu.RLock()
	sl, ok := ks.subjects[s]
	dl, ok2 := ks.days[k]
	ks.mu.RUnlock()
	if !ok || !ok2 {
		var err error
		if sl, dl, err = ks.compute(s, k); err != nil {
			return [32]byte{}, err
		}
	}
	return recordKey(&sl, &dl), nil
}

// alive tells whether the key of a subject can still be computed.
func (ks *keys) alive(s Subject) bool {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	if _, ok := ks.subjects[s]; ok {
		return true
	}
	_, _, ok := ks.trees.subjects.find(uint64(s))
	return ok
}

func recordKey(subject, day *node) [32]byte { return mac(day[:], subject[:], []byte("dk/v1")) }

func (ks *keys) compute(s Subject, k DayKey) (sl, dl node, err error) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	sl, ok := ks.trees.subjects.leaf(uint64(s))
	if !ok {
		return sl, dl, ErrErased
	}
	if dl, ok = ks.dayLeaf(k); !ok {
		return sl, dl, ErrErased
	}
	ks.subjects.keep(s, sl)
	return sl, dl, nil
}

// dayLeaf needs the write lock.
func (ks *keys) dayLeaf(k DayKey) (node, bool) {
	if n, ok := ks.days[k]; ok {
		return n, true
	}
	n, ok := ks.trees.days.leaf(k.leaf())
	if ok {
		ks.days.keep(k, n)
	}
	return n, ok
}

// provider is the key under which provider identifiers of a day are hidden.
func (ks *keys) provider(k DayKey) ([32]byte, error) {
	ks.mu.RLock()
	n, ok := ks.days[k]
	ks.mu.RUnlock()
	if !ok {
		ks.mu.Lock()
		n, ok = ks.dayLeaf(k)
		ks.mu.Unlock()
	}
	if !ok {
		return [32]byte{}, ErrErased
	}
	return mac(n[:], []byte("prov")), nil
}

// snapshot is a copy of the trees to puncture.
func (ks *keys) snapshot() trees {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	return ks.trees.clone()
}

// replace puts punctured trees in place and forgets every leaf.
func (ks *keys) replace(t trees, static []byte) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.trees, ks.subjects, ks.days = t, nil, nil
	copy(ks.static[:], static)
}

// opener derives record keys for records read in the order of their subjects.
// It is for one goroutine and must not outlive a puncture.
type opener struct {
	ks       *keys
	subjects walker
	last     Subject
	leaf     node
	warm     bool
}

func (ks *keys) opener() *opener {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	return &opener{ks: ks, subjects: walker{c: ks.trees.subjects}}
}

func (o *opener) record(s Subject, k DayKey) ([32]byte, error) {
	if !o.warm || o.last != s {
		n, ok := o.subjects.leaf(uint64(s))
		if !ok {
			return [32]byte{}, ErrErased
		}
		o.leaf, o.last, o.warm = n, s, true
	}
	o.ks.mu.RLock()
	day, ok := o.ks.days[k]
	o.ks.mu.RUnlock()
	if !ok {
		return o.ks.record(s, k)
	}
	return recordKey(&o.leaf, &day), nil
}
