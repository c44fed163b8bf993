// SPDX-License-Identifier: Apache-2.0

package crashtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Survival says how much of what was not synced outlives a crash.
type Survival uint8

// How much outlives.
const (
	Nothing   Survival = iota
	All                // as when the process dies and the machine goes on
	OnlyNames          // directories, but no bytes
	OnlyBytes          // bytes, but no directories
	Some               // bytes at random, torn at sectors; names up to a point, as a journal keeps them
	Any                // bytes at random, torn at sectors; names at random
	Survivals          // the number of kinds
)

// String names the kind in a report.
func (s Survival) String() string {
	return [...]string{"nothing", "all", "only names", "only bytes", "some", "any"}[s]
}

const sector = 512

// Replay walks through the steps of a disk.
type Replay struct {
	steps   []Step
	next    int
	durable map[int]*object
	shown   map[int]*object // what programs see
	pending []*Step
}

// NewReplay begins before the first step.
func NewReplay(steps []Step) *Replay {
	empty := func() map[int]*object { return map[int]*object{rootNode: newObject(true)} }
	return &Replay{steps: steps, durable: empty(), shown: empty()}
}

// To walks to the moment after n steps, forward only, and calls say for what was
// said on the way.
func (r *Replay) To(n int, say func(text string)) {
	for ; r.next < min(n, len(r.steps)); r.next++ {
		s := &r.steps[r.next]
		if s.Kind == Create {
			r.durable[s.node], r.shown[s.node] = newObject(s.size != 0), newObject(s.size != 0)
		}
		s.apply(r.shown)
		switch s.Kind {
		case Say:
			if say != nil {
				say(s.Text)
			}
		case Sync:
			r.settle(s.node, true)
		case Lost:
			if !r.durable[s.node].isDir { // the system takes the bytes for written; a journal keeps its names
				r.settle(s.node, false)
			}
		case Create, Write, Truncate, Rename, Unlink:
			r.pending = append(r.pending, s)
		}
	}
}

// settle takes the steps that belong to an object off the pending ones.
func (r *Replay) settle(node int, keep bool) {
	left := r.pending[:0]
	for _, s := range r.pending {
		if s.belongs() != node {
			left = append(left, s)
		} else if keep {
			s.apply(r.durable)
		}
	}
	clear(r.pending[len(left):])
	r.pending = left
}

// Pending is the number of steps that a crash now could undo.
func (r *Replay) Pending() int { return len(r.pending) }

// Save writes into dir what a crash now may leave behind.
func (r *Replay) Save(dir string, how Survival, chance *rand.Rand) error {
	if how == All {
		return save(r.shown, rootNode, dir)
	}
	objects := make(map[int]*object, len(r.durable))
	for id, o := range r.durable {
		objects[id] = &object{o.isDir, o.made, o.content.clone(), maps.Clone(o.names)}
	}
	names := chance.IntN(len(r.pending) + 1)
	for i, s := range r.pending {
		for _, part := range survives(s, how, i < names, chance) {
			part.apply(objects)
		}
	}
	return save(objects, rootNode, dir)
}

// survives returns the parts of a pending step that outlive a crash.
func survives(s *Step, how Survival, early bool, chance *rand.Rand) []Step {
	bytes := s.Kind == Write || s.Kind == Truncate
	switch how {
	case OnlyNames:
		if !bytes {
			return []Step{*s}
		}
	case OnlyBytes:
		if bytes {
			return []Step{*s}
		}
	case Some, Any:
		switch {
		case !bytes && how == Some:
			if early {
				return []Step{*s}
			}
		case s.Kind == Write && chance.IntN(3) == 0:
			return torn(s, chance)
		case chance.IntN(2) == 0:
			return []Step{*s}
		}
	case Nothing, All, Survivals:
	}
	return nil
}

// torn keeps half of the sectors of a write.
func torn(s *Step, chance *rand.Rand) (parts []Step) {
	for at := int64(0); at < int64(len(s.data)); {
		end := min(int64(len(s.data)), at+sector-(s.off+at)%sector)
		if chance.IntN(2) == 0 {
			parts = append(parts, Step{Kind: Write, node: s.node, off: s.off + at, data: s.data[at:end]})
		}
		at = end
	}
	return parts
}

func save(objects map[int]*object, dir int, path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making a directory of a state: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(objects[dir].names)) {
		id := objects[dir].names[name]
		var err error
		if o := objects[id]; o.isDir {
			err = save(objects, id, filepath.Join(path, name))
		} else {
			err = o.content.save(filepath.Join(path, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
