// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"slices"
)

// coverDiff is what a puncture did to a cover, in places alone: who holds the
// cover of before can do the same, and nobody learns a key from it.
type coverDiff struct {
	Gone  []uint64 `cbor:"1,keyasint,omitempty"`
	Added []uint64 `cbor:"2,keyasint,omitempty"`
}

// diffCovers tells how one cover became another.
func diffCovers(before, after *cover) (d coverDiff) {
	for k := range before.nodes {
		if _, ok := after.nodes[k]; !ok {
			d.Gone = append(d.Gone, k)
		}
	}
	for k := range after.nodes {
		if _, ok := before.nodes[k]; !ok {
			d.Added = append(d.Added, k)
		}
	}
	slices.Sort(d.Gone)
	slices.Sort(d.Added)
	return d
}

var errCover = errors.New("a change of the keys does not fit the keys that are here")

// apply makes the same change.
func (d *coverDiff) apply(c *cover) error {
	fresh := make([]node, len(d.Added))
	for i, k := range d.Added {
		n, ok := c.derive(k)
		if !ok {
			return errCover
		}
		fresh[i] = n
	}
	for _, k := range d.Gone {
		delete(c.nodes, k)
	}
	for i, k := range d.Added {
		c.nodes[k] = fresh[i]
	}
	return nil
}

// derive computes the node at a place from one at or above it.
func (c *cover) derive(k uint64) (node, bool) {
	level, prefix := int(k>>56), k<<8>>8
	if level > c.depth {
		return node{}, false
	}
	for l := level; l >= 0; l-- {
		n, ok := c.nodes[uint64(l)<<56|prefix>>(level-l)]
		if !ok {
			continue
		}
		for ; l < level; l++ {
			n = n.child(byte(prefix >> (level - l - 1) & 1))
		}
		return n, true
	}
	return node{}, false
}
