// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/store"
)

// A standby follows this server over paths below followPath. It shows its token, its public key and the newest epoch it
// knows of; what it gets is sealed to that key.
const (
	followPath = "/follow/v1/"
	// FollowWait is how long a standby is kept waiting for the next segment.
	FollowWait = 20 * time.Second
	// FollowKey and FollowEpoch are the headers in which a standby says who it is.
	FollowKey   = "Kith-Recipient"
	FollowEpoch = "Kith-Epoch"
)

// followCodes are the answers that a standby tells apart.
var followCodes = []struct {
	is   error
	code int
}{
	{store.ErrToken, http.StatusUnauthorized},
	{store.ErrFenced, http.StatusConflict},
	{store.ErrResync, http.StatusGone},
	{store.ErrNotFound, http.StatusNotFound},
	{context.DeadlineExceeded, http.StatusNoContent},
}

// follow answers a standby.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)() //nolint:contextcheck // the server's end is not the request's
	err := s.feed(ctx, w, r)
	if err == nil {
		return
	}
	code := http.StatusServiceUnavailable
	for _, c := range followCodes {
		if errors.Is(err, c.is) {
			code = c.code
			break
		}
	}
	if code == http.StatusServiceUnavailable && ctx.Err() == nil {
		s.log.WarnContext(ctx, "a standby could not be served", "path", r.URL.Path, "error", err)
	}
	w.Header().Del("Content-Type")
	w.WriteHeader(code)
}

func (s *Server) feed(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	epoch, _ := strconv.ParseUint(r.Header.Get(FollowEpoch), 10, 64) // none is the epoch 0
	f, err := s.o.Store.Feed(ctx, token, r.Header.Get(FollowKey), epoch)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, followPath), "/")
	switch what {
	case "state":
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(f.State())
	case "base":
		return s.sendBase(ctx, w, f)
	case "log":
		chain, number, _ := strings.Cut(rest, "/")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return store.ErrNotFound
		}
		wait, cancel := context.WithTimeout(ctx, FollowWait)
		defer cancel()
		return send(w)(f.Segment(wait, chain, n))
	case "blob":
		id, ok := store.ParseBlobID(rest)
		if !ok {
			return store.ErrNotFound
		}
		return send(w)(f.BlobFile(id))
	case "ack":
		gen, err := strconv.ParseUint(rest, 10, 64)
		if err != nil || r.Method != http.MethodPost {
			return store.ErrNotFound
		}
		return f.Ack(ctx, gen)
	}
	return store.ErrNotFound
}

// sendBase sends a copy. Once it began there is no other status to answer: a copy that breaks off does not open.
func (s *Server) sendBase(ctx context.Context, w http.ResponseWriter, f *store.Feed) error {
	if err := f.Base(ctx, w); err != nil {
		s.log.WarnContext(ctx, "a copy for a standby broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func send(w io.Writer) func(io.ReadCloser, error) error {
	return func(r io.ReadCloser, err error) error {
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return errors.Join(err, r.Close())
		}
		return r.Close()
	}
}

// ServeStandby answers for a server that follows another one: it lives, is not ready, and serves nobody.
func ServeStandby(ctx context.Context, o *Sealed) error {
	conf, err := o.config()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	o.lend(ctx, g, o.Ports.main, http.HandlerFunc(standby), conf)
	return g.Wait()
}

func standby(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/healthz" {
		fmt.Fprintln(w, "ok")
		return
	}
	w.Header().Set("Retry-After", "30")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, "not ready: standby")
}
