// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/app/egress"
	"kith/app/server"
	"kith/store"
)

// primary is where a standby finds the server that it follows. It is kept in the directory of the standby.
type primary struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// check finds what cannot be the address of a primary.
func (p *primary) check() error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return usage("--follow is the address of the primary, such as https://kith.example.com, not %q", p.URL)
	}
	ip := net.ParseIP(u.Hostname())
	if here := u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback()); u.Scheme == "http" && !here {
		return usage("--follow needs https: the token would pass the network in the clear")
	}
	p.URL = strings.TrimRight(p.URL, "/")
	return nil
}

// followed reads the token with which a standby follows.
func (o *serveOptions) followed(tokenFile string) (err error) {
	if o.follow.URL == "" {
		if tokenFile != "" {
			return usage("--follow-token-file needs --follow")
		}
		return nil
	}
	if tokenFile == "" {
		return usage("--follow needs --follow-token-file; kith standby add prints the token on the primary")
	}
	if o.follow.Token, err = secretFile("follow-token-file", tokenFile); err != nil {
		return err
	}
	return o.follow.check()
}

// link is the way to a primary, a store.Source.
type link struct {
	to     primary
	client *http.Client
}

func newLink(e *egress.Egress, to primary) *link {
	e.Trust(to.URL)
	client := *e.Client("primary", to.URL)
	client.Timeout = 0 // a copy takes as long as it takes; the context ends it
	return &link{to, &client}
}

// followErrors are what the answers of a primary mean.
var followErrors = map[int]error{
	http.StatusUnauthorized: store.ErrToken,
	http.StatusConflict:     store.ErrFenced,
	http.StatusGone:         store.ErrResync,
	http.StatusNotFound:     store.ErrNotFound,
}

// call asks the primary; the answer is nil when there is nothing yet.
func (l *link) call(ctx context.Context, me store.Follower, method, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(egress.Large(ctx), method, l.to.URL+"/follow/v1/"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking the primary: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+l.to.Token)
	req.Header.Set(server.FollowKey, me.Recipient)
	req.Header.Set(server.FollowEpoch, strconv.FormatUint(me.Epoch, 10))
	res, err := l.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the primary: %w", egress.Cause(err))
	}
	switch res.StatusCode {
	case http.StatusOK:
		return res.Body, nil
	case http.StatusNoContent:
		return nil, res.Body.Close()
	}
	err = followErrors[res.StatusCode]
	if err == nil {
		err = fmt.Errorf("the primary answers %s", res.Status)
	}
	return nil, errors.Join(err, res.Body.Close())
}

// Base opens a copy of the primary.
func (l *link) Base(ctx context.Context, me store.Follower) (io.ReadCloser, error) {
	return l.call(ctx, me, http.MethodGet, "base")
}

// Segment opens a segment of the op log.
func (l *link) Segment(ctx context.Context, me store.Follower, chain string, n uint64) (io.ReadCloser, error) {
	return l.call(ctx, me, http.MethodGet, fmt.Sprintf("log/%s/%d", chain, n))
}

// Blob opens the file of an attachment.
func (l *link) Blob(ctx context.Context, me store.Follower, id string) (io.ReadCloser, error) {
	return l.call(ctx, me, http.MethodGet, "blob/"+id)
}

// Ack tells the primary which keys are destroyed here.
func (l *link) Ack(ctx context.Context, me store.Follower, ring uint64) error {
	r, err := l.call(ctx, me, http.MethodPost, fmt.Sprintf("ack/%d", ring))
	if err != nil || r == nil {
		return err
	}
	return r.Close()
}

// retryAfter is how long a standby waits before it asks a primary again that did not answer.
const retryAfter = 2 * time.Second

