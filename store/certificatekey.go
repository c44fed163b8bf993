// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// signingName is where meta keeps the key that signs certificates, sealed about
// nobody. It is made when it is first needed and stays with the store, also
// through backup and restore.
const signingName = "signing"

// CertificateKey is the public key with which this installation signs, in base64.
// Who was given a certificate compares the key in it with this one.
func (db *DB) CertificateKey(ctx context.Context) (string, error) {
	key, err := db.signingKey(ctx)
	if err != nil {
		return "", err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	return base64.StdEncoding.EncodeToString(public), nil
}

func (db *DB) signingKey(ctx context.Context) (key ed25519.PrivateKey, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		key, err = readSigningKey(tx)
		return err
	})
	if key != nil || err != nil {
		return key, err
	}
	err = db.Update(ctx, func(tx *Tx) error {
		if key, err = readSigningKey(tx); key != nil || err != nil {
			return err
		}
		_, key, err = ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return fmt.Errorf("making the key that signs certificates: %w", err)
		}
		meta, err := tx.bucket(&metaBin)
		if err != nil {
			return err
		}
		sealed, err := seal(nil, tx.db.keys, Nobody, DayKey{}, key.Seed(), tx.at(&metaBin, nil, []byte(signingName)))
		if err != nil {
			return fmt.Errorf("sealing the key that signs certificates: %w", err)
		}
		return tx.put(meta, []byte(signingName), sealed)
	})
	return key, err
}

// readSigningKey is the key, or nil when there is none yet.
func readSigningKey(tx *Tx) (ed25519.PrivateKey, error) {
	sealed := tx.b.Bucket(metaBin.name).Get([]byte(signingName))
	if sealed == nil {
		return nil, nil
	}
	seed, _, err := open(nil, tx.db.keys, sealed, tx.at(&metaBin, nil, []byte(signingName)))
	if err == nil && len(seed) != ed25519.SeedSize {
		err = ErrDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("the key that signs certificates: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// pendingAt names the copies that still have the keys of before a generation.
func (db *DB) pendingAt(gen uint64) []string {
	pending := []string{}
	for _, of := range db.onPending {
		pending = append(pending, of(gen)...)
	}
	return pending
}
