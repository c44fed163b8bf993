// SPDX-License-Identifier: Apache-2.0

package store

import "fmt"

// ringHook learns that a generation of the keyring is on disk and in use. Hooks
// run one after the other in the order of generations and must not change the
// keyring themselves.
type ringHook func(gen uint64)

// puncture destroys keys: change punctures the trees and tells whether it did.
// When it returns nil the keys are gone from the disk and from RAM. Punctures
// that only confirm what is done already cost no write.
func (db *DB) puncture(change func(trees) (changed bool)) error {
	return db.commitRing(func(body *ringBody, t trees) (bool, error) {
		changed := change(t)
		if changed {
			body.setTrees(t)
		}
		return changed, nil
	})
}

// commitRing is the only way to change the keyring. It hands change a copy of
// the body and of the trees in it, commits the body as the next generation,
// puts the keys in RAM in step with it and calls the hooks. A change that says
// no is committed all the same when an earlier commit could not destroy the
// secret of its predecessor.
func (db *DB) commitRing(change func(*ringBody, trees) (changed bool, err error)) error {
	db.ringing.Lock()
	defer db.ringing.Unlock()
	body, trees := db.ring.body, db.keys.snapshot()
	changed, err := change(&body, trees)
	if err != nil {
		return err
	}
	if !changed && !db.ring.unscrubbed {
		return nil
	}
	renamed, err := db.ring.commit(body)
	if renamed {
		now := db.ring.body
		db.ringNow.Store(&now)
		db.keys.replace(trees, now.Static)
		db.useLookups(&now)
		for _, hook := range db.onRing {
			hook(now.Gen)
		}
	}
	if err != nil {
		return fmt.Errorf("changing the keyring: %w", err)
	}
	return nil
}

// currentRing is the body of the keyring that was committed last; the caller
// must not change what it refers to.
func (db *DB) currentRing() *ringBody { return db.ringNow.Load() }
