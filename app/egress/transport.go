// SPDX-License-Identifier: Apache-2.0

package egress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
)

// Error is why a call got no answer.
type Error struct {
	Host string
	// Written says that the whole request had left when the connection failed: the other side may have acted on it.
	Written bool
	Err     error
}

// Error names the host and the cause, never the path or a header.
func (e *Error) Error() string { return "calling " + e.Host + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Written reports whether the request behind err may have reached the other side. An error of unknown origin counts as
// written: it is the answer that never leads to sending twice.
func Written(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Written
	}
	return err != nil && !errors.Is(err, ErrRefused)
}

// Cause returns err without the method and address that net/http puts around it: addresses may hold secrets.
func Cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// transport lets the requests of one client pass to its hosts.
type transport struct {
	egress   *Egress
	purpose  string
	patterns []string
}

// RoundTrip sends the request when its host is on the list.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	p, err := t.allow(req.URL)
	if err != nil {
		closeBody(req)
		t.egress.log.WarnContext(req.Context(), "call refused", "purpose", t.purpose, "host", req.URL.Host)
		return nil, &Error{Host: req.URL.Host, Err: err}
	}
	var written atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				written.Store(true)
			}
		},
	})
	res, err := t.egress.inner.RoundTrip(req.WithContext(ctx))
	t.egress.count(t.purpose, p, err)
	if err != nil {
		return nil, &Error{Host: req.URL.Host, Written: written.Load(), Err: err}
	}
	if large, _ := req.Context().Value(largeKey{}).(bool); large {
		return res, nil
	}
	if res.ContentLength > MaxResponse {
		_ = res.Body.Close()
		return nil, &Error{Host: req.URL.Host, Written: true, Err: ErrTooLarge}
	}
	res.Body = &capped{body: res.Body, left: MaxResponse}
	return res, nil
}

// allow returns the pattern that lets u pass.
func (t *transport) allow(u *url.URL) (string, error) {
	hp := hostPort(u.Scheme + "://" + u.Host)
	if !t.egress.trusts(hp) && (u.Scheme != "https" || portOf(u) != "443") {
		return "", refuse("%s is not https on port 443, and the operator did not name it", u.Host)
	}
	name := strings.ToLower(u.Hostname())
	for _, p := range t.patterns {
		family, isFamily := strings.CutPrefix(p, "*")
		if p == pattern(hp) || (isFamily && portOf(u) == "443" && len(name) > len(family) && strings.HasSuffix(name, family)) {
			return p, nil
		}
	}
	return "", refuse("%s is not a host of %s", u.Host, t.purpose)
}

// redirect follows GET and HEAD to hosts on the list; the authorisation stays with the host it was meant for.
func (t *transport) redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if (first.Method != http.MethodGet && first.Method != http.MethodHead) || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	if _, err := t.allow(req.URL); err != nil {
		return err
	}
	if first.URL.Scheme != req.URL.Scheme || !strings.EqualFold(first.URL.Host, req.URL.Host) {
		req.Header.Del("Authorization")
		req.Header.Del("Cookie")
	}
	return nil
}

type largeKey struct{}

// Large lets the answers to the calls under ctx be of any size: copies of a store. Who reads them bounds what it keeps.
func Large(ctx context.Context) context.Context { return context.WithValue(ctx, largeKey{}, true) }

// ErrTooLarge says that an answer was longer than MaxResponse.
var ErrTooLarge = errors.New("the answer is larger than 128 MB")

type capped struct {
	body io.ReadCloser
	left int64
}

// Read passes on at most what is left and fails when there is more.
func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.body.Read(p)
	if int64(n) > c.left {
		n = int(c.left)
		c.left = 0
		return n, ErrTooLarge
	}
	c.left -= int64(n)
	return n, err
}

// Close closes the answer.
func (c *capped) Close() error { return c.body.Close() }

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
