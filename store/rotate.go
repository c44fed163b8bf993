// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// RotateAnchor makes the secret of the anchor and with it the encryption of the
// keyring anew. Every destruction of a key does the same.
func (db *DB) RotateAnchor() error {
	return db.commitRing(func(*ringBody, trees) (bool, error) { return true, nil })
}

// RotateStatic makes the static key anew. What was signed or derived under the
// old one is not known any more.
func (db *DB) RotateStatic() error {
	return db.commitRing(func(b *ringBody, _ trees) (bool, error) {
		b.Static = make([]byte, 32)
		_, _ = rand.Read(b.Static)
		return true, nil
	})
}

// RotateIdentity makes another machine identity, puts its file in the place of
// the present one and encrypts the anchor to it. passphrase is needed when the
// identity is protected by one; the new one is protected by the same.
//
//	1  identity.new is written                      crash: the next start removes it
//	2  the anchor is encrypted to both              crash: the same, and to one again
//	3  rename to identity, fsync of the directory   crash: the new one opens; the old
//	4  the anchor is encrypted to the new one             one loses its right at start
//	5  the bytes of the old file are overwritten
func (db *DB) RotateIdentity(passphrase string) error {
	db.rotation.identity.Lock()
	defer db.rotation.identity.Unlock()
	protected, err := db.mayReplace(passphrase)
	if err != nil {
		return err
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return fmt.Errorf("making an identity: %w", err)
	}
	if !protected {
		passphrase = ""
	}
	text, err := identityText(id, passphrase)
	if err != nil {
		return err
	}
	if err := db.identityStep(0); err != nil {
		return err
	}
	path, next := db.kept.path, id.Recipient().String()
	if err := writeOwned(path+newSuffix, path, text); err != nil {
		return err
	}
	if err := db.identityStep(1); err != nil {
		return err
	}
	if err := db.addMachine(next); err != nil {
		return errors.Join(err, os.Remove(path+newSuffix))
	}
	if err := db.identityStep(2); err != nil {
		return err
	}
	if err := replaceFile(path); err != nil {
		return err
	}
	db.setMachine(next)
	if err := db.identityStep(3); err != nil {
		return err
	}
	return errors.Join(db.settleMachines(), db.identityStep(4))
}

func (db *DB) identityStep(n int) error {
	if db.faultIdentity == nil {
		return nil
	}
	return db.faultIdentity(n)
}

// mayReplace tells whether the identity is protected, or why it cannot be
// replaced.
func (db *DB) mayReplace(passphrase string) (protected bool, err error) {
	if db.kept.kind == CustodyCredential {
		return false, fmt.Errorf("%w: systemd hands it over. Make another with age-keygen -pq, add its public key with "+
			"kith keys add-recipient, put it in the place of the credential, restart, and remove the old recipient", ErrPassphrase)
	}
	k := db.kept
	id, err := k.read(passphrase, nil)
	if err != nil {
		return false, err
	}
	if id.Recipient().String() != db.machineKey() {
		return false, fmt.Errorf("%w: %s holds another identity than the one that opened the store; put that back first", ErrPassphrase, k.path)
	}
	if n := len(db.currentRing().Recipients); n >= maxRecipients {
		return false, refusedRecipient("the anchor is encrypted to %d recipients and has no room for the new identity beside the old one; remove one first", n)
	}
	return k.kind == CustodyPassphrase, nil
}

func (db *DB) addMachine(key string) error {
	n := recipientNote{Kind: RecipientMachine, At: db.now().Unix()}
	return db.changeRecipients(func(b *ringBody) (ringBody, error) { return b.with(key, n), nil })
}

// settleMachines takes the right to open the store from machine identities other
// than the one in use: a rotation of the identity ends so, also one that was cut
// short. An identity that is no machine's, such as the recovery key, does not
// put the machine out.
func (db *DB) settleMachines() error {
	mine := db.machineKey()
	other := func(b *ringBody) func(string) bool {
		return func(key string) bool { return key != mine && b.note(key).Kind == RecipientMachine }
	}
	body := db.currentRing()
	if body.note(mine).Kind != RecipientMachine {
		return nil
	}
	if left := body.without(other(body)); len(left.Recipients) == len(body.Recipients) {
		return db.writeRecipients()
	}
	return db.changeRecipients(func(b *ringBody) (ringBody, error) { return b.without(other(b)), nil })
}

// settleIdentity finishes or takes back, at the start, what a rotation of the
// identity left behind.
func (db *DB) settleIdentity(id *age.HybridIdentity) {
	db.setMachine(id.Recipient().String())
	err := db.settleMachines()
	if err == nil && db.kept.kind != CustodyCredential {
		if rerr := os.Remove(db.kept.path + newSuffix); rerr == nil {
			err = syncDir(filepath.Dir(db.kept.path))
		} else if !errors.Is(rerr, os.ErrNotExist) {
			err = filing("removing", db.kept.path+newSuffix, rerr)
		}
	}
	if err != nil {
		db.log.Warn("a change of the identity that was cut short could not be cleared up; the next start tries again", "error", err)
	}
}
