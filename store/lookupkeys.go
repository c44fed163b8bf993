// SPDX-License-Identifier: Apache-2.0

package store

// lookKeys are the keys of identifiers at one moment: the one in force and, while
// a rotation is under way, the next one, under which every write is made too.
type lookKeys struct {
	key     [32]byte
	gen     uint32
	next    *[32]byte
	nextGen uint32
	// Views of before commit since see the generation of prev only.
	since uint64
	prev  *lookKeys
}

// seenBy is what a transaction sees: a view that began before the switch finds
// the old generation complete and the new one perhaps not.
func (k *lookKeys) seenBy(tx *Tx) *lookKeys {
	for tx.w == nil && k.prev != nil && tx.snap < k.since {
		k = k.prev
	}
	return k
}

// useLookups takes the keys of identifiers from a body.
func (db *DB) useLookups(b *ringBody) {
	now := db.lookups.Load()
	k := &lookKeys{key: [32]byte(b.Lookup), gen: b.LookupGen}
	if b.NextGen != 0 {
		next := [32]byte(b.NextLookup)
		k.next, k.nextGen = &next, b.NextGen
	}
	if now != nil {
		k.since, k.prev = now.since, now.prev
		if now.gen != k.gen {
			k.since, k.prev = db.rotation.complete.Load(), &lookKeys{key: now.key, gen: now.gen, since: now.since, prev: now.prev}
		}
	}
	db.lookups.Store(k)
}

// forgetLookups drops the keys of generations that no view sees any more.
func (db *DB) forgetLookups() {
	k := db.lookups.Load()
	if k.prev == nil || db.readers.oldest(k.since) < k.since {
		return
	}
	fresh := *k
	fresh.prev = nil
	db.lookups.CompareAndSwap(k, &fresh)
}
