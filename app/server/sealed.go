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
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/app/api"
	"kith/app/auth"
	"kith/assets"
	"kith/store"
	"kith/ui/sealed"
)

// Sealed is a server whose store waits for its passphrase: it lives, says so, and shows the page that takes it.
type Sealed struct {
	Ports *Ports
	TLS   TLS
	Gate  *Gate
	Log   *slog.Logger
}

// Serve answers until the gate is open or ctx ends. The ports stay taken: callers who come in between wait for the
// server that follows.
func (s *Sealed) Serve(ctx context.Context) error {
	conf, err := s.config()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	s.lend(ctx, g, s.Ports.main, s, conf)
	for _, l := range []net.Listener{s.Ports.plain, s.Ports.inner} {
		if l != nil {
			s.lend(ctx, g, l, http.HandlerFunc(notYet), nil)
		}
	}
	select {
	case <-s.Gate.Opened():
	case <-ctx.Done():
	}
	cancel()
	return g.Wait()
}

// lend serves one listener in g and gives it back when ctx ends.
func (s *Sealed) lend(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler, t *tls.Config) {
	lent := &lentListener{Listener: l, back: make(chan struct{})}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headTimeout, ReadTimeout: hookTimeout, WriteTimeout: hookTimeout, IdleTimeout: headTimeout,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug), TLSConfig: t,
	}
	g.Go(func() error {
		var err error
		if t != nil {
			err = srv.ServeTLS(lent, "", "")
		} else {
			err = srv.Serve(lent)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	})
	g.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), hookTimeout)
		defer cancel()
		err := srv.Shutdown(late)
		if err != nil {
			err = srv.Close()
		}
		return errors.Join(err, lent.giveBack())
	})
}

// lentListener stops accepting when it is closed and leaves the port as it is.
type lentListener struct {
	net.Listener
	back chan struct{}
	once sync.Once
}

// deadliner is a listener whose Accept can be ended.
type deadliner interface{ SetDeadline(t time.Time) error }

// Accept returns the next caller.
func (l *lentListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		select {
		case <-l.back:
			return nil, net.ErrClosed
		default:
		}
	}
	return c, err
}

// Close ends Accept.
func (l *lentListener) Close() error {
	l.once.Do(func() { close(l.back) })
	return l.deadline(time.Unix(1, 0))
}

func (l *lentListener) giveBack() error { return l.deadline(time.Time{}) }

func (l *lentListener) deadline(t time.Time) error {
	d, ok := l.Listener.(deadliner)
	if !ok {
		return fmt.Errorf("the port %s cannot be passed on", l.Addr())
	}
	return d.SetDeadline(t)
}

// config is that of the server that follows when its certificate lies in files. Else the certificate is in the store,
// which is closed, and one is made for the meantime that nobody signed.
func (s *Sealed) config() (*tls.Config, error) {
	switch s.TLS.Mode {
	case TLSOff:
		return nil, nil //nolint:nilnil // no TLS
	case TLSFiles:
		var c certificates
		err := c.files(s.TLS)
		return c.config, err
	default:
	}
	cert, err := unsigned(s.TLS.Domain)
	if err != nil {
		return nil, err
	}
	conf := secureConfig()
	conf.Certificates = []tls.Certificate{*cert}
	return conf, nil
}

// unsigned makes a certificate that only encrypts. Browsers warn of it: kith unseal on the server needs none.
func unsigned(domain string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	name := orDefault(domain, "localhost")
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// ServeHTTP answers every request.
func (s *Sealed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, kv := range securityHeaders(s.TLS) {
		w.Header()[kv.name] = kv.value
	}
	switch path := r.URL.Path; {
	case path == "/healthz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // the caller went away: nobody to tell
	case path == "/readyz", path == "/metrics", strings.HasPrefix(path, "/hooks/"), streams(r):
		notYet(w, r)
	case strings.HasPrefix(path, "/api/"):
		api.WriteFault(w, api.Fault{
			Status: http.StatusServiceUnavailable, Code: "sealed", RetryAfter: sealedRetry,
			Message: "kith is sealed and waits for its passphrase.",
		})
	case strings.HasPrefix(path, "/assets/"):
		assets.Handler().ServeHTTP(w, r)
	case path == sealed.Path && r.Method == http.MethodPost:
		s.unseal(w, r)
	case r.Header.Get("HX-Request") != "":
		w.Header().Set("HX-Refresh", "true") // a page of before shows the form
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		s.form(w, r, http.StatusServiceUnavailable, sealed.NoFault)
	}
}

// sealedRetry is when callers are asked to come again, in seconds.
const sealedRetry = 30

func notYet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", itoa(sealedRetry))
	http.Error(w, "not ready: sealed", http.StatusServiceUnavailable)
}

func (s *Sealed) form(w http.ResponseWriter, r *http.Request, status int, why sealed.Fault) {
	w.Header().Set("Retry-After", itoa(sealedRetry))
	if err := sealed.Write(w, r, status, why); err != nil {
		s.Log.DebugContext(r.Context(), "the page of a sealed kith", "error", err)
	}
}

// maxForm is more than the longest passphrase.
const maxForm = 16 << 10

func (s *Sealed) unseal(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "This request came from another site and was refused.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := s.Gate.Try(strings.TrimSpace(r.PostFormValue(sealed.Field)))
	switch {
	case err == nil:
		s.Log.InfoContext(r.Context(), "kith was unsealed on its page")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case errors.Is(err, auth.ErrSlow):
		s.form(w, r, http.StatusTooManyRequests, sealed.Slow)
	case errors.Is(err, store.ErrWrongKey), errors.Is(err, store.ErrSealed):
		s.Log.WarnContext(r.Context(), "a wrong passphrase was given on the page")
		s.form(w, r, http.StatusUnprocessableEntity, sealed.Wrong)
	default:
		s.Log.ErrorContext(r.Context(), "the identity cannot be opened", "error", err)
		s.form(w, r, http.StatusInternalServerError, sealed.Broken)
	}
}
