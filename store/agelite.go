// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// A value is one whole age v1 file of at most one chunk:
//
//	age-encryption.org/v1
//	-> kith/1
//	<base64( subject u32 | class u8 | day u16 | r 16 random bytes )>
//	--- <base64( HMAC(HKDF(file key, "header"), header up to "---") )>
//	nonce 16 | ChaCha20-Poly1305(HKDF(file key, nonce, "payload"))
//
//	file key = HMAC(record key(subject, class, day), r | where)[:16]
//
// where is the place of the value: its bucket and key. A value copied to another
// place does not open. This codec writes what the age library would, without its
// buffers of 64 KiB; the tests hold one against the other.
const (
	liteHead = "age-encryption.org/v1\n-> kith/1\n"
	labelLen = 4 + 1 + 2 + 16
	bodyLen  = 31 // base64 of a label
	macStart = len(liteHead) + bodyLen + 1
	macEnd   = macStart + len("--- ") + 43
	liteLen  = macEnd + 1
	nonceLen = 16
	overhead = liteLen + nonceLen + chacha20poly1305.Overhead
	maxChunk = 64 << 10
)

var b64 = base64.RawStdEncoding

// label is what a sealed value says about itself in clear, authenticated.
type label struct {
	subject Subject
	key     DayKey
	r       [16]byte
}

func (l *label) bytes() [labelLen]byte {
	var b [labelLen]byte
	binary.BigEndian.PutUint32(b[:], uint32(l.subject))
	b[4] = byte(l.key.Class)
	binary.BigEndian.PutUint16(b[5:], uint16(l.key.Day))
	copy(b[7:], l.r[:])
	return b
}

func parseLabel(b []byte) (label, bool) {
	if len(b) < labelLen {
		return label{}, false
	}
	l := label{
		subject: Subject(binary.BigEndian.Uint32(b)),
		key:     DayKey{Class(b[4]), Day(binary.BigEndian.Uint16(b[5:]))},
	}
	copy(l.r[:], b[7:])
	return l, true
}

// readLabel reads the label of a sealed value without opening it.
func readLabel(sealed []byte) (label, bool) {
	if len(sealed) < overhead || string(sealed[:len(liteHead)]) != liteHead {
		return label{}, false
	}
	var b [labelLen + 1]byte
	n, err := b64.Decode(b[:], sealed[len(liteHead):][:bodyLen])
	if err != nil || n != labelLen {
		return label{}, false
	}
	return parseLabel(b[:])
}

// fileKey derives the key of one value from its record key.
func (l *label) fileKey(record *[32]byte, where []byte) [16]byte {
	k := mac(record[:], l.r[:], place(where))
	return [16]byte(k[:16])
}

// place keeps where within what mac takes.
func place(where []byte) []byte {
	if len(where) <= 64 {
		return where
	}
	h := sha256.Sum256(where)
	return h[:]
}

// sealLite appends a sealed value to dst; plain holds at most 64 KiB.
func sealLite(dst []byte, l label, record *[32]byte, plain, where []byte) []byte {
	var random [16 + nonceLen]byte
	_, _ = rand.Read(random[:])
	l.r = [16]byte(random[:])
	key := l.fileKey(record, where)
	dst = appendHeader(dst, &l, key)
	dst = append(dst, random[16:]...)
	return sealPayload(dst, key, random[16:], plain)
}

func appendHeader(dst []byte, l *label, key [16]byte) []byte {
	start := len(dst)
	dst = append(dst, liteHead...)
	body := l.bytes()
	dst = b64.AppendEncode(dst, body[:])
	dst = append(dst, "\n---"...)
	sum := headerMAC(key, dst[start:])
	dst = append(dst, ' ')
	dst = b64.AppendEncode(dst, sum[:])
	return append(dst, '\n')
}

func headerMAC(key [16]byte, header []byte) [32]byte {
	hk := expand(key[:], nil, "header")
	return mac(hk[:], header)
}

// lastChunk is the nonce of the first chunk when it is the last one too.
var lastChunk = [chacha20poly1305.NonceSize]byte{11: 1}

func sealPayload(dst []byte, key [16]byte, nonce, plain []byte) []byte {
	pk := expand(key[:], nonce, "payload")
	aead, err := chacha20poly1305.New(pk[:])
	if err != nil {
		panic(err) // only for a key of another length
	}
	return aead.Seal(dst, lastChunk[:], plain, nil) //nolint:gosec // as age says: the key serves this one chunk
}

func openPayload(dst []byte, key [16]byte, payload []byte) ([]byte, error) {
	pk := expand(key[:], payload[:nonceLen], "payload")
	aead, err := chacha20poly1305.New(pk[:])
	if err != nil {
		return nil, err
	}
	return aead.Open(dst, lastChunk[:], payload[nonceLen:], nil)
}

// openLite appends the plaintext of a sealed value to dst; l is its label.
func openLite(dst []byte, l *label, record *[32]byte, sealed, where []byte) ([]byte, error) {
	key := l.fileKey(record, where)
	sum := headerMAC(key, sealed[:macStart+3])
	var got [33]byte
	n, err := b64.Decode(got[:], sealed[macStart+4:macEnd])
	if err != nil || n != 32 || sealed[macStart+3] != ' ' || sealed[macEnd] != '\n' || !hmac.Equal(got[:32], sum[:]) {
		return nil, ErrDamaged
	}
	// The decoder ignores the two spare bits at the end of the base64 text.
	var again [43]byte
	if b64.Encode(again[:], sum[:]); string(again[:]) != string(sealed[macStart+4:macEnd]) {
		return nil, ErrDamaged
	}
	plain, err := openPayload(dst, key, sealed[liteLen:])
	if err != nil || len(plain)-len(dst) > maxChunk {
		return nil, ErrDamaged
	}
	return plain, nil
}

// The two pads of HMAC.
var innerPad, outerPad = [64]byte(bytes.Repeat([]byte{0x36}, 64)), [64]byte(bytes.Repeat([]byte{0x5c}, 64))

// mac is HMAC-SHA256 for short inputs, on the stack: a key of at most 64 bytes
// and data of at most 192.
func mac(key []byte, parts ...[]byte) [32]byte {
	var in [256]byte
	var out [96]byte
	copy(in[:], innerPad[:])
	copy(out[:], outerPad[:])
	subtle.XORBytes(in[:64], key, innerPad[:len(key)])
	subtle.XORBytes(out[:64], key, outerPad[:len(key)])
	n := 64
	for _, p := range parts {
		if len(p) > len(in)-n {
			panic("store: mac of more than 192 bytes")
		}
		n += copy(in[n:], p)
	}
	sum := sha256.Sum256(in[:n])
	copy(out[64:], sum[:])
	return sha256.Sum256(out[:])
}

// expand is HKDF-SHA256 for one block of output.
func expand(secret, salt []byte, info string) [32]byte {
	var zero [32]byte
	if salt == nil {
		salt = zero[:]
	}
	prk := mac(salt, secret)
	var tail [16]byte
	n := copy(tail[:], info)
	tail[n] = 1
	return mac(prk[:], tail[:n+1])
}
