// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// Buckets of the store itself; tables may not be called so.
const (
	metaBucket    = "meta"
	ledgerBucket  = "e"
	blobBucket    = "b"
	cursorBucket  = "cursor"
	segmentBucket = "segments" // the last number of a segment of an index
	trashBucket   = "trash"
)

// declared are the tables of the program. They are declared as variables of
// packages, before any store is opened.
var declared = registry{names: map[string]bool{metaBucket: true, ledgerBucket: true, blobBucket: true, cursorBucket: true, trashBucket: true, segmentBucket: true}}

type registry struct {
	mu        sync.Mutex
	names     map[string]bool
	erasers   []eraser
	residents []resident
	indexes   []index
	parts     []partitioned
	lookups   []*Lookup
}

// index is derived data in segments, each sealed under a key of its own in the
// tree of segments. What is destroyed leaves it in three steps: forget, the
// destruction of the keys, drop; each can be repeated after a crash.
type index interface {
	// forget writes the segments anew that hold something of what gone names,
	// without it, and returns the numbers of all segments that are replaced by now,
	// older ones too: the caller destroys their keys.
	forget(ctx context.Context, db *DB, gone func(Subject, DayKey) bool) (replaced []uint32, err error)
	// drop removes what is left of segments whose keys are destroyed.
	drop(ctx context.Context, db *DB, replaced []uint32) error
}

func (r *registry) addIndex(i index) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.indexes = append(r.indexes, i)
}

func (r *registry) allIndexes() []index {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]index(nil), r.indexes...)
}

func (r *registry) addLookup(l *Lookup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookups = append(r.lookups, l)
}

func (r *registry) allLookups() []*Lookup {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Lookup(nil), r.lookups...)
}

// declare takes a name for good. Two tables of one name are a mistake in the
// program, hence the panic.
func (r *registry) declare(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || strings.ContainsRune(name, 0) || len(name) > 40 {
		panic(fmt.Sprintf("store: %q is no name for a table", name))
	}
	if r.names[name] {
		panic(fmt.Sprintf("store: two tables are called %q", name))
	}
	r.names[name] = true
}

func (r *registry) addEraser(e eraser) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.erasers = append(r.erasers, e)
}

// addResident returns the place of a resident table in every store.
func (r *registry) addResident(t resident) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.residents = append(r.residents, t)
	return len(r.residents) - 1
}

func (r *registry) all() ([]eraser, []resident) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]eraser(nil), r.erasers...), append([]resident(nil), r.residents...)
}

// bin is the bucket of a table: its name, and the start of where its values are.
type bin struct {
	name    []byte
	where   []byte
	missing error
	fill    float64 // how full a page is left when it splits; 0 = bbolt's half
}

func newBin(name string, fill float64) bin {
	declared.declare(name)
	return bin{
		name:    []byte(name),
		where:   append([]byte(name), 0),
		missing: fmt.Errorf("%s: %w", name, ErrNotFound),
		fill:    fill,
	}
}

// reservedBin is a bucket of the store itself.
func reservedBin(name string) bin {
	return bin{name: []byte(name), where: append([]byte(name), 0), missing: fmt.Errorf("%s: %w", name, ErrNotFound)}
}

// Two ways to fill pages: keys that come in order, and groups that grow.
const (
	fillAppend = 0.95
	fillGroups = 0.7
)
