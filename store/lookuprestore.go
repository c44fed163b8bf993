// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"fmt"
)

// restoreLookups writes the entries of the present key anew when the data came
// with those of another: a copy of another age than the keyring was restored.
func (db *DB) restoreLookups(ctx context.Context) error {
	k := db.lookups.Load()
	var mark []byte
	err := db.View(ctx, func(tx *Tx) error {
		mark = bytes.Clone(tx.b.Bucket([]byte(metaBucket)).Get([]byte(lookupKey)))
		return nil
	})
	if err != nil {
		return err
	}
	whole := mark == nil && k.gen == 1 || bytes.Equal(mark, lookupMark(&k.key, k.gen))
	if k.next != nil && bytes.Equal(mark, lookupMark(k.next, k.nextGen)) {
		whole = true // only the switch is missing
	}
	if whole {
		return nil
	}
	db.log.Warn("the identifiers are written anew: the data and the keyring are of different ages")
	for _, l := range declared.allLookups() {
		if err := l.restore(ctx, db, k); err != nil {
			return fmt.Errorf("writing the identifiers anew: %w", err)
		}
	}
	return db.Update(ctx, func(tx *Tx) error {
		return tx.put(tx.b.Bucket([]byte(metaBucket)), []byte(lookupKey), lookupMark(&k.key, k.gen))
	})
}

func (l *Lookup) restore(ctx context.Context, db *DB, k *lookKeys) error {
	if l.from == nil {
		return nil
	}
	if err := db.Update(ctx, func(tx *Tx) error { return l.dropExcept(tx) }); err != nil {
		return err
	}
	return l.fill(ctx, db, func(tx *Tx, e *LookupEntry) error {
		if e.Weak {
			if _, ok, err := l.getWith(tx, &k.key, k.gen, e.Kind, e.Ident); ok || err != nil {
				return err
			}
		}
		return l.setWith(tx, &k.key, k.gen, e.Kind, e.Ident, e.Value)
	})
}
