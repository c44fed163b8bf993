// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"
)

// build makes a store of what was received: a keyring under a new anchor, without
// the keys that the ledger says were destroyed, and the records without those
// that they opened.
func (r *restorer) build(ctx context.Context) error {
	r.o.Progress(Progress{Step: "making the keyring"})
	body, err := r.owner()
	if err != nil {
		return err
	}
	ks, err := body.keys()
	if err != nil {
		return fmt.Errorf("%w: the copy of the keys: %w; use another one", ErrDamaged, err)
	}
	for i := range r.ledger.entries {
		r.ledger.entries[i].puncture(ks.trees)
	}
	body.setTrees(ks.trees)
	if err := createAnchor(filepath.Join(r.stage, anchorFile)); err != nil {
		return err
	}
	// No generation is given twice, whichever of the two is newer.
	gen := max(body.Gen, r.backup.Generation)
	if _, err := (&ring{dir: r.stage, gen: gen}).commit(body); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(r.stage, blobDir), 0o700); err != nil {
		return filing("making", filepath.Join(r.stage, blobDir), err)
	}
	return r.complete(ctx)
}

// owner decides whose machine the store will be on: that of the machine identity
// when it was given, else a new one.
func (r *restorer) owner() (ringBody, error) {
	body := r.escrow.Body
	var err error
	if r.identity, err = findIdentity(r.dir, &Options{Identity: r.o.Identity}); err != nil {
		return body, err
	}
	r.result.Identity = r.identity.path
	machine := r.machine(&body)
	_, err = os.Stat(r.identity.path)
	switch {
	case err == nil || machine == nil:
		r.result.NewIdentity = err != nil
		id, err := r.identity.create(r.o.Passphrase, r.o.Log)
		if err != nil {
			return body, err
		}
		return moveTo(&body, id.Recipient().String(), r.now()), nil
	case !errors.Is(err, os.ErrNotExist):
		return body, filing("looking at", r.identity.path, err)
	}
	text, err := identityText(machine, r.protection())
	if err == nil {
		err = writeFile(r.identity.path, text)
	}
	return body, err
}

// machine is the machine identity among those that were given.
func (r *restorer) machine(body *ringBody) *age.HybridIdentity {
	for _, id := range r.ids {
		h, ok := id.(*age.HybridIdentity)
		if !ok {
			continue
		}
		if key := h.Recipient().String(); slices.Contains(body.Recipients, key) && body.note(key).Kind == RecipientMachine {
			return h
		}
	}
	return nil
}

// protection keeps an identity protected that was.
func (r *restorer) protection() string {
	if slices.ContainsFunc(r.o.Identities, isProtected) {
		return r.o.Passphrase
	}
	return ""
}

// moveTo is the keyring with another machine in the place of the one it had.
func moveTo(body *ringBody, key string, now int64) ringBody {
	out := body.without(func(k string) bool { return k == key || body.note(k).Kind == RecipientMachine })
	return out.with(key, recipientNote{Kind: RecipientMachine, At: now})
}

func (r *restorer) now() int64 {
	if r.o.Now != nil {
		return r.o.Now().Unix()
	}
	return r.backup.Taken.Unix()
}

// complete opens the store once and destroys in it what the ledger lists, so that
// none of that is there when somebody else does.
func (r *restorer) complete(ctx context.Context) (err error) {
	r.o.Progress(Progress{Step: "applying the ledger"})
	o := Options{Identity: r.identity.path, Passphrase: r.o.Passphrase, Now: r.o.Now, Log: r.o.Log}
	db, err := Open(r.stage, o) //nolint:contextcheck // a store is opened whole or not at all
	if err != nil {
		return fmt.Errorf("opening what was restored: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var own *Ledger
	err = db.View(ctx, func(tx *Tx) (err error) {
		own, err = readLedger(tx)
		return err
	})
	if err != nil {
		return err
	}
	r.result.Again = r.ledger.Len() - own.Len()
	if err := db.applyLedger(ctx, r.ledger); err != nil || r.o.Finish == nil {
		return err
	}
	return r.o.Finish(ctx, db)
}
