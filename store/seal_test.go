// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"filippo.io/age"
)

// testKeys are keys without a ring.
func testKeys(tb testing.TB) *keys {
	tb.Helper()
	b := newBody()
	ks, err := b.keys()
	if err != nil {
		tb.Fatal(err)
	}
	return ks
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func TestTheAgeLibraryOpensWhatThisCodecSeals(t *testing.T) {
	ks, where := testKeys(t), []byte("messages\x00key")
	for _, n := range append(sizes(600), 4095, 65535, 65536, 65537, 200_000) {
		plain := random(n)
		sealed, err := seal(nil, ks, 7, DayKey{1, 20000}, plain, where)
		if err != nil {
			t.Fatal(err)
		}
		r, err := age.Decrypt(bytes.NewReader(sealed), &wrap{ks: ks, where: where})
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: the library read something else: %v", n, err)
		}
		got, s, err := open([]byte("before"), ks, sealed, where)
		if err != nil || s != 7 || !bytes.Equal(got, append([]byte("before"), plain...)) {
			t.Fatalf("%d bytes: opened something else for %d: %v", n, s, err)
		}
	}
}

func sizes(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// stealKey is a recipient that lets the test see the file key.
type stealKey struct{ key [16]byte }

func (s *stealKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	s.key = [16]byte(fileKey)
	return []*age.Stanza{{Type: liteStanza, Body: make([]byte, labelLen)}}, nil
}

func TestThisCodecReadsWhatTheAgeLibraryWrites(t *testing.T) {
	for _, n := range append(sizes(600), 4095, 65535, 65536) {
		plain, thief := random(n), &stealKey{}
		var file bytes.Buffer
		w, err := age.Encrypt(&file, thief)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		sealed := file.Bytes()
		if !bytes.Equal(sealed[:liteLen], appendHeader(nil, &label{}, thief.key)) {
			t.Fatalf("%d bytes: the library writes another header", n)
		}
		if got, err := openPayload(nil, thief.key, sealed[liteLen:]); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	ks, where := testKeys(t), []byte("messages\x00key")
	for _, n := range []int{0, 1, 100, maxChunk + 10} {
		sealed, err := seal(nil, ks, 7, DayKey{1, 20000}, random(n), where)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(sealed)/700)
		for i := 0; i < len(sealed); i += step {
			for _, bit := range []byte{1, 0x80} {
				c := bytes.Clone(sealed)
				c[i] ^= bit
				if _, _, err := open(nil, ks, c, where); err == nil {
					t.Fatalf("%d bytes: a change at %d was not noticed", n, i)
				}
			}
		}
		for i := 0; i < len(sealed); i += step {
			if _, _, err := open(nil, ks, sealed[:i], where); err == nil {
				t.Fatalf("%d bytes: cut at %d and not noticed", n, i)
			}
		}
	}
}

func TestAValueThatMovedDoesNotOpen(t *testing.T) {
	ks := testKeys(t)
	long := bytes.Repeat([]byte("where"), 40)
	for _, where := range [][]byte{[]byte("messages\x00key"), long, bytes.Repeat([]byte("x"), 64), bytes.Repeat([]byte("x"), 65)} {
		for _, n := range []int{10, maxChunk + 10} {
			sealed, err := seal(nil, ks, 7, DayKey{1, 20000}, random(n), where)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := open(nil, ks, sealed, where); err != nil {
				t.Fatal(err)
			}
			moved := bytes.Clone(where)
			moved[len(moved)-1]++
			if _, _, err := open(nil, ks, sealed, moved); !errors.Is(err, ErrDamaged) {
				t.Errorf("%d bytes opened elsewhere: %v", n, err)
			}
		}
	}
}

func TestAPuncturedKeyIsGone(t *testing.T) {
	ks, where := testKeys(t), []byte("w")
	for _, n := range []int{10, maxChunk + 10} {
		sealed, err := seal(nil, ks, 7, DayKey{1, 20000}, random(n), where)
		if err != nil {
			t.Fatal(err)
		}
		tr := ks.snapshot()
		tr.subjects.puncture(7)
		gone := &keys{trees: tr}
		if _, _, err := open(nil, gone, sealed, where); !errors.Is(err, ErrErased) {
			t.Errorf("subject: %v", err)
		}
		tr = ks.snapshot()
		tr.days.puncture(DayKey{1, 20000}.leaf())
		gone = &keys{trees: tr}
		if _, _, err := open(nil, gone, sealed, where); !errors.Is(err, ErrErased) {
			t.Errorf("day: %v", err)
		}
		if _, err := seal(nil, gone, 7, DayKey{1, 20000}, nil, where); !errors.Is(err, ErrErased) {
			t.Errorf("sealing: %v", err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	ks, where := testKeys(f), []byte("w")
	for _, n := range []int{0, 5, 300} {
		sealed, err := seal(nil, ks, 7, DayKey{1, 2}, random(n), where)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
	}
	f.Add([]byte(liteHead))
	f.Add([]byte("age-encryption.org/v1\n-> kith/2\nAAAA\n--- AAAA\n"))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, _, err := open(nil, ks, sealed, where)
		lib, lerr := decryptAge(sealed, &wrap{ks: ks, where: where})
		if (err == nil) != (lerr == nil) || !bytes.Equal(plain, lib) {
			t.Errorf("this codec says %v and the library %v", err, lerr)
		}
	})
}

func TestMacIsHMAC(t *testing.T) {
	for k := range 65 {
		for n := 0; n <= 192; n += 16 {
			key, data := random(k), random(n)
			h := hmac.New(sha256.New, key)
			h.Write(data)
			if got := mac(key, data[:n/3], data[n/3:]); !hmac.Equal(h.Sum(nil), got[:]) {
				t.Fatalf("key of %d, data of %d bytes", k, n)
			}
		}
	}
}
