// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// node is one value of a tree of keys.
type node [32]byte

// child is one compression of the node, a bit and the domain.
func (n *node) child(bit byte) node {
	var b [41]byte
	copy(b[:], n[:])
	b[32] = bit
	copy(b[33:], "ggm/v1  ")
	return sha256.Sum256(b[:])
}

// cover is a punctured tree over the leaves of depth bits: it holds the roots of
// the subtrees that are left. A leaf that was punctured has no root above it and
// cannot be computed again; no key is written when a leaf is first used.
type cover struct {
	depth int
	nodes map[uint64]node // depth<<56 | prefix
}

func newCover(depth int) *cover {
	var root node
	_, _ = rand.Read(root[:])
	return &cover{depth, map[uint64]node{0: root}}
}

func (c *cover) clone() *cover { return &cover{c.depth, maps.Clone(c.nodes)} }

func (c *cover) find(leaf uint64) (level int, n node, ok bool) {
	for level = c.depth; level >= 0; level-- {
		if n, ok = c.nodes[uint64(level)<<56|leaf>>(c.depth-level)]; ok {
			return level, n, true
		}
	}
	return 0, node{}, false
}

// bit is the branch below level on the way to leaf.
func (c *cover) bit(leaf uint64, level int) byte {
	return byte(leaf >> (c.depth - level - 1) & 1)
}

// leaf computes a leaf; false when it was destroyed.
func (c *cover) leaf(i uint64) (node, bool) {
	level, n, ok := c.find(i)
	if !ok {
		return node{}, false
	}
	for ; level < c.depth; level++ {
		n = n.child(c.bit(i, level))
	}
	return n, true
}

// puncture destroys one leaf; false when it was gone already.
func (c *cover) puncture(leaf uint64) bool {
	level, n, ok := c.find(leaf)
	if !ok {
		return false
	}
	delete(c.nodes, uint64(level)<<56|leaf>>(c.depth-level))
	c.descend(leaf, level, n, true)
	return true
}

// descend walks from n to leaf and keeps the siblings beside the way, all of
// them or only those to the right.
func (c *cover) descend(leaf uint64, level int, n node, both bool) node {
	for ; level < c.depth; level++ {
		bit := c.bit(leaf, level)
		if both || bit == 0 {
			c.nodes[uint64(level+1)<<56|leaf>>(c.depth-level-1)^1] = n.child(bit ^ 1)
		}
		n = n.child(bit)
	}
	return n
}

// overlaps tells whether any leaf from lo up to but not including hi is left.
func (c *cover) overlaps(lo, hi uint64) bool {
	for k := range c.nodes {
		below := c.depth - int(k>>56)
		first := k << 8 >> 8 << below
		if first < hi && lo < first+1<<below {
			return true
		}
	}
	return false
}

// punctureRange destroys the leaves from lo up to but not including hi.
func (c *cover) punctureRange(lo, hi uint64) {
	for lo < hi {
		level, n, ok := c.find(lo)
		if !ok {
			lo++
			continue
		}
		first := lo >> (c.depth - level) << (c.depth - level)
		end := first + 1<<(c.depth-level)
		delete(c.nodes, uint64(level)<<56|lo>>(c.depth-level))
		c.keepOutside(level, first, n, lo, hi)
		lo = end
	}
}

// keepOutside puts back what of the subtree at first lies outside lo to hi.
func (c *cover) keepOutside(level int, first uint64, n node, lo, hi uint64) {
	end := first + 1<<(c.depth-level)
	switch {
	case lo <= first && end <= hi:
		return
	case end <= lo || hi <= first:
		c.nodes[uint64(level)<<56|first>>(c.depth-level)] = n
		return
	}
	half := uint64(1) << (c.depth - level - 1)
	c.keepOutside(level+1, first, n.child(0), lo, hi)
	c.keepOutside(level+1, first+half, n.child(1), lo, hi)
}

// sorted lists the places of the nodes.
func (c *cover) sorted() []uint64 { return slices.Sorted(maps.Keys(c.nodes)) }

const nodeLen = 8 + len(node{})

// bytes writes the cover in the order of its nodes.
func (c *cover) bytes() []byte {
	b := make([]byte, 0, len(c.nodes)*nodeLen)
	for _, k := range c.sorted() {
		n := c.nodes[k]
		b = binary.BigEndian.AppendUint64(b, k)
		b = append(b, n[:]...)
	}
	return b
}

func parseCover(depth int, b []byte) (*cover, error) {
	if len(b)%nodeLen != 0 {
		return nil, errors.New("a key tree of odd length")
	}
	c := &cover{depth, make(map[uint64]node, len(b)/nodeLen)}
	for ; len(b) > 0; b = b[nodeLen:] {
		k := binary.BigEndian.Uint64(b)
		if level := int(k >> 56); level > depth || k<<8>>8 >= 1<<level {
			return nil, errors.New("a key tree with a node outside it")
		}
		c.nodes[k] = node(b[8:nodeLen])
	}
	return c, nil
}

// walker computes leaves of one cover, cheaply when they come in order: it keeps
// the way to the last leaf and starts where the two ways part.
type walker struct {
	c    *cover
	path [33]node // path[l] is the node of level l above last, from level top
	last uint64
	top  int
	warm bool
}

func (w *walker) leaf(i uint64) (node, bool) {
	level, ok := w.shared(i)
	if !ok {
		var n node
		if level, n, ok = w.c.find(i); !ok {
			return node{}, false
		}
		w.path[level], w.top, w.warm = n, level, true
	}
	for ; level < w.c.depth; level++ {
		w.path[level+1] = w.path[level].child(w.c.bit(i, level))
	}
	w.last = i
	return w.path[w.c.depth], true
}

// shared is the lowest level that the way to i has in common with the last one.
func (w *walker) shared(i uint64) (int, bool) {
	if !w.warm {
		return 0, false
	}
	level := w.c.depth
	for d := i ^ w.last; d != 0; d >>= 1 {
		level--
	}
	return level, level >= w.top
}
