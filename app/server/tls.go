// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"kith/app"
	"kith/store"
)

// TLSMode says who makes the certificate.
type TLSMode string

// The modes of TLS.
const (
	TLSOff      TLSMode = "off"      // none: this machine only, or a proxy ends TLS
	TLSAuto     TLSMode = "auto"     // a public authority, by ACME
	TLSInternal TLSMode = "internal" // an authority of our own
	TLSFiles    TLSMode = "files"    // files that somebody else renews
)

// TLS says how the connection is encrypted.
type TLS struct {
	Mode      TLSMode
	Domain    string // the public name; required in mode auto
	Email     string // told to the authority, which may warn there; may be empty
	Plain     string // host:port where the authority looks, by default :80 (mode auto)
	Directory string // of another ACME authority; empty = Let's Encrypt
	Cert, Key string // files in PEM (mode files)
}

// Check returns an error that names what is missing.
func (t TLS) Check() error {
	bad := func(field, text string) error {
		return &app.Problem{Kind: app.ErrInvalid, Field: field, Key: "problem.tls", Text: text}
	}
	switch t.Mode {
	case TLSOff, TLSInternal:
	case TLSAuto:
		if t.Domain == "" || net.ParseIP(t.Domain) != nil {
			return bad("domain", "--tls auto needs --domain with the public name of this server, such as chat.example.org.")
		}
	case TLSFiles:
		if t.Cert == "" || t.Key == "" {
			return bad("tls-cert", "--tls files needs --tls-cert and --tls-key with files in PEM form.")
		}
	default:
		return bad("tls", fmt.Sprintf("--tls is off, auto, internal or files, not %q.", t.Mode))
	}
	return nil
}

// Expires returns when the certificate ends that somebody else made (modes auto and files), fs.ErrNotExist when there is
// none yet. In the other modes nothing runs out, and it returns the zero time.
func (t TLS) Expires(ctx context.Context, db *store.DB) (time.Time, error) {
	var text []byte
	var err error
	switch t.Mode {
	case TLSAuto:
		text, err = newVault(db).newest(ctx, "/"+t.Domain+".crt")
	case TLSFiles:
		text, err = os.ReadFile(t.Cert)
	default:
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}, errors.New("it is not in PEM form")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading it: %w", err)
	}
	return cert.NotAfter, nil
}

// certificates make the server's side of TLS.
type certificates struct {
	config *tls.Config // nil in mode off
	root   []byte      // of our own authority, PEM
	start  func(ctx context.Context) error
	acme   *certmagic.ACMEIssuer
}

// secureConfig takes TLS 1.2 and newer with authenticated encryption only.
func secureConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"h2", "http/1.1"},
	}
}

func newCertificates(ctx context.Context, o Options) (*certificates, error) {
	c := &certificates{start: func(context.Context) error { return nil }}
	if err := o.TLS.Check(); err != nil {
		return nil, err
	}
	switch o.TLS.Mode {
	case TLSAuto:
		c.auto(o)
	case TLSFiles:
		return c, c.files(o.TLS)
	case TLSInternal:
		return c, c.internal(ctx, o)
	default:
	}
	return c, nil
}

// auto has certmagic obtain and renew the certificate; its keys live in the store.
func (c *certificates) auto(o Options) {
	quiet := zap.NewNop() // certmagic tells what matters through OnEvent
	var magic *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return magic, nil },
		Logger:           quiet,
	})
	magic = certmagic.New(cache, certmagic.Config{
		Storage: newVault(o.Store), Logger: quiet, DefaultServerName: o.TLS.Domain,
		OnEvent: func(ctx context.Context, event string, data map[string]any) error {
			switch event {
			case "cert_obtained":
				o.Log.InfoContext(ctx, "a certificate was obtained", "domain", data["identifier"], "renewal", data["renewal"])
			case "cert_failed":
				o.Log.ErrorContext(ctx, "a certificate could not be obtained; it is tried again",
					"domain", data["identifier"], "renewal", data["renewal"], "error", data["error"])
			}
			return nil
		},
	})
	c.acme = certmagic.NewACMEIssuer(magic, certmagic.ACMEIssuer{
		CA: orDefault(o.TLS.Directory, certmagic.LetsEncryptProductionCA), TestCA: testAuthority(o.TLS.Directory),
		Email: o.TLS.Email, Agreed: true, Logger: quiet,
	})
	magic.Issuers = []certmagic.Issuer{c.acme}
	c.config = secureConfig()
	c.config.GetCertificate = magic.GetCertificate
	c.config.NextProtos = append(c.config.NextProtos, "acme-tls/1")
	c.start = func(ctx context.Context) error {
		context.AfterFunc(ctx, cache.Stop)
		if err := magic.ManageAsync(ctx, []string{o.TLS.Domain}); err != nil {
			return fmt.Errorf("looking after the certificate of %s: %w", o.TLS.Domain, err)
		}
		return nil
	}
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// testAuthority is asked first when an attempt is repeated, so that mistakes do not use up the real one's patience.
func testAuthority(directory string) string {
	if directory == "" {
		return certmagic.LetsEncryptStagingCA
	}
	return ""
}

// challenge answers the authority and passes everything else on.
func (c *certificates) challenge(next http.Handler) http.Handler {
	if c.acme == nil {
		return next
	}
	return c.acme.HTTPChallengeHandler(next)
}

// reloadEvery is how often files are looked at for a renewed certificate.
const reloadEvery = time.Minute

// pair is a certificate from files; it is read again when the file of the certificate has changed.
type pair struct {
	cert, key string

	mu      sync.Mutex
	current *tls.Certificate
	made    time.Time // the file's
	looked  time.Time
}

func (c *certificates) files(t TLS) error {
	p := &pair{cert: t.Cert, key: t.Key}
	if _, err := p.get(nil); err != nil {
		return err
	}
	c.config = secureConfig()
	c.config.GetCertificate = p.get
	return nil
}

// get returns the newest certificate that could be read.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && time.Since(p.looked) < reloadEvery {
		return p.current, nil
	}
	p.looked = time.Now()
	fi, err := os.Stat(p.cert)
	if err == nil && p.current != nil && fi.ModTime().Equal(p.made) {
		return p.current, nil
	}
	fresh, errPair := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil && errPair == nil:
		p.current, p.made = &fresh, fi.ModTime()
	case p.current == nil:
		return nil, fmt.Errorf("reading the certificate %s and its key %s: %w", p.cert, p.key, errPair)
	}
	return p.current, nil // half-written files are read again later
}