// followServer runs a standby until a signal.
func followServer(ctx context.Context, o serveOptions, ports *server.Ports, log *slog.Logger) (err error) {
	note, err := json.Marshal(o.follow)
	if err != nil {
		return fmt.Errorf("noting the primary: %w", err)
	}
	s, err := store.OpenStandby(o.data, store.Options{Passphrase: o.passphrase, Log: log}, note) //nolint:contextcheck // opened whole or not at all
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e := egress.New(egress.Options{Log: log})
	defer e.Close()
	log.InfoContext(ctx, "kith follows as a standby", "url", ports.URL(), "primary", o.follow.URL)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return server.ServeStandby(ctx, &server.Sealed{Ports: ports, TLS: o.tls, Log: log})
	})
	g.Go(func() error { return keepFollowing(ctx, s, newLink(e, o.follow), log) })
	return ignoreStop(g.Wait())
}

// keepFollowing follows until ctx ends, or until the primary says that this server may not.
func keepFollowing(ctx context.Context, s *store.Standby, from *link, log *slog.Logger) error {
	for said := ""; ; {
		err := s.Follow(ctx, from)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // that is how it ends
		}
		for _, final := range []error{store.ErrToken, store.ErrFenced, store.ErrNewer, store.ErrDamaged, store.ErrPermission} {
			if errors.Is(err, final) {
				return fmt.Errorf("following %s: %w", from.to.URL, err)
			}
		}
		if text := err.Error(); text != said {
			said = text
			log.WarnContext(ctx, "the primary cannot be followed for now; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryAfter):
		}
	}
}

// promotedFile names the primary of before, while it may not know yet that its time is over.
const promotedFile = "promoted"

const promoteHelp = `Stop the standby, promote it, and start kith serve without --follow. The old primary stops writing as soon as it
hears of it: promote tells it at once when it can be reached, and the promoted server goes on trying. It can come back
only as a standby with an empty data directory.`

func setPromote(f *flags) func(context.Context, streams) error {
	data := f.data()
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		note, epoch, err := store.Promote(*data)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "This is the primary now, in epoch %d. Start it with kith serve.\n", epoch)
		var old primary
		if err := json.Unmarshal(note, &old); err != nil || old.URL == "" {
			return nil //nolint:nilerr // a standby that never knew where its primary is
		}
		last, err := json.Marshal(deposed{old, epoch})
		if err != nil {
			return fmt.Errorf("noting the old primary: %w", err)
		}
		if err := os.WriteFile(filepath.Join(*data, promotedFile), last, 0o600); err != nil {
			return fmt.Errorf("%w: noting the old primary: %w", store.ErrPermission, err)
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if fenced(ctx, *data, slog.New(slog.DiscardHandler)) {
			fmt.Fprintln(s.out, "The old primary has stopped writing.")
			return nil
		}
		fmt.Fprintf(s.out, "The old primary %s did not answer. Make sure that it stays off; this server will tell it.\n", old.URL)
		return nil
	}
}

// deposed is a primary whose time is over.
type deposed struct {
	primary

	Epoch uint64 `json:"epoch"`
}

// fenced tells the old primary that its time is over; it reports whether there is nobody to be told any more.
func fenced(ctx context.Context, dir string, log *slog.Logger) bool {
	path := filepath.Join(dir, promotedFile)
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	var old deposed
	if err := json.Unmarshal(b, &old); err != nil {
		return os.Remove(path) == nil
	}
	e := egress.New(egress.Options{Log: log})
	defer e.Close()
	r, err := newLink(e, old.primary).call(ctx, store.Follower{Epoch: old.Epoch}, http.MethodGet, "state")
	if r != nil {
		_ = r.Close() // it cannot have accepted a newer epoch; it is asked again
	}
	if !errors.Is(err, store.ErrFenced) && !errors.Is(err, store.ErrToken) {
		return false
	}
	return os.Remove(path) == nil
}

// tellOldPrimary goes on telling until it was heard.
func (h *house) tellOldPrimary(ctx context.Context) error {
	for !fenced(ctx, h.db.Dir(), h.log) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(15 * time.Second):
		}
	}
	return nil
}
