// SPDX-License-Identifier: Apache-2.0

// Package delivery works the outbox: it keeps to the limits of networks, writes each attempt down before it makes it,
// and settles how it ended. It fetches the files that customers sent, and keeps the facts and templates of inboxes fresh.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/app"
	"kith/app/channel"
	"kith/store"
)

// How long things take.
const (
	sendTime     = time.Minute      // for one attempt of a message without a file
	fileTime     = 5 * time.Minute  // for one that carries a file
	grace        = 10 * time.Second // for an attempt under way when the server stops
	probeEvery   = 3 * time.Minute  // while an inbox is paused
	refreshEvery = time.Hour        // facts and templates of every inbox
	storeWait    = 2 * time.Second  // after the store refused something
	stuckWait    = time.Hour        // for a job that cannot be read
)

// Options configure a Delivery.
type Options struct {
	// Client returns what makes the calls of an inbox. It is asked again when the settings of the inbox change.
	Client func(*app.Inbox) channel.Doer
	Now    func() time.Time // nil = time.Now; the store's clock
	Log    *slog.Logger     // nil = none
	// Parallel is how many conversations of one inbox are sent to at the same time; 0 = 16.
	Parallel int
}

// Delivery works the outbox and the downloads of a desk.
type Delivery struct {
	desk     *app.Desk
	set      channel.Set
	client   func(*app.Inbox) channel.Doer
	now      func() time.Time
	log      *slog.Logger
	parallel int

	kick    chan struct{} // something that was waited for may start
	tending chan struct{} // an inbox came or got new settings

	renewing sync.Mutex // held while what is stored about inboxes becomes what the lanes know
	mu       sync.Mutex // guards all below
	lanes    map[app.InboxID]*lane
	holding  map[uint64]*lane // jobs read from the outbox that are not settled yet
	// let are the jobs that were let go of since the last look at the outbox: what that look read of them is stale.
	let       map[uint64]struct{}
	storeHold time.Time // nothing starts before: the store refused
}

// New returns a delivery; nothing happens before Run.
func New(desk *app.Desk, set channel.Set, o Options) *Delivery {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	return &Delivery{
		desk: desk, set: set, client: o.Client, now: o.Now, log: o.Log, parallel: o.Parallel,
		kick: make(chan struct{}, 1), tending: make(chan struct{}, 1),
		lanes: map[app.InboxID]*lane{}, holding: map[uint64]*lane{}, let: map[uint64]struct{}{},
	}
}

// Run works until ctx ends, then lets the attempts under way finish for up to ten seconds. It is called once. Attempts
// that were under way when the server last stopped are settled as unknown first.
func (d *Delivery) Run(ctx context.Context) error {
	if err := d.insist(ctx, "settling what was under way", d.recover); err != nil {
		return d.end(ctx, err)
	}
	after, err := d.desk.LastEvent(ctx)
	if err != nil {
		return d.end(ctx, fmt.Errorf("reading the event log: %w", err))
	}
	if err := d.insist(ctx, "reading the inboxes", d.reload); err != nil {
		return d.end(ctx, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.work(gctx) })
	g.Go(func() error { return d.fetchAll(gctx) })
	g.Go(func() error { return d.follow(gctx, after) })
	g.Go(func() error { return d.tend(gctx) })
	return d.end(ctx, g.Wait())
}

// recover settles what was under way when the server last stopped. What cannot be settled although the store works must
// not keep everything else from being sent: it stays as it is, and is not sent again.
func (d *Delivery) recover(ctx context.Context) error {
	unknown, err := d.desk.RecoverOutbox(ctx)
	if unknown > 0 {
		d.log.WarnContext(ctx, "the outcome of some messages is unknown; they wait for a person", "messages", unknown)
	}
	if err != nil && !down(err) && ctx.Err() == nil {
		d.log.ErrorContext(ctx, "some messages that were under way could not be settled", "error", err)
		return nil
	}
	return err
}

// down reports whether the store as a whole refuses, rather than one record being at fault.
func down(err error) bool {
	return errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable) || final(err)
}

// final reports whether the store will take nothing any more.
func final(err error) bool {
	return errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrUnknown)
}

// end takes an ordinary stop for no error.
func (d *Delivery) end(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

// insist repeats what the store refused until it succeeds, ctx ends, or the store takes nothing any more.
func (d *Delivery) insist(ctx context.Context, what string, fn func(context.Context) error) error {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := fn(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if final(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		d.log.ErrorContext(ctx, "the store refused; trying again", "doing", what, "wait", wait, "error", err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// wakeUp tells a loop without waiting for it.
func wakeUp(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// backoff is base·2^n for the nth failure, at most limit, with up to a quarter more so that messages do not come back
// together.
func backoff(base time.Duration, n int, limit time.Duration) time.Duration {
	w := limit
	if n < 30 {
		w = min(base<<max(n, 0), limit)
	}
	return w + rand.N(w/4+1) //nolint:gosec // chance is harmless here
}
