// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// auditTree is a Merkle tree as of RFC 6962 over the hashes of entries, of which only what is needed to grow it is kept:
// the roots of its perfect subtrees, the largest first.
type auditTree struct {
	Size  uint64      `cbor:"1,keyasint"`
	Roots []tlog.Hash `cbor:"2,keyasint"`
}

// add grows the tree by one entry.
func (t *auditTree) add(entry [32]byte) {
	h := tlog.RecordHash(entry[:])
	for n := t.Size; n&1 == 1; n >>= 1 {
		last := len(t.Roots) - 1
		h, t.Roots = tlog.NodeHash(t.Roots[last], h), t.Roots[:last]
	}
	t.Roots = append(t.Roots, h)
	t.Size++
}

// root is the hash of the whole tree.
func (t *auditTree) root() tlog.Hash {
	if len(t.Roots) == 0 {
		return sha256.Sum256(nil)
	}
	last := len(t.Roots) - 1
	h := t.Roots[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(t.Roots[i], h)
	}
	return h
}

// whole reports whether there are as many roots as a tree of this size has.
func (t *auditTree) whole() bool { return bits.OnesCount64(t.Size) == len(t.Roots) }

func (t *auditTree) copied() auditTree {
	return auditTree{t.Size, append([]tlog.Hash(nil), t.Roots...)}
}

// hexes and hashes write and read the roots.
func hexes(roots []tlog.Hash) []string {
	out := make([]string, len(roots))
	for i := range roots {
		out[i] = hex.EncodeToString(roots[i][:])
	}
	return out
}

func hashes(list []string) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(list))
	for i, s := range list {
		h, err := hashIn(s)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

func hashIn(s string) (h [32]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != s {
		return h, fmt.Errorf("%q is no hash", s)
	}
	return [32]byte(b), nil
}
