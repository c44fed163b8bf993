// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kith/app/apptest"
	"kith/app/server"
)

func TestOwnAuthority(t *testing.T) {
	sample := apptest.NewDesk(t)
	mode := server.TLS{Mode: server.TLSInternal, Domain: "kith.internal"}
	s := serveOn(t, sample, mode)
	s.url = strings.Replace(s.url, "kith.internal", "127.0.0.1", 1)
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // only to fetch what is then believed
	_, root := s.do("GET", "/kith-ca.crt", "")
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(root)) {
		t.Fatalf("no certificate: %s", root)
	}
	for _, name := range []string{"kith.internal", "localhost", "127.0.0.1"} {
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}}
		if res, _ := s.do("GET", "/healthz", ""); res.StatusCode != 200 || res.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := serveOn(t, sample, mode)
	again.url = strings.Replace(again.url, "kith.internal", "127.0.0.1", 1)
	again.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "kith.internal"}}
	if _, same := again.do("GET", "/kith-ca.crt", ""); same != root {
		t.Error("another start made another authority")
	}
}

func TestCertificateFromFilesIsFollowed(t *testing.T) {
	dir := t.TempDir()
	mode := server.TLS{Mode: server.TLSFiles, Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	if _, err := mode.Expires(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Expires() without a file = %v", err)
	}
	end := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	writePair(t, mode, end)
	if got, err := mode.Expires(t.Context(), nil); err != nil || !got.Equal(end) {
		t.Errorf("Expires() = %v, %v, want %v", got, err, end)
	}
	s := serve(t, mode)
	pool := x509.NewCertPool()
	text, err := os.ReadFile(mode.Cert)
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	if res, _ := s.do("GET", "/healthz", ""); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// writePair writes a certificate for 127.0.0.1 that signs itself.
func writePair(t *testing.T, mode server.TLS, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: end, IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{mode.Cert: {Type: "CERTIFICATE", Bytes: der}, mode.Key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatTLSNeeds(t *testing.T) {
	for _, mode := range []server.TLS{
		{Mode: server.TLSAuto}, {Mode: server.TLSAuto, Domain: "192.0.2.1"}, {Mode: server.TLSFiles, Cert: "c"}, {Mode: "on"}, {},
	} {
		if _, err := server.Listen(t.Context(), "127.0.0.1:0", mode, false); err == nil {
			t.Errorf("%+v is taken", mode)
		}
	}
}
