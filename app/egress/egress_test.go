// SPDX-License-Identifier: Apache-2.0

package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func get(t *testing.T, c *http.Client, address string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		addr            string
		public, trusted bool // allowed as such
	}{
		{"157.240.1.1", true, true},
		{"2a03:2880:f211:d1:face:b00c:0:699c", true, true},
		{"64:ff9b::9df0:101", true, true}, // NAT64 of a public address
		{"127.0.0.1", false, true},
		{"127.8.9.1", false, true},
		{"::1", false, true},
		{"::ffff:127.0.0.1", false, true},
		{"10.1.2.3", false, true},
		{"172.16.0.1", false, true},
		{"192.168.1.1", false, true},
		{"::ffff:192.168.1.1", false, true},
		{"fd12::1", false, true},
		{"100.64.0.1", false, true},
		{"64:ff9b::a01:203", false, true}, // NAT64 of 10.1.2.3
		{"2002:a01:203::1", false, true},
		{"2001:db8::1", false, true},
		{"198.18.0.1", false, true},
		{"240.0.0.1", false, true},
		{"255.255.255.255", false, true},
		{"0.0.0.0", false, false},
		{"::", false, false},
		{"169.254.1.1", false, false},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"64:ff9b::a9fe:a9fe", false, false}, // NAT64 of 169.254.169.254
		{"fd00:ec2::254", false, false},
		{"100.100.100.200", false, false},
		{"fe80::1", false, false},
		{"fe80::1%eth0", false, false},
		{"224.0.0.1", false, false},
		{"ff02::1", false, false},
	} {
		a := netip.MustParseAddr(c.addr)
		for trusted, want := range map[bool]bool{false: c.public, true: c.trusted} {
			err := checkAddr(a, trusted)
			if (err == nil) != want {
				t.Errorf("%s, trusted %v: got %v", c.addr, trusted, err)
			}
			if err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v is not ErrRefused", c.addr, err)
			}
		}
	}
}

// TestPrivateNeedsTrust: a host on the list of a client that is a private address is called only when the operator
// named it.
func TestPrivateNeedsTrust(t *testing.T) {
	called := 0
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		called++
		_, _ = io.WriteString(w, "answer")
	})
	e := New(Options{})
	c := e.Client("test", s.URL)
	if _, err := get(t, c, s.URL); !errors.Is(err, ErrRefused) || Written(err) {
		t.Errorf("not named: got %v, written %v", err, Written(err))
	}
	e.Trust("127.0.0.1:1", "example.com")
	if _, err := get(t, c, s.URL); !errors.Is(err, ErrRefused) {
		t.Errorf("another port named: got %v", err)
	}
	if called != 0 {
		t.Fatal("it was called")
	}
	e.Trust(s.URL + "/some/path")
	if body, err := get(t, c, s.URL); err != nil || body != "answer" {
		t.Errorf("named: got %q, %v", body, err)
	}
	if _, err := get(t, e.Client("other", "example.com"), s.URL); !errors.Is(err, ErrRefused) {
		t.Errorf("a client of other hosts: got %v", err)
	}
}

// TestNameLeadsInside: a public name that leads to a private address is refused when the connection is made.
func TestNameLeadsInside(t *testing.T) {
	e := New(Options{})
	_, err := get(t, e.Client("test", "localhost"), "https://localhost/")
	if !errors.Is(err, ErrRefused) || Written(err) {
		t.Errorf("got %v", err)
	}
}

