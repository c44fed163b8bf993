// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// Ports are what the server listens on. They are taken before anything else starts, so that an occupied port is found
// early and the address is known.
type Ports struct {
	listen string
	tls    TLS
	main   net.Listener
	plain  net.Listener // where the authority looks in mode auto; everybody else is sent to HTTPS
	inner  net.Listener // this machine only, for the simulator when the main port speaks TLS
}

// Listen takes the ports: host:port (port 0 chooses one), the plain one of mode auto, and, when inner is asked for and
// the main port speaks TLS, one that only this machine reaches.
func Listen(ctx context.Context, listen string, t TLS, inner bool) (*Ports, error) {
	p := &Ports{listen: listen, tls: t}
	if err := t.Check(); err != nil {
		return nil, err
	}
	wanted := []struct {
		l    *net.Listener
		addr string
	}{{&p.main, listen}}
	if t.Mode == TLSAuto && t.Plain != "" {
		wanted = append(wanted, struct {
			l    *net.Listener
			addr string
		}{&p.plain, t.Plain})
	}
	if inner && t.Mode != TLSOff {
		wanted = append(wanted, struct {
			l    *net.Listener
			addr string
		}{&p.inner, "127.0.0.1:0"})
	}
	var lc net.ListenConfig
	for _, w := range wanted {
		l, err := lc.Listen(ctx, "tcp", w.addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("taking the port %s: %w", w.addr, err), p.Close())
		}
		*w.l = l
	}
	return p, nil
}

// Close frees the ports. A server that was served has done so already.
func (p *Ports) Close() error {
	var errs []error
	for _, l := range []net.Listener{p.main, p.plain, p.inner} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Addr returns the address that the server listens on.
func (p *Ports) Addr() string { return p.main.Addr().String() }

// Secure reports whether browsers reach the server over HTTPS, by itself or through a proxy.
func (p *Ports) Secure() bool { return p.tls.Mode != TLSOff || p.tls.Domain != "" }

// URL returns the address that people type, without a slash at the end.
func (p *Ports) URL() string {
	host, port, _ := net.SplitHostPort(p.Addr())
	if d := p.tls.Domain; d != "" {
		// A proxy, or a port that is passed on, stands at 443.
		if p.tls.Mode == TLSOff || p.tls.Mode == TLSAuto || port == "443" {
			return "https://" + d
		}
		return "https://" + net.JoinHostPort(d, port)
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	if given, _, err := net.SplitHostPort(p.listen); err == nil && given != "" && net.ParseIP(given) == nil {
		host = given
	}
	if p.tls.Mode == TLSOff {
		return "http://" + net.JoinHostPort(host, port)
	}
	return "https://" + net.JoinHostPort(host, port)
}

// Local returns the address by which a program on this machine reaches the hooks without TLS.
func (p *Ports) Local() string {
	l := p.main
	if p.inner != nil {
		l = p.inner
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Loopback reports whether only this machine reaches the main port.
func (p *Ports) Loopback() bool { return loopback(p.Addr()) }

// serveInner passes on what a network calls, and nothing else.
func (s *Server) serveInner(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/hooks/") || strings.HasPrefix(r.URL.Path, "/simulator/graph/") {
		s.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}
