// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kith/app"
	"kith/app/api"
	"kith/app/ingress"
)

// hookBuffers are bodies that are read over and over; large ones are left to the collector.
var hookBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

const keepBuffer = 256 << 10

// hook answers GET and POST /hooks/{kind}/{inbox}. Its errors are one plain line: networks show them to developers.
func (s *Server) hook(w http.ResponseWriter, r *http.Request) {
	err := s.hooked(w, r)
	if err == nil {
		return
	}
	f := api.FaultOf(err)
	switch {
	case f.Status >= http.StatusInternalServerError:
		s.log.ErrorContext(r.Context(), "a webhook was not taken in", "status", f.Status, "error", err)
	case errors.Is(err, ingress.ErrUnsigned) && s.unsigned.due(time.Now()):
		s.log.WarnContext(r.Context(), "a webhook was refused: its signature does not match the app secret of its inbox; "+
			"others within a minute are not told", "path", r.URL.Path)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", itoa(f.RetryAfter))
	}
	if f.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	http.Error(w, f.Message, f.Status)
}

func (s *Server) hooked(w http.ResponseWriter, r *http.Request) (err error) {
	defer caught(&err)
	kind, number, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/hooks/"), "/")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return ingress.ErrUnknownInbox
	}
	switch r.Method {
	case http.MethodPost:
		return s.accept(w, r, kind, app.InboxID(id))
	case http.MethodGet:
		answer, err := s.o.Hooks.Handshake(r.Context(), kind, app.InboxID(id), r.URL.Query())
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err = io.WriteString(w, answer) //nolint:gosec // plain text, and the channel lets only plain characters through
		return err
	}
	return errMethod
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, kind string, id app.InboxID) error {
	if r.ContentLength > ingress.MaxBody {
		discard(w, r.Body)
		return ingress.ErrTooLarge
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(hookTimeout)) // not every writer has deadlines
	buf, _ := hookBuffers.Get().(*[]byte)
	body, err := readAll(http.MaxBytesReader(w, r.Body, ingress.MaxBody), (*buf)[:0], r.ContentLength)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			discard(w, r.Body)
			return ingress.ErrTooLarge
		}
		return errBodyLost
	}
	if err := s.o.Hooks.Accept(r.Context(), kind, id, r.Header, body); err != nil {
		return err // the buffer is not used again: a commit under way may still read it
	}
	if cap(body) <= keepBuffer {
		*buf = body
		hookBuffers.Put(buf)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// seldom lets something be said once a minute, however often it happens.
type seldom struct{ last atomic.Int64 }

func (s *seldom) due(now time.Time) bool {
	last := s.last.Load()
	return now.Unix()-last >= 60 && s.last.CompareAndSwap(last, now.Unix())
}

// What is too large is read on for a while and thrown away: many callers look for the answer only when they have sent
// everything, and would find a broken connection instead.
const (
	discardBytes = 32 << 20
	discardTime  = 10 * time.Second
)

func discard(w http.ResponseWriter, body io.Reader) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(discardTime)) // not every writer has deadlines
	_, _ = io.CopyN(io.Discard, body, discardBytes)                                // the answer is the same, however it ends
}

// readAll appends what r holds to b. It believes the caller's word about the size for a small body only: memory follows
// what was really sent.
func readAll(r io.Reader, b []byte, size int64) ([]byte, error) {
	if want := int(size) + 512; size > 0 && size < 64<<10 && cap(b) < want {
		b = make([]byte, 0, want)
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}
