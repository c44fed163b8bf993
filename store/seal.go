// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// Values over 64 KiB and all files are written by the age library, which draws
// the file key itself. They carry another stanza that wraps it:
//
//	-> kith/2
//	<base64( subject u32 | class u8 | day u16 | r 16 | ChaCha20-Poly1305(
//	         key = HMAC(record key(subject, class, day), r | where), file key) )>
const (
	liteStanza = "kith/1"
	wrapStanza = "kith/2"
	wrapLen    = labelLen + 16 + chacha20poly1305.Overhead
)

// codec turns a record into the value that is kept, and back. There is one; the
// benchmark of what sealing costs has another.
type codec interface {
	seal(dst []byte, ks keySource, s Subject, k DayKey, plain, where []byte) ([]byte, error)
	open(dst []byte, ks keySource, sealed, where []byte) ([]byte, Subject, error)
}

// ageFiles makes every value one whole age file.
type ageFiles struct{}

func (ageFiles) seal(dst []byte, ks keySource, s Subject, k DayKey, plain, where []byte) ([]byte, error) {
	return seal(dst, ks, s, k, plain, where)
}

func (ageFiles) open(dst []byte, ks keySource, sealed, where []byte) ([]byte, Subject, error) {
	return open(dst, ks, sealed, where)
}

// keySource finds the record key for a subject in a partition.
type keySource interface {
	record(s Subject, k DayKey) ([32]byte, error)
}

// seal appends plain to dst as one age file that opens only at where.
func seal(dst []byte, ks keySource, s Subject, k DayKey, plain, where []byte) ([]byte, error) {
	record, err := ks.record(s, k)
	if err != nil {
		return nil, err
	}
	if len(plain) <= maxChunk {
		return sealLite(dst, label{subject: s, key: k}, &record, plain, where), nil
	}
	out := bytes.NewBuffer(dst)
	w, err := age.Encrypt(out, &wrap{ks: ks, label: label{subject: s, key: k}, where: where})
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return out.Bytes(), nil
}

// open appends the plaintext of an age file at where to dst and says whom it is
// about.
func open(dst []byte, ks keySource, sealed, where []byte) ([]byte, Subject, error) {
	l, ok := readLabel(sealed)
	if !ok {
		return openLong(dst, ks, sealed, where)
	}
	record, err := ks.record(l.subject, l.key)
	if err != nil {
		return nil, l.subject, err
	}
	plain, err := openLite(dst, &l, &record, sealed, where)
	return plain, l.subject, err
}

func openLong(dst []byte, ks keySource, sealed, where []byte) ([]byte, Subject, error) {
	w := &wrap{ks: ks, where: where}
	r, err := age.Decrypt(bytes.NewReader(sealed), w)
	if err != nil {
		return nil, w.label.subject, w.cause()
	}
	out := bytes.NewBuffer(dst)
	if _, err := io.Copy(out, r); err != nil {
		return nil, w.label.subject, ErrDamaged
	}
	return out.Bytes(), w.label.subject, nil
}

// wrap is the recipient and the identity of what the age library writes and
// reads at one place.
type wrap struct {
	ks    keySource
	label label
	where []byte
	err   error
}

// cause tells a destroyed key from a damaged file.
func (w *wrap) cause() error {
	if w.err != nil {
		return w.err
	}
	return ErrDamaged
}

func (w *wrap) key() ([32]byte, error) {
	record, err := w.ks.record(w.label.subject, w.label.key)
	if err != nil {
		return record, err
	}
	return mac(record[:], w.label.r[:], place(w.where)), nil
}

// Wrap implements age.Recipient.
func (w *wrap) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	_, _ = rand.Read(w.label.r[:])
	key, err := w.key()
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return nil, err
	}
	body := w.label.bytes()
	// The key is used once: r is fresh, so a fixed nonce is enough.
	return []*age.Stanza{{Type: wrapStanza, Body: aead.Seal(body[:], make([]byte, chacha20poly1305.NonceSize), fileKey, nil)}}, nil
}

// Unwrap implements age.Identity. It opens both kinds of stanza, so that the
// library reads whatever this package wrote.
func (w *wrap) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || len(stanzas[0].Args) != 0 {
		return nil, age.ErrIncorrectIdentity
	}
	st := stanzas[0]
	var ok bool
	if w.label, ok = parseLabel(st.Body); !ok {
		return nil, age.ErrIncorrectIdentity
	}
	switch {
	case st.Type == liteStanza && len(st.Body) == labelLen:
		return w.unwrapLite()
	case st.Type == wrapStanza && len(st.Body) == wrapLen:
		return w.unwrapLong(st.Body[labelLen:])
	}
	return nil, age.ErrIncorrectIdentity
}

func (w *wrap) unwrapLite() ([]byte, error) {
	record, err := w.ks.record(w.label.subject, w.label.key)
	if err != nil {
		w.err = err
		return nil, err
	}
	key := w.label.fileKey(&record, w.where)
	return key[:], nil
}

func (w *wrap) unwrapLong(wrapped []byte) ([]byte, error) {
	key, err := w.key()
	if err != nil {
		w.err = err
		return nil, err
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return nil, err
	}
	fileKey, err := aead.Open(nil, make([]byte, chacha20poly1305.NonceSize), wrapped, nil)
	if err != nil {
		return nil, age.ErrIncorrectIdentity
	}
	return fileKey, nil
}

// anchorKey is the symmetric recipient of the keyring: the secret in the anchor.
//
//	-> kith-anchor
//	<base64( nonce 24 | XChaCha20-Poly1305(secret, file key) )>
type anchorKey [32]byte

const anchorStanza = "kith-anchor"

// Wrap implements age.Recipient.
func (a *anchorKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	aead, err := chacha20poly1305.NewX(a[:])
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce)
	return []*age.Stanza{{Type: anchorStanza, Body: aead.Seal(nonce, nonce, fileKey, []byte("keyring"))}}, nil
}

// Unwrap implements age.Identity.
func (a *anchorKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(a[:])
	if err != nil {
		return nil, err
	}
	for _, st := range stanzas {
		if st.Type != anchorStanza || len(st.Body) != chacha20poly1305.NonceSizeX+16+chacha20poly1305.Overhead {
			continue
		}
		n := chacha20poly1305.NonceSizeX
		if key, err := aead.Open(nil, st.Body[:n], st.Body[n:], []byte("keyring")); err == nil {
			return key, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// encryptAge and decryptAge are for small things that are not values.
func encryptAge(plain []byte, to ...age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decryptAge(sealed []byte, with ...age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), with...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
