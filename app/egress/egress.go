// SPDX-License-Identifier: Apache-2.0

// Package egress is the only maker of outbound HTTP clients. Each client knows the hosts it may speak to; the address
// that a name leads to is checked when the connection is made, so that no name can lead into the private network.
package egress

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Time-outs and sizes of every call. Timeout is long because a file of 100 MB passes over slow lines; callers set their
// own, shorter deadlines for small calls.
const (
	DialTimeout   = 10 * time.Second
	HeaderTimeout = 30 * time.Second
	Timeout       = 15 * time.Minute
	MaxResponse   = 128 << 20
	maxRedirects  = 3
)

// Options say how the appliance may reach out.
type Options struct {
	Log *slog.Logger // nil = discard
	// Trusted are the hosts that the operator named, as "host:port": they may be private addresses and plain HTTP.
	Trusted []string
	// Roots are the certificate authorities to believe; nil = those of the system.
	Roots *x509.CertPool
}

// Egress makes clients and remembers whom they speak to. It is safe for concurrent use.
type Egress struct {
	log   *slog.Logger
	inner *http.Transport

	mu      sync.Mutex
	trusted map[string]bool
	hosts   map[hostKey]*Host
}

type hostKey struct{ purpose, pattern string }

// Host is one line of the register of hosts: whom the appliance speaks to, and why.
type Host struct {
	Purpose  string // "whatsapp"
	Pattern  string // "graph.facebook.com", "*.fbsbx.com" or "127.0.0.1:8480"
	Trusted  bool   // named by the operator: may be a private address
	Requests uint64 // since the start
	Failed   uint64 // of these, without an answer
	Last     time.Time
}

// New returns an egress that allows nothing until a client is made.
func New(o Options) *Egress {
	e := &Egress{log: o.Log, trusted: map[string]bool{}, hosts: map[hostKey]*Host{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.Trust(o.Trusted...)
	e.inner = &http.Transport{
		Proxy:                  nil, // the environment must not lead elsewhere
		DialContext:            e.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    DialTimeout,
		ResponseHeaderTimeout:  HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    32,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
	return e
}

// Trust adds hosts that the operator named, such as the simulator or an inbox's own API base: "host:port" or a whole
// base address. They may be private addresses and plain HTTP. Link-local addresses stay closed.
func (e *Egress) Trust(hosts ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range hosts {
		if h = hostPort(h); h != "" {
			e.trusted[h] = true
		}
	}
}

// Client returns a client for one purpose that may speak to the hosts only. A host is a name ("graph.facebook.com"), a
// family ("*.fbsbx.com", without its apex), "host:port", or a base address from which its host is taken.
func (e *Egress) Client(purpose string, hosts ...string) *http.Client {
	rt := &transport{egress: e, purpose: purpose}
	for _, h := range hosts {
		if p := pattern(h); p != "" {
			rt.patterns = append(rt.patterns, p)
			e.host(purpose, p)
		}
	}
	return &http.Client{Transport: rt, Timeout: Timeout, CheckRedirect: rt.redirect}
}

// Close drops idle connections.
func (e *Egress) Close() { e.inner.CloseIdleConnections() }

// Hosts returns the register of hosts, by purpose and name.
func (e *Egress) Hosts() []Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Host, 0, len(e.hosts))
	for _, h := range e.hosts {
		row := *h
		row.Trusted = e.trusted[hostPort(h.Pattern)]
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b Host) int {
		return cmp.Or(strings.Compare(a.Purpose, b.Purpose), strings.Compare(a.Pattern, b.Pattern))
	})
	return out
}

func (e *Egress) host(purpose, pattern string) *Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := hostKey{purpose, pattern}
	if e.hosts[k] == nil {
		e.hosts[k] = &Host{Purpose: purpose, Pattern: pattern}
	}
	return e.hosts[k]
}

func (e *Egress) count(purpose, pattern string, err error) {
	h := e.host(purpose, pattern)
	e.mu.Lock()
	defer e.mu.Unlock()
	h.Requests++
	h.Last = time.Now().UTC()
	if err != nil {
		h.Failed++
	}
}

func (e *Egress) trusts(hostport string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.trusted[hostport]
}

// pattern returns what an allow-list keeps of a host: a lower-case name, with a port only when it is not 443.
func pattern(h string) string {
	h = strings.ToLower(strings.TrimSpace(h))
	if name, ok := strings.CutPrefix(h, "*."); ok {
		return "*." + name
	}
	hp := hostPort(h)
	if name, ok := strings.CutSuffix(hp, ":443"); ok {
		return strings.Trim(name, "[]")
	}
	return hp
}

// hostPort returns "host:port" in lower case for a host, "host:port" or base address; "" when it is none.
func hostPort(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if strings.Contains(s, "://") {
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" {
			return ""
		}
		return net.JoinHostPort(u.Hostname(), portOf(u))
	}
	if host, port, err := net.SplitHostPort(s); err == nil && host != "" && port != "" {
		return net.JoinHostPort(host, port)
	}
	if s = strings.Trim(s, "[]"); s == "" {
		return ""
	}
	return net.JoinHostPort(s, "443")
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// ErrRefused says that the appliance does not make the call: the host is not on the list of the client, or its address
// is private.
var ErrRefused = errors.New("the address is not allowed")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}
