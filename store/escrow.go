// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/hex"
	"errors"
	"fmt"

	"filippo.io/age"
)

// escrow is the copy of the keyring that lies beside backups: an age file for
// those who open the store. It opens data of any age, older and newer, but for
// what was destroyed before the copy was made. That is why there is one copy in
// a place, overwritten whenever a key is destroyed, and never one in a backup.
// Numbers of fields are never used again.
type escrow struct {
	Instance []byte   `cbor:"1,keyasint"`
	At       int64    `cbor:"2,keyasint"` // unix seconds
	Body     ringBody `cbor:"3,keyasint"`
}

// Escrow returns the copy of the keyring as of now, and its generation.
func (db *DB) Escrow() (sealed []byte, generation uint64, err error) {
	body := db.currentRing()
	plain, err := encoding.Marshal(escrow{db.instanceID[:], db.now().Unix(), *body})
	if err != nil {
		return nil, 0, fmt.Errorf("copying the keyring: %w", err)
	}
	to, err := parseRecipients(body.Recipients)
	if err != nil {
		return nil, 0, err
	}
	if sealed, err = encryptAge(plain, to...); err != nil {
		return nil, 0, fmt.Errorf("copying the keyring: %w", err)
	}
	return sealed, body.Gen, nil
}

// Generation is that of the keyring. It grows whenever a key is destroyed or the
// recipients change: copies of an older one are to be overwritten.
func (db *DB) Generation() uint64 { return db.currentRing().Gen }

// OnGeneration lets fn hear of every new generation of the keyring. fn must
// return soon and must not change the keyring. It is for the time before anything
// is destroyed: right after Open.
func (db *DB) OnGeneration(fn func(generation uint64)) {
	db.ringing.Lock()
	defer db.ringing.Unlock()
	db.onRing = append(db.onRing, fn)
}

// OnPending lets fn name the copies that still hold keys which generation has no
// more, for the certificate of an erasure. It is for the time right after Open.
func (db *DB) OnPending(fn func(generation uint64) []string) {
	db.ringing.Lock()
	defer db.ringing.Unlock()
	db.onPending = append(db.onPending, fn)
}

// openEscrow opens a copy of the keyring.
func openEscrow(sealed []byte, ids []age.Identity) (*escrow, error) {
	plain, err := decryptAge(sealed, ids...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, fmt.Errorf("%w: the copy of the keys is for other recipients; give the machine identity or the recovery key", ErrWrongKey)
	}
	e := new(escrow)
	if err == nil {
		err = decoding.Unmarshal(plain, e)
	}
	if err != nil || len(e.Instance) != len(instanceID{}) {
		return nil, fmt.Errorf("%w: the copy of the keys cannot be read; use another one", ErrDamaged)
	}
	return e, nil
}

func (e *escrow) instance() string { return hex.EncodeToString(e.Instance) }

// checkAgainst holds a backup against the keys that are to open it.
func (a *readArchive) checkAgainst(e *escrow) error {
	if a.Instance != e.instance() {
		return fmt.Errorf("%w: the backup is of another installation than the keys; give those of the same one", ErrWrongKey)
	}
	ks, err := e.Body.keys()
	if err != nil {
		return fmt.Errorf("%w: the copy of the keys: %w; use another one", ErrDamaged, err)
	}
	return a.checkSeal(ks)
}
