// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/hex"

	bolt "go.etcd.io/bbolt"
)

// instanceKey is where meta keeps the name of the instance.
const instanceKey = "instance"

// instanceID names an installation for as long as it lives: backups, ledgers and
// certificates of two installations are told apart by it. A restored store keeps
// the name. It says nothing about anybody.
type instanceID [16]byte

// String is the name in hex.
func (i instanceID) String() string { return hex.EncodeToString(i[:]) }

// Instance is the name of this installation, 32 letters of hex.
func (db *DB) Instance() string { return db.instanceID.String() }

// nameInstance reads the name or gives the store one. It is derived from a secret
// of the keyring, so that it is the same when a full disk keeps it from being
// written and the next start tries again.
func (db *DB) nameInstance() error {
	var found []byte
	err := db.bolt.View(func(tx *bolt.Tx) error {
		found = append(found, tx.Bucket([]byte(metaBucket)).Get([]byte(instanceKey))...)
		return nil
	})
	if err != nil || len(found) == len(db.instanceID) {
		copy(db.instanceID[:], found)
		return err
	}
	sum := mac(db.keys.static[:], []byte("instance/v1"))
	copy(db.instanceID[:], sum[:])
	err = db.bolt.now().Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte(instanceKey), db.instanceID[:])
	})
	if isFull(err) && db.pagesAgree() {
		db.log.Warn("the name of this instance could not be written; the next start tries again", "error", err)
		return nil
	}
	if err != nil {
		return filing("writing", db.path(dataFile), err)
	}
	return nil
}