func TestAllowList(t *testing.T) {
	e := New(Options{Trusted: []string{"10.0.0.5:8443", "http://192.168.1.9:8080/base", "[fd12::1]:8443"}})
	e.Client("whatsapp") // makes nothing allowed
	rt := e.Client("test", "graph.facebook.com", "*.fbsbx.com", "10.0.0.5:8443", "http://192.168.1.9:8080/base", "[fd12::1]:8443", "").
		Transport.(*transport)
	for address, want := range map[string]bool{
		"https://graph.facebook.com/v25.0/me":     true,
		"https://GRAPH.facebook.com:443/":         true,
		"https://lookaside.fbsbx.com/x":           true,
		"https://a.b.fbsbx.com/x":                 true,
		"https://10.0.0.5:8443/":                  true,
		"http://192.168.1.9:8080/base/v25.0":      true,
		"https://[fd12::1]:8443/":                 true,
		"http://graph.facebook.com/":              false,
		"https://graph.facebook.com:8443/":        false,
		"https://fbsbx.com/":                      false,
		"https://evilfbsbx.com/":                  false,
		"https://fbsbx.com.evil.example/":         false,
		"https://graph.facebook.com@evil.example": false,
		"https://10.0.0.5/":                       false,
		"https://evil.example/":                   false,
		"ftp://graph.facebook.com/":               false,
		"https://graph.facebook.com.":             false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rt.allow(req.URL); (err == nil) != want {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

// TestRedirects: the authorisation stays with the host it was meant for, hosts off the list are not followed to, and a
// POST is never repeated elsewhere.
func TestRedirects(t *testing.T) {
	var other *httptest.Server
	got := ""
	other = server(t, func(_ http.ResponseWriter, r *http.Request) { got = "auth=" + r.Header.Get("Authorization") })
	first := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
		case "/same":
			http.Redirect(w, r, "/here", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}
	})
	e := New(Options{Trusted: []string{first.URL, other.URL}})
	if body, err := get(t, e.Client("test", first.URL), first.URL+"/same"); err != nil || body != "Bearer secret" {
		t.Errorf("to the same host: got %q, %v", body, err)
	}
	if _, err := get(t, e.Client("test", first.URL), first.URL); !errors.Is(err, ErrRefused) || got != "" {
		t.Errorf("to a host off the list: got %v, %q", err, got)
	}
	if _, err := get(t, e.Client("test", first.URL, other.URL), first.URL); err != nil || got != "auth=" {
		t.Errorf("to another host: got %v, %q", err, got)
	}
	got = ""
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, first.URL, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := e.Client("test", first.URL, other.URL).Do(req)
	if err != nil || res.StatusCode != http.StatusTemporaryRedirect || got != "" {
		t.Errorf("a POST: got %v, %v, %q", res, err, got)
	}
	res.Body.Close()
	if _, err := get(t, e.Client("test", first.URL), first.URL+"/loop"); err != nil {
		t.Errorf("a loop: %v, want the last redirect as the answer", err)
	}
}

func TestWritten(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	})
	e := New(Options{Trusted: []string{s.URL}})
	post := func(ctx context.Context, address string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := e.Client("test", s.URL, address).Do(req)
		if err == nil {
			res.Body.Close()
			t.Fatal("no error")
		}
		return err
	}
	if err := post(t.Context(), s.URL); !Written(err) {
		t.Errorf("hung up after the request: %v counts as not written", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := post(gone, s.URL); Written(err) {
		t.Errorf("cancelled before: %v counts as written", err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + ln.Addr().String()
	ln.Close()
	e.Trust(address)
	err = post(t.Context(), address+"/path?token=secret")
	if Written(err) {
		t.Errorf("nobody listens: %v counts as written", err)
	}
	if strings.Contains(Cause(err).Error(), "secret") || strings.Contains(Cause(err).Error(), "path") {
		t.Errorf("the cause holds the address: %v", Cause(err))
	}
	if !Written(errors.New("something else")) || Written(nil) {
		t.Error("an error of unknown origin must count as written, none must not")
	}
}

// TestTLS: certificates are checked against the authorities that were given.
func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(s.Close)
	if _, err := get(t, New(Options{Trusted: []string{s.URL}}).Client("test", s.URL), s.URL); err == nil || Written(err) {
		t.Errorf("an unknown authority: got %v, written %v", err, Written(err))
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if body, err := get(t, New(Options{Trusted: []string{s.URL}, Roots: roots}).Client("test", s.URL), s.URL); err != nil || body != "ok" {
		t.Errorf("a known authority: got %q, %v", body, err)
	}
}

func TestCapped(t *testing.T) {
	for size, want := range map[int]error{0: nil, 9: nil, 10: nil, 11: ErrTooLarge, 500: ErrTooLarge} {
		c := &capped{body: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: 10}
		got, err := io.ReadAll(c)
		if !errors.Is(err, want) || len(got) != min(size, 10) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	s := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "999999999999") })
	_, err := get(t, New(Options{Trusted: []string{s.URL}}).Client("test", s.URL), s.URL)
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("announced too large: got %v", err)
	}
}

// TestProxyIsIgnored: the environment must not lead calls elsewhere.
func TestProxyIsIgnored(t *testing.T) {
	if New(Options{}).inner.Proxy != nil {
		t.Error("the transport has a proxy")
	}
}

func TestHosts(t *testing.T) {
	s := server(t, func(http.ResponseWriter, *http.Request) {})
	e := New(Options{Trusted: []string{s.URL}})
	c := e.Client("whatsapp", "graph.facebook.com", "*.fbsbx.com", s.URL)
	e.Client("whatsapp", "graph.facebook.com")
	for range 2 {
		if _, err := get(t, c, s.URL); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if _, err := get(t, c, s.URL); err == nil {
		t.Fatal("no error")
	}
	got := e.Hosts()
	for i := range got {
		if (got[i].Requests > 0) == got[i].Last.IsZero() {
			t.Errorf("%s: last used at %v", got[i].Pattern, got[i].Last)
		}
		got[i].Last = time.Time{}
	}
	own := strings.TrimPrefix(s.URL, "http://")
	want := []Host{
		{Purpose: "whatsapp", Pattern: "*.fbsbx.com"},
		{Purpose: "whatsapp", Pattern: own, Trusted: true, Requests: 3, Failed: 1},
		{Purpose: "whatsapp", Pattern: "graph.facebook.com"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
