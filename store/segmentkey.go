// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
)

// segmentKey is the key of one segment of an index; every block of the segment
// is sealed under it, for its own place.
type segmentKey [32]byte

// record implements keySource: a block is about nobody in particular.
func (k *segmentKey) record(Subject, DayKey) ([32]byte, error) { return *k, nil }

// segment is the key of a segment; ErrErased once it was destroyed.
func (ks *keys) segment(number uint32) (*segmentKey, error) {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	leaf, ok := ks.trees.segments.leaf(uint64(number))
	if !ok {
		return nil, ErrErased
	}
	key := segmentKey(mac(leaf[:], []byte("seg/v1")))
	return &key, nil
}

// sourceOf is where the keys of a bucket or partition come from: in a segment of an
// index all values have its own key. ErrErased when that was destroyed.
func (ks *keys) sourceOf(table, part []byte) (keySource, error) {
	for _, i := range declared.allIndexes() {
		x, ok := i.(*indexCore)
		if !ok || len(part) != 4 || !bytes.Equal(x.segments.name, table) {
			continue
		}
		key, err := ks.segment(binary.BigEndian.Uint32(part))
		if err != nil {
			return nil, err
		}
		return key, nil
	}
	return ks.opener(), nil
}

// segmentAlive tells whether the key of a segment can still be computed.
func (ks *keys) segmentAlive(number uint32) bool {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	_, _, ok := ks.trees.segments.find(uint64(number))
	return ok
}
