// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// trialDir is where a trial unpacks a backup, inside the data directory. What a
// crash leaves of it is removed by the next trial.
const trialDir = "trial"

// Trial restores a backup of this store as a test, beside the store and with its
// keys, and removes it again: every record is opened, every page and sum checked.
// No keyring is written. With streamed nothing is written at all, for want of
// space: then the sums and the seal of the backup are checked, not the records.
// The result says how many records do not open; everything else is an error.
func (db *DB) Trial(ctx context.Context, from io.Reader, o CheckOptions, streamed bool) (Restored, error) {
	ids, err := o.identities()
	if err != nil {
		return Restored{}, err
	}
	if !streamed {
		db.trying.Lock()
		defer db.trying.Unlock()
	}
	r := &restorer{
		o: &RestoreOptions{Progress: func(Progress) {}, AcceptDamage: true}, ids: ids, stage: db.path(trialDir),
		escrow: &escrow{Instance: db.instanceID[:], Body: *db.currentRing()},
	}
	if o.Progress != nil {
		r.o.Progress = func(p Progress) { o.Progress(p.Done) }
	}
	if streamed {
		r.backup, err = readBackup(ctx, from, ids, o.Progress, nothing)
		if err == nil {
			err = r.backup.checkAgainst(r.escrow)
		}
		if r.backup != nil {
			r.result.Manifest = r.backup.Manifest
		}
		return r.result, err
	}
	return r.try(ctx, from)
}

func (r *restorer) try(ctx context.Context, from io.Reader) (res Restored, err error) {
	if err := os.RemoveAll(r.stage); err != nil {
		return res, filing("removing", r.stage, err)
	}
	if err := os.Mkdir(r.stage, 0o700); err != nil {
		return res, filing("making", r.stage, err)
	}
	defer func() {
		if rerr := os.RemoveAll(r.stage); rerr != nil {
			err = errors.Join(err, filing("removing", r.stage, rerr))
		}
	}()
	if err := r.receive(ctx, from); err != nil {
		return r.result, err
	}
	return r.result, r.examine(ctx)
}

// TrialRestore is Trial for who holds no open store: with the copies of keys and
// ledger that lie beside the backup. scratch is a directory that is not there.
func TrialRestore(ctx context.Context, scratch string, from io.Reader, o RestoreOptions) (Restored, error) {
	r, err := newRestorer(filepath.Dir(scratch), &o)
	if err != nil {
		return Restored{}, err
	}
	if _, err := os.Lstat(scratch); !errors.Is(err, os.ErrNotExist) {
		return Restored{}, fmt.Errorf("%w: %s is there already", ErrNotEmpty, scratch)
	}
	r.stage = scratch
	return r.try(ctx, from)
}
