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
type Lookup struct {
	bin
	from Identifiers
}

// LookupEntry is what a lookup holds, in clear.
type LookupEntry struct {
	Kind, Ident string
	Value       uint64
	// Weak gives way to another record with the same identifier.
	Weak bool
}

// Identifiers lists what a lookup holds from the records that the identifiers
// come from: those with numbers above after, in ascending order. yield takes the
// number of the record and one entry of it; its ErrStop ends the list. Entries
// that the lookup does not hold do no harm.
type Identifiers func(tx *Tx, after uint64, yield func(at uint64, e LookupEntry) error) error

// NewLookup declares a lookup. from lists its identifiers: without it the key of
// the store's lookups cannot be changed, and hashes of somebody who was erased
// can be guessed for as long as free pages hold them.
func NewLookup(name string, from ...Identifiers) *Lookup {
	l := &Lookup{bin: newBin(name, 0)}
	if len(from) > 0 {
		l.from = from[0]
	}
	declared.addLookup(l)
	return l
}

const hashLen = 16

// hideWith is the keyed hash of an identifier and the bucket of its generation.
// The caller normalises ident; equal identifiers must be equal strings.
func (l *Lookup) hideWith(tx *Tx, with *[32]byte, generation uint32, kind, ident string) (gen [4]byte, key []byte) {
	binary.BigEndian.PutUint32(gen[:], generation)
	sum := keyedHash(with, l.where, kind, ident)
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
	k := tx.db.lookups.Load()
	if k.next != nil {
		if err := l.setWith(tx, k.next, k.nextGen, kind, ident, v); err != nil {
			return err
		}
	}
	return l.setWith(tx, &k.key, k.gen, kind, ident, v)
}

func (l *Lookup) setWith(tx *Tx, with *[32]byte, generation uint32, kind, ident string, v uint64) error {
	gen, key := l.hideWith(tx, with, generation, kind, ident)
	b, err := tx.sub(&l.bin, gen[:], true)
	if err != nil {
		return err
	}
	return tx.put(b, key, tx.number(v))
}

// Get returns what an identifier leads to; false when it is unknown.
func (l *Lookup) Get(tx *Tx, kind, ident string) (uint64, bool, error) {
	k := tx.db.lookups.Load().seenBy(tx)
	return l.getWith(tx, &k.key, k.gen, kind, ident)
}

func (l *Lookup) getWith(tx *Tx, with *[32]byte, generation uint32, kind, ident string) (uint64, bool, error) {
	gen, key := l.hideWith(tx, with, generation, kind, ident)
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
	k := tx.db.lookups.Load()
	if k.next != nil {
		if err := l.deleteWith(tx, k.next, k.nextGen, kind, ident); err != nil {
			return err
		}
	}
	return l.deleteWith(tx, &k.key, k.gen, kind, ident)
}

func (l *Lookup) deleteWith(tx *Tx, with *[32]byte, generation uint32, kind, ident string) error {
	gen, key := l.hideWith(tx, with, generation, kind, ident)
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
