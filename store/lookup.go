// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Lookup finds a number by an identifier: a contact by phone number, a user by
// address. The file holds a keyed hash of the identifier, never the identifier.
// The key is that of a generation: each has a bucket of its own, so that the
// next one can be built beside it.
type Lookup struct{ bin }

// NewLookup declares a lookup.
func NewLookup(name string) *Lookup { return &Lookup{newBin(name, 0)} }

const hashLen = 16

// hide is the keyed hash of an identifier. The caller normalises ident; equal
// identifiers must be equal strings.
func (l *Lookup) hide(tx *Tx, kind, ident string) (gen [4]byte, key []byte) {
	binary.BigEndian.PutUint32(gen[:], tx.db.keys.lookGen)
	sum := keyedHash(&tx.db.keys.lookup, l.where, kind, ident)
	tx.key = append(tx.key[:0], sum[:hashLen]...)
	return gen, tx.key
}

// keyedHash is HMAC(key, name | kind | 0 | ident): neither name nor kind holds a zero.
func keyedHash(key *[32]byte, name []byte, kind, ident string) [32]byte {
	var in [192]byte
	n := len(name) + len(kind) + 1 + len(ident)
	if n > len(in) {
		h := hmac.New(sha256.New, key[:])
		_, _ = fmt.Fprintf(h, "%s%s\x00%s", name, kind, ident)
		return [32]byte(h.Sum(nil))
	}
	at := copy(in[:], name)
	at += copy(in[at:], kind)
	copy(in[at+1:], ident)
	return mac(key[:], in[:n])
}

// Set makes an identifier of a kind lead to v.
func (l *Lookup) Set(tx *Tx, kind, ident string, v uint64) error {
	gen, key := l.hide(tx, kind, ident)
	b, err := tx.sub(&l.bin, gen[:], true)
	if err != nil {
		return err
	}
	return tx.put(b, key, tx.number(v))
}

// Get returns what an identifier leads to; false when it is unknown.
func (l *Lookup) Get(tx *Tx, kind, ident string) (uint64, bool, error) {
	gen, key := l.hide(tx, kind, ident)
	b, err := tx.sub(&l.bin, gen[:], false)
	if b == nil || err != nil {
		return 0, false, err
	}
	v := b.Get(key)
	if v == nil {
		return 0, false, nil
	}
	if len(v) != 8 {
		return 0, false, fmt.Errorf("%s: %w", l.name, ErrDamaged)
	}
	return binary.BigEndian.Uint64(v), true, nil
}

// Delete forgets an identifier; one that is unknown is no error.
func (l *Lookup) Delete(tx *Tx, kind, ident string) error {
	gen, key := l.hide(tx, kind, ident)
	b, err := tx.sub(&l.bin, gen[:], false)
	if b == nil || err != nil {
		return err
	}
	return tx.delete(b, key)
}

// number is a value that lives until the commit.
func (tx *Tx) number(v ...uint64) []byte {
	if tx.w == nil {
		return nil
	}
	b := tx.w.arena.take(8 * len(v))
	for _, n := range v {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}
