// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// caPath is where people download the certificate of our own authority.
const caPath = "/kith-ca.crt"

// How long our own authority and its certificates last, and where they are kept.
const (
	rootLasts = 5 * 365 * 24 * time.Hour
	leafLasts = 7 * 24 * time.Hour
	rootFile  = "internal/root.crt"
	rootKey   = "internal/root.key"
)

// authority signs for the names of this server and, by constraints in its certificate, for no other: a stolen key
// impersonates nobody else.
type authority struct {
	names []string
	ips   []net.IP
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey

	mu   sync.Mutex
	leaf *tls.Certificate
}

// internal makes or opens our own authority.
func (c *certificates) internal(ctx context.Context, o Options) error {
	a := &authority{names: []string{"localhost"}, ips: []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}}
	host, _, err := net.SplitHostPort(o.Ports.listen)
	if err != nil {
		return fmt.Errorf("reading the address to listen on: %w", err)
	}
	for _, name := range []string{host, o.TLS.Domain} {
		a.add(name)
	}
	if err := a.open(ctx, newVault(o.Store)); err != nil {
		return fmt.Errorf("opening our own certificate authority: %w", err)
	}
	c.config = secureConfig()
	c.config.GetCertificate = a.get
	c.root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	return nil
}

func (a *authority) add(name string) {
	if ip := net.ParseIP(name); ip != nil {
		if four := ip.To4(); four != nil {
			ip = four
		}
		if !ip.IsUnspecified() && !slices.ContainsFunc(a.ips, ip.Equal) {
			a.ips = append(a.ips, ip)
		}
		return
	}
	if name != "" && !slices.Contains(a.names, name) {
		a.names = append(a.names, name)
	}
}

// open reads the authority from the store, or makes a new one when there is none, it is about to end, or it may not
// sign for a name that the server has now.
func (a *authority) open(ctx context.Context, v *vault) error {
	certPEM, err := v.Load(ctx, rootFile)
	if errors.Is(err, fs.ErrNotExist) {
		return a.create(ctx, v)
	}
	if err != nil {
		return err
	}
	keyPEM, err := v.Load(ctx, rootKey)
	if err != nil {
		return err
	}
	both, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return err
	}
	key, ok := both.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return errors.New("its key has an unknown form")
	}
	if a.cert, a.key = both.Leaf, key; !a.covers() || time.Until(a.cert.NotAfter) < 30*24*time.Hour {
		return a.create(ctx, v)
	}
	return nil
}

func (a *authority) covers() bool {
	for _, n := range a.names {
		if !slices.Contains(a.cert.PermittedDNSDomains, n) {
			return false
		}
	}
	for _, ip := range a.ips {
		if !slices.ContainsFunc(a.cert.PermittedIPRanges, func(r *net.IPNet) bool { return r.Contains(ip) }) {
			return false
		}
	}
	return true
}

func (a *authority) create(ctx context.Context, v *vault) (err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	t := template("kith "+a.names[len(a.names)-1], rootLasts)
	t.IsCA, t.MaxPathLenZero, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	t.PermittedDNSDomainsCritical, t.PermittedDNSDomains = true, a.names
	for _, ip := range a.ips {
		bits := 8 * len(ip)
		t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)})
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &a.key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return err
	}
	if err := v.Store(ctx, rootKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})); err != nil {
		return err
	}
	return v.Store(ctx, rootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func template(name string, lasts time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // fails only when the reader does
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lasts),
	}
}

// get returns a certificate that is valid for half its life at least.
func (a *authority) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaf != nil && time.Until(a.leaf.Leaf.NotAfter) > leafLasts/2 {
		return a.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	t := template(a.names[len(a.names)-1], leafLasts)
	t.DNSNames, t.IPAddresses = a.names, a.ips
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	a.leaf = &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
	return a.leaf, nil
}

// download hands out the certificate of our own authority, for browsers to trust.
func (c *certificates) download(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	w.Header().Set("Content-Disposition", `attachment; filename="kith-ca.crt"`)
	_, _ = w.Write(c.root) // the caller went away: nobody to tell
}
