// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
)

// ledgerEntry is one destruction: what was or is to be destroyed, in numbers.
// The ledger is never shortened; with an old backup it says what must be
// destroyed again. Numbers of fields are never used again.
type ledgerEntry struct {
	n      uint64
	Kind   uint8  `cbor:"1,keyasint"`
	Number uint64 `cbor:"2,keyasint"`           // of the subject, the day, the segment
	At     int64  `cbor:"3,keyasint"`           // unix seconds of the intent
	Done   int64  `cbor:"4,keyasint,omitempty"` // unix seconds; 0 while unfinished
	Gen    uint64 `cbor:"5,keyasint,omitempty"` // of the keyring without the key
}

// Kinds of what is destroyed.
const ledgerSubject uint8 = 1

var ledger = bin{name: []byte(ledgerBucket), where: []byte(ledgerBucket + "\x00"), missing: ErrNotFound, fill: fillAppend}

// write puts an entry under its number, a new one when it has none yet.
func (e *ledgerEntry) write(tx *Tx) error {
	b, err := tx.bucket(&ledger)
	if err != nil {
		return err
	}
	if e.n == 0 {
		e.n, e.At = tx.NextID(), tx.now.Unix()
	}
	v, err := encoding.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	key := rowKey(e.n)
	return tx.put(b, key[:], v)
}

// unfinished lists the destructions that were intended and not completed.
func unfinished(tx *Tx) (found []ledgerEntry, err error) {
	b, err := tx.bucket(&ledger)
	if b == nil || err != nil {
		return nil, err
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var e ledgerEntry
		if err := decoding.Unmarshal(v, &e); err != nil || len(k) != 8 {
			return nil, fmt.Errorf("%w: an entry of the ledger cannot be read", ErrDamaged)
		}
		if e.Done == 0 {
			e.n = binary.BigEndian.Uint64(k)
			found = append(found, e)
		}
	}
	return found, nil
}
