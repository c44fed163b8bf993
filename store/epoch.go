// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// An epoch is the reign of one primary. Promoting a standby begins the next one;
// a server that hears of a newer epoch than its own writes nothing more.
const (
	epochKey  = "epoch"
	fencedKey = "fenced"
	followKey = "follow"
	// standbyFile marks a directory that follows another server.
	standbyFile = "standby"
)

// ErrStandby says that the directory belongs to a standby.
var ErrStandby = errors.New("this is the standby of another server; kith promote makes it the primary")

// readEpoch finds out in which epoch the store is, and whether its time is over.
func (db *DB) readEpoch() error {
	db.epoch = 1
	return db.bolt.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBin.name)
		if b := meta.Get([]byte(epochKey)); len(b) == 8 {
			db.epoch = binary.BigEndian.Uint64(b)
		}
		if b := meta.Get([]byte(fencedKey)); len(b) == 8 && binary.BigEndian.Uint64(b) > db.epoch {
			return fmt.Errorf("%w: %w; follow it from an empty data directory", ErrPermission, ErrFenced)
		}
		return nil
	})
}

// refuseStandby keeps a standby from being opened as if it were the primary.
func (db *DB) refuseStandby() error {
	if _, err := os.Stat(db.path(standbyFile)); err == nil {
		return fmt.Errorf("%w: %s: %w", ErrPermission, db.dir, ErrStandby)
	}
	return nil
}

// fence ends the writing for good: another server is the primary.
func (db *DB) fence(ctx context.Context, epoch uint64) error {
	err := db.UpdateFreeing(context.WithoutCancel(ctx), func(tx *Tx) error {
		meta, err := tx.bucket(&metaBin)
		if err != nil {
			return err
		}
		tx.w.touched = true
		return tx.set(meta, []byte(fencedKey), binary.BigEndian.AppendUint64(tx.w.arena.take(8), epoch))
	})
	db.fail(ErrFenced)
	return errors.Join(ErrFenced, err)
}
