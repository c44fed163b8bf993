// SPDX-License-Identifier: Apache-2.0

package crashtest

import (
	"slices"
	"sync"
	"syscall"
	"time"
)

// Kind says what a step did.
type Kind uint8

// The kinds of steps.
const (
	Create   Kind = iota // a file or a directory got a name
	Write                // bytes of a file
	Truncate             // the length of a file
	Rename
	Unlink
	Sync // a file or a directory is durable as it is now
	Lost // a sync failed: what was not durable yet is given up by the system
	Say  // the program said something
)

// Step is one thing that happened on a disk.
type Step struct {
	Kind Kind
	node int // the file or directory
	// of a name: the directories and names, from and to
	dir, to      int
	name, toName string
	off, size    int64
	data         []byte
	Text         string // of Say
}

const rootNode = 1

// object is a file or a directory.
type object struct {
	isDir   bool
	made    uint64 // unix seconds
	content content
	names   map[string]int
}

func newObject(dir bool) *object {
	o := &object{isDir: dir, made: uint64(time.Now().Unix())} //nolint:gosec // after 1970
	if dir {
		o.names = map[string]int{}
	}
	return o
}

// apply does one step to the objects of a disk.
func (s *Step) apply(objects map[int]*object) {
	switch s.Kind {
	case Create:
		objects[s.dir].names[s.name] = s.node
	case Write:
		objects[s.node].content.write(s.off, s.data)
	case Truncate:
		objects[s.node].content.truncate(s.size)
	case Rename:
		if from := objects[s.dir].names; from[s.name] == s.node {
			delete(from, s.name)
		}
		objects[s.to].names[s.toName] = s.node
	case Unlink:
		if from := objects[s.dir].names; from[s.name] == s.node {
			delete(from, s.name)
		}
	case Sync, Lost, Say:
	}
}

// belongs is the object whose sync makes the step durable.
func (s *Step) belongs() int {
	switch s.Kind {
	case Create, Unlink:
		return s.dir
	case Rename:
		return s.to
	case Write, Truncate, Sync, Lost, Say:
	}
	return s.node
}

// Disk is a file system in memory that remembers every step.
type Disk struct {
	mu      sync.Mutex
	objects map[int]*object
	last    int
	steps   []Step
	fault   Fault
	seen    map[Class]int
	failed  int
}

// NewDisk makes an empty disk on which the steps that fault names fail.
func NewDisk(fault Fault) *Disk {
	return &Disk{
		objects: map[int]*object{rootNode: newObject(true)}, last: rootNode, fault: fault, seen: map[Class]int{},
	}
}

// Class is a kind of step that can fail.
type Class uint8

// The classes of steps that can fail.
const (
	Writes Class = iota // whatever takes space: bytes, lengths, names
	Syncs               // of files and directories
)

// Fault makes steps of a class fail, from the n-th on; n = 0 means none.
type Fault struct {
	Class Class
	N     int
	Times int // how many fail; 0 means one
	Errno syscall.Errno
}

// Failed is the number of steps that failed.
func (d *Disk) Failed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// Steps are the steps so far. The caller must not change them.
func (d *Disk) Steps() []Step {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clip(d.steps)
}

// do notes a step and does it, unless it is to fail.
func (d *Disk) do(s Step) syscall.Errno {
	class := Writes
	switch s.Kind {
	case Sync:
		class = Syncs
	case Unlink, Say, Lost:
		d.keep(s)
		return 0
	case Create, Write, Truncate, Rename:
	}
	d.seen[class]++
	if f := d.fault; f.N > 0 && f.Class == class && d.seen[class] >= f.N && d.seen[class] < f.N+max(f.Times, 1) {
		d.failed++
		if class == Syncs {
			d.keep(Step{Kind: Lost, node: s.node})
		}
		return f.Errno
	}
	d.keep(s)
	return 0
}

func (d *Disk) keep(s Step) {
	d.steps = append(d.steps, s)
	s.apply(d.objects)
}
