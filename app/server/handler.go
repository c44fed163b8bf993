// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// csp is the policy of every page: nothing inline, nothing from elsewhere.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"media-src 'self' blob:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// header is one that every answer has. Its value is shared by all of them: a handler may replace it, as Header.Set does,
// but not write into it.
type header struct {
	name  string
	value []string
}

// securityHeaders are set on every answer; a handler may replace one, as the files of customers and the assets do.
func securityHeaders(t TLS) []header {
	pairs := [][2]string{
		{"Content-Security-Policy", csp},
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Permissions-Policy", "camera=(), geolocation=(), microphone=(self), payment=(), usb=(), browsing-topics=()"},
		{"Cache-Control", "no-store"},
	}
	if t.Mode == TLSAuto { // a publicly trusted name; never with an authority of our own
		pairs = append(pairs, [2]string{"Strict-Transport-Security", "max-age=31536000"})
	}
	all := make([]header, len(pairs))
	for i, p := range pairs {
		all[i] = header{p[0], []string{p[1]}}
	}
	return all
}

// ServeHTTP answers every request. Hooks and health bypass the router: a webhook costs what it must and no more.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for _, kv := range s.headers {
		h[kv.name] = kv.value
	}
	start := time.Now()
	class := classPage
	defer func() {
		if class != classStream {
			s.meter.took(class, time.Since(start))
		}
	}()
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/hooks/"):
		class = classHook
		s.hook(w, r)
	case strings.HasPrefix(path, followPath):
		class = classStream
		s.follow(w, r)
	case path == "/healthz":
		s.health(w)
	case path == "/readyz":
		s.ready(w)
	case path == "/metrics":
		s.metrics(w, r)
	case path == caPath && s.certs.root != nil:
		s.certs.download(w)
	default:
		switch {
		case strings.HasPrefix(path, "/api/"):
			class = classAPI
		case streams(r):
			class = classStream
		}
		s.routed(w, asked(r), class == classStream)
	}
}

// routed passes the request to the router. A stream ends as soon as the server stops; everything else may finish.
func (s *Server) routed(w http.ResponseWriter, r *http.Request, stream bool) {
	if stream {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.stopping, cancel)() //nolint:contextcheck // the server's end is not the request's
		s.echo.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	late, control := time.Now().Add(bodyTimeout), http.NewResponseController(w)
	if r.Body != nil && r.Body != http.NoBody {
		_ = control.SetReadDeadline(late) // not every writer has deadlines
	}
	_ = control.SetWriteDeadline(late)
	s.echo.ServeHTTP(w, r)
}

// asked turns HEAD into GET for the router: the same answer, whose body net/http keeps to itself.
func asked(r *http.Request) *http.Request {
	if r.Method != http.MethodHead || strings.HasSuffix(r.URL.Path, "/live") {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	r.Method = http.MethodGet
	return r
}

// streams reports whether the answer goes on until somebody ends it.
func streams(r *http.Request) bool {
	return r.Method == http.MethodGet &&
		(strings.Contains(r.Header.Get("Accept"), "text/event-stream") || strings.HasSuffix(r.URL.Path, "/live"))
}

// caught turns a panic of a handler into an error; the connection and the other requests live on.
func caught(err *error) {
	switch p := recover().(type) {
	case nil:
	case runtime.Error:
		*err = fmt.Errorf("a handler panicked: %w\n%s", p, debug.Stack())
	default:
		if p == http.ErrAbortHandler { //nolint:errorlint,err113 // a sentinel to be passed on as it is
			panic(p)
		}
		*err = fmt.Errorf("a handler panicked with a %T\n%s", p, debug.Stack()) // its text may quote a customer
	}
}
