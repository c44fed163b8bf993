// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certified erases two subjects and certifies it.
func certified(t *testing.T, db *DB) (Certificate, []byte) {
	t.Helper()
	plant(t, db, 1)
	plant(t, db, 2)
	d, err := db.EraseSubjects(t.Context(), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	c, path, err := db.Certify(t.Context(), d, "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return c, b
}

func TestACertificateSaysWhatWasDestroyed(t *testing.T) {
	db := newTest(t)
	c, b := certified(t, db)
	got, err := VerifyCertificate(b)
	if err != nil {
		t.Fatal(err)
	}
	key, err := db.CertificateKey(t.Context())
	if err != nil || got.Key != key || got.Instance != db.Instance() || got.Signature != c.Signature {
		t.Errorf("key %s of %s: %v", got.Key, got.Instance, err)
	}
	if got.Kind != "subject" || len(got.Subjects) != 2 || got.GenerationBefore+1 != got.GenerationAfter {
		t.Errorf("%s of %v from %d to %d", got.Kind, got.Subjects, got.GenerationBefore, got.GenerationAfter)
	}
	if got.Removed["t.messages"] != 2*701 || got.Removed["attachments"] != 2 || got.Removed["t.people"] != 4 {
		t.Errorf("removed %v", got.Removed)
	}
	if !IsCertificate(b) || IsCertificate([]byte("age-encryption.org/v1\n")) || IsCertificate(nil) {
		t.Error("a certificate is not told from other files")
	}
	// Once more, as after a crash before the certificate was written.
	again, err := db.EraseSubjects(t.Context(), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := db.Certify(t.Context(), again, "")
	if err != nil || second.GenerationAfter != got.GenerationAfter || second.Removed["t.messages"] != 2*701 {
		t.Errorf("the second certificate: %+v %v", second, err)
	}
}

// TestNoByteOfACertificateCanChange flips every bit of every byte, and leaves out
// and doubles every byte.
func TestNoByteOfACertificateCanChange(t *testing.T) {
	_, b := certified(t, newTest(t))
	try := func(what string, at int, b []byte) {
		t.Helper()
		if _, err := VerifyCertificate(b); err == nil {
			t.Errorf("byte %d %s: it still verifies", at, what)
		}
	}
	for i := range b {
		for bit := range 8 {
			other := append([]byte(nil), b...)
			other[i] ^= 1 << bit
			try("flipped", i, other)
		}
		try("left out", i, append(append([]byte(nil), b[:i]...), b[i+1:]...))
		try("doubled", i, append(append([]byte(nil), b[:i+1]...), b[i:]...))
	}
	try("appended", len(b), append(append([]byte(nil), b...), ' '))
	for _, text := range []string{"", "{}", "null", "[]", `{"format":"kith-certificate/2"}`} {
		try("foreign: "+text, 0, []byte(text))
	}
}

// TestACertificateThatLiesIsFoundOut signs statements that are not true with the
// right key.
func TestACertificateThatLiesIsFoundOut(t *testing.T) {
	db := newTest(t)
	c, _ := certified(t, db)
	key, err := db.signingKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := base64.StdEncoding.EncodeToString(newCover(subjectDepth).places())
	for name, lie := range map[string]func(*Certificate){
		"a subject that is alive":    func(c *Certificate) { c.Subjects = []Subject{1, 2, 3} },
		"nobody":                     func(c *Certificate) { c.Subjects = nil },
		"days":                       func(c *Certificate) { c.Kind = "days" },
		"days that are alive":        func(c *Certificate) { c.Kind, c.Subjects, c.Class, c.Before = "days", nil, 1, "2026-01-01" },
		"something else":             func(c *Certificate) { c.Kind = "everything" },
		"another list":               func(c *Certificate) { c.Positions = all },
		"generations":                func(c *Certificate) { c.GenerationAfter = c.GenerationBefore },
		"a generation to come":       func(c *Certificate) { c.GenerationAfter = c.Generation + 1 },
		"a list that is no list":     func(c *Certificate) { c.Positions = "AAAA" },
		"a list that is no base64":   func(c *Certificate) { c.Positions = "?" },
		"another format of the same": func(c *Certificate) { c.Format = "kith-certificate/0" },
	} {
		other := c
		lie(&other)
		b, err := other.sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyCertificate(b); !errors.Is(err, ErrCertificate) && !errors.Is(err, ErrNewer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	honest := c
	if b, err := honest.sign(key); err != nil {
		t.Fatal(err)
	} else if _, err := VerifyCertificate(b); err != nil {
		t.Errorf("the truth: %v", err)
	}
}

// TestAnotherKeyIsSeen shows what a forger can do, and how it is seen.
func TestAnotherKeyIsSeen(t *testing.T) {
	db := newTest(t)
	c, _ := certified(t, db)
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.sign(other)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := VerifyCertificate(b)
	own, kerr := db.CertificateKey(t.Context())
	if err != nil || kerr != nil || forged.Key == own {
		t.Errorf("%v %v, and the key is that of the instance: %v", err, kerr, forged.Key == own)
	}
}

func TestTheKeyOfCertificatesStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	before, err := db.CertificateKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	if after, err := db.CertificateKey(t.Context()); err != nil || after != before {
		t.Errorf("%s, then %s: %v", before, after, err)
	}
	if _, _, err := db.Certify(t.Context(), Destroyed{}, ""); err == nil {
		t.Error("nothing was certified")
	}
	d := Destroyed{Entry: 1, Subjects: []Subject{1}, At: time.Now()}
	if _, _, err := db.Certify(t.Context(), d, "../../etc/passwd"); err == nil || !strings.Contains(err.Error(), "request") {
		t.Errorf("a request with a path: %v", err)
	}
	if _, _, err := db.Certify(t.Context(), d, ""); !errors.Is(err, ErrCertificate) {
		t.Errorf("a subject that is alive was certified: %v", err)
	}
}

func TestARequestMayHaveSeveralCertificates(t *testing.T) {
	db := newTest(t)
	paths := map[string]bool{}
	for _, s := range []Subject{1, 2, 2} {
		plant(t, db, s+10)
		d, err := db.EraseSubjects(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		c, path, err := db.Certify(t.Context(), d, "request")
		if err != nil || c.Request != "request" {
			t.Fatalf("%+v %v", c, err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := VerifyCertificate(b); err != nil || got.Subjects[0] != s {
			t.Errorf("%+v %v", got, err)
		}
		paths[path] = true
	}
	if len(paths) != 2 {
		t.Errorf("the certificates lie in %v", paths)
	}
}

func FuzzVerifyCertificate(f *testing.F) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	c := Certificate{Format: CertificateFormat, Kind: kindSubject, Subjects: []Subject{1}, Removed: map[string]int{}}
	b, err := c.sign(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":"kith-certificate/1","positions":"/////w=="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := VerifyCertificate(b)
		if err != nil {
			return
		}
		if _, err := json.Marshal(c); err != nil {
			t.Error(err)
		}
	})
}
