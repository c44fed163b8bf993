// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/app/auth"
	"kith/store"
)

// clock is one that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const rightWords = "the right words"

func checkWords(p string) error {
	if p == rightWords {
		return nil
	}
	return fmt.Errorf("%w: these are other words", store.ErrWrongKey)
}

func newGate() (*Gate, *clock) {
	c := &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	return NewGate(checkWords, c.Now), c
}

func TestTheGateIsSlow(t *testing.T) {
	g, c := newGate()
	if err := g.Try("wrong"); !errors.Is(err, store.ErrWrongKey) {
		t.Errorf("wrong words: %v", err)
	}
	if err := g.Try(rightWords); !errors.Is(err, auth.ErrSlow) {
		t.Errorf("at once again: %v", err)
	}
	c.move(attemptEvery)
	if err := g.Try(rightWords); err != nil {
		t.Fatal(err)
	}
	<-g.Opened()
	if g.Passphrase() != rightWords || g.Try("anything") != nil {
		t.Error("an open gate does not stay open")
	}
}

// TestOneAttemptAtATime holds an attempt while another one comes.
func TestOneAttemptAtATime(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	g := NewGate(func(string) error { close(in); <-out; return nil }, time.Now)
	done := make(chan error)
	go func() { done <- g.Try("one") }()
	<-in
	if err := g.Try("two"); !errors.Is(err, auth.ErrSlow) {
		t.Errorf("a second attempt: %v", err)
	}
	close(out)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// page asks a sealed server.
func page(t *testing.T, s *Sealed, method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestASealedServerShowsOnePage(t *testing.T) {
	g, c := newGate()
	s := &Sealed{Gate: g, TLS: TLS{Mode: TLSOff}, Log: slog.New(slog.DiscardHandler)}
	words := func(p string) url.Values { return url.Values{"passphrase": {p}} }
	for _, one := range []struct {
		method, path string
		form         url.Values
		header       []string
		status       int
		body         string
	}{
		{"GET", "/healthz", nil, nil, 200, "ok"},
		{"GET", "/readyz", nil, nil, 503, "sealed"},
		{"POST", "/hooks/whatsapp/1", nil, nil, 503, "sealed"},
		{"GET", "/api/v1/contacts", nil, nil, 503, `"code":"sealed"`},
		{"GET", "/live", nil, []string{"Accept", "text/event-stream"}, 503, "sealed"},
		{"GET", "/inbox", nil, nil, 503, `action="/unseal"`},
		{"GET", "/inbox", nil, []string{"Accept-Language", "id"}, 503, "Frasa sandi"},
		{"GET", "/marks", nil, []string{"HX-Request", "true"}, 503, ""},
		{"GET", "/assets/none", nil, nil, 404, ""},
		{"POST", "/unseal", words("wrong"), nil, 422, "not the passphrase"},
		{"POST", "/unseal", words(rightWords), nil, 429, "One attempt a second"},
		{"POST", "/unseal", words(rightWords), []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
	} {
		w := page(t, s, one.method, one.path, one.form, one.header...)
		if w.Code != one.status || !strings.Contains(w.Body.String(), one.body) {
			t.Errorf("%s %s: %d, want %d with %q:\n%s", one.method, one.path, w.Code, one.status, one.body, w.Body)
		}
		if w.Header().Get("Content-Security-Policy") == "" || strings.Contains(w.Body.String(), rightWords) {
			t.Errorf("%s %s: no policy, or the passphrase comes back", one.method, one.path)
		}
		if w.Code == 503 && w.Header().Get("Retry-After") == "" && w.Header().Get("HX-Refresh") == "" {
			t.Errorf("%s %s does not say when to come again", one.method, one.path)
		}
	}
	c.move(attemptEvery)
	if w := page(t, s, "POST", "/unseal", words(" "+rightWords+"\n")); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Errorf("the right words: %d %s", w.Code, w.Body)
	}
}

// TestThePortsArePassedOn opens a sealed server, over TLS too, and serves the
// same port afterwards.
func TestThePortsArePassedOn(t *testing.T) {
	for _, mode := range []TLSMode{TLSOff, TLSInternal} {
		t.Run(string(mode), func(t *testing.T) {
			o := TLS{Mode: mode}
			ports, err := Listen(t.Context(), "127.0.0.1:0", o, false)
			if err != nil {
				t.Fatal(err)
			}
			defer ports.Close() //nolint:errcheck // the test ends
			g, _ := newGate()
			done := make(chan error)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				done <- (&Sealed{Ports: ports, TLS: o, Gate: g, Log: slog.New(slog.DiscardHandler)}).Serve(ctx)
			}()
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // nobody signed it
			ask := func() string {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ports.URL()+"/readyz", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close() //nolint:errcheck // it was read
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				return string(body)
			}
			if body := ask(); !strings.Contains(body, "sealed") {
				t.Fatalf("while sealed: %s", body)
			}
			client.CloseIdleConnections()
			if err := g.Try(rightWords); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if mode != TLSOff {
				return
			}
			next := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "open") }), ReadHeaderTimeout: headTimeout}
			go func() { done <- next.Serve(ports.main) }()
			if body := ask(); body != "open" {
				t.Errorf("afterwards: %s", body)
			}
			if err := next.Close(); err != nil {
				t.Error(err)
			}
			if err := <-done; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
	}
}
