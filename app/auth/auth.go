// SPDX-License-Identifier: Apache-2.0

// Package auth tells who somebody is: the claim of a new installation, passwords, sessions of browsers and keys of
// programs. It answers with an app.Actor; what an actor may do is the Desk's business.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kith/app"
	"kith/store"
)

// ErrUnauthenticated says that a token or key is missing, unknown, expired or taken back.
var ErrUnauthenticated = errors.New("not signed in")

// ErrHalfway says that the password was right and a second factor is still to be proved or set up. Whoever asks only
// whether somebody is signed in takes it for ErrUnauthenticated.
var ErrHalfway = fmt.Errorf("%w: a second factor is missing", ErrUnauthenticated)

// ErrSlow says that there were too many attempts; a *SlowDown tells how long to wait.
var ErrSlow = errors.New("too many attempts")

// SlowDown is ErrSlow with the time after which the next attempt is looked at.
type SlowDown struct{ Wait time.Duration } //nolint:errname // it says what to do

// Error returns the English sentence.
func (s *SlowDown) Error() string {
	return fmt.Sprintf("Too many attempts. Try again in %d seconds.", int(s.Wait.Seconds())+1)
}

// Unwrap returns ErrSlow.
func (s *SlowDown) Unwrap() error { return ErrSlow }

// Options configure Auth.
type Options struct {
	Now func() time.Time // nil = time.Now
	Log *slog.Logger     // nil = none
}

// Auth knows who may come in. It is safe for concurrent use.
type Auth struct {
	db    *store.DB
	desk  *app.Desk
	now   func() time.Time
	log   *slog.Logger
	slow  limiter
	hash  hasher
	known cache

	insist atomic.Bool // see Insist

	mu         sync.Mutex
	claim      [32]byte // hash of this start's claim token; zero = none
	claimUntil time.Time
	revoked    chan struct{} // closed when a session ended before its time
}

// New returns the doorkeeper of desk, whose store is db.
func New(db *store.DB, desk *app.Desk, o Options) *Auth {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Auth{db: db, desk: desk, now: o.Now, log: o.Log, hash: newHasher(), revoked: make(chan struct{})}
}

// Insist makes owners and admins set up a second factor before anything else, unless the policy says otherwise. Without
// it, as when only this machine reaches kith, they are reminded.
func (a *Auth) Insist() { a.insist.Store(true) }

// Revoked returns a channel that is closed when sessions end before their time: whoever streams to a browser then asks
// Still again.
func (a *Auth) Revoked() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.revoked
}

// forget drops what is remembered of a person's sessions and wakes the streams.
func (a *Auth) forget(id app.AgentID) {
	a.known.forget(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.revoked)
	a.revoked = make(chan struct{})
}

// secret returns 256 random bits as text.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// parted reads "a.b.secret" with numbers in base 36.
func parted(token string) (a, b uint64, ok bool) {
	parts := strings.SplitN(token, ".", 3)
	if len(parts) != 3 || len(parts[2]) != 43 {
		return 0, 0, false
	}
	a, errA := strconv.ParseUint(parts[0], 36, 32)
	b, errB := strconv.ParseUint(parts[1], 36, 64)
	return a, b, errA == nil && errB == nil
}

func sum(token string) [32]byte { return sha256.Sum256([]byte(token)) }

func refused(field, key, text string) error {
	return &app.Problem{Kind: app.ErrInvalid, Field: field, Key: key, Text: text}
}

// unknown turns "not there" into ErrUnauthenticated.
func unknown(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) || errors.Is(err, app.ErrNotFound) {
		return ErrUnauthenticated
	}
	return err
}

// agent returns the person if they may come in.
func (a *Auth) agent(ctx context.Context, id app.AgentID) (*app.Agent, error) {
	p, err := a.desk.Agent(ctx, id)
	if err != nil {
		return nil, unknown(err)
	}
	if p.Disabled {
		return nil, ErrUnauthenticated
	}
	return p, nil
}

func actor(p *app.Agent) app.Actor {
	return app.Actor{Kind: app.ActorAgent, ID: uint64(p.ID), Role: p.Role}
}
