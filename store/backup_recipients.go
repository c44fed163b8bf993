// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
)

// ErrNoRecipient says that no backup can be made for the recipients that were named.
var ErrNoRecipient = errors.New("no backup can be made for these recipients")

// CheckRecipients tells whether a backup can be made for all of these together.
func CheckRecipients(texts []string) error {
	_, _, err := parseBackupRecipients(texts)
	return err
}

// backupRecipients are those of the keyring unless others are named.
func (db *DB) backupRecipients(o *BackupOptions) (to []age.Recipient, w *Witness, err error) {
	texts := o.Recipients
	if len(texts) == 0 {
		texts = db.currentRing().Recipients
	}
	to, classic, err := parseBackupRecipients(texts)
	if err != nil || !o.Witness {
		return to, nil, err
	}
	if classic {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, nil, fmt.Errorf("making a key: %w", err)
		}
		return append(to, id.Recipient()), &Witness{id}, nil
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	return append(to, id.Recipient()), &Witness{id}, nil
}

// parseBackupRecipients also tells whether the recipients are of the kind that
// older age programs know.
func parseBackupRecipients(texts []string) (to []age.Recipient, classic bool, err error) {
	var kinds [2]int
	for i, text := range texts {
		var r age.Recipient
		if strings.HasPrefix(text, "age1pq1") {
			r, err = age.ParseHybridRecipient(text)
			kinds[0]++
		} else {
			r, err = age.ParseX25519Recipient(text)
			kinds[1]++
		}
		if err != nil {
			// What age says about the text may quote it, and it may be a secret.
			return nil, false, fmt.Errorf("%w: number %d is none: give the public key, which begins with age1", ErrNoRecipient, i+1)
		}
		to = append(to, r)
	}
	if kinds[0] > 0 && kinds[1] > 0 {
		return nil, false, fmt.Errorf("%w: age does not mix post-quantum recipients (age1pq1...) and classic ones (age1...) in one file; make one backup for each kind", ErrNoRecipient)
	}
	return to, kinds[1] > 0, nil
}

// Secret is the witness as an age identity, to hand it to another process.
func (w *Witness) Secret() string {
	s, ok := w.id.(fmt.Stringer)
	if !ok {
		return ""
	}
	return s.String()
}

// NewWitness reads what Secret wrote.
func NewWitness(secret string) (*Witness, error) {
	ids, err := parseIdentities([][]byte{[]byte(secret)}, "")
	if err != nil {
		return nil, err
	}
	return &Witness{ids[0]}, nil
}
