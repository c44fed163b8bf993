// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/app"
)

// scanLimit is how many due jobs are read at once beside those that are here already.
const scanLimit = 128

// work brings due jobs into the lines of their inboxes and starts what may start. It waits for what it started.
func (d *Delivery) work(ctx context.Context) error {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	for {
		wake := d.desk.OutboxWake()
		next, err := d.scan(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if final(err) {
				return fmt.Errorf("reading the outbox: %w", err)
			}
			d.log.ErrorContext(ctx, "working the outbox", "error", err)
			next = d.now().Add(storeWait)
		}
		if at := d.start(ctx, &attempts); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
		if err := d.rest(ctx, next, wake, d.kick); err != nil {
			return err
		}
	}
}

// rest waits until next (zero = for ever), or until one of two channels speaks.
func (d *Delivery) rest(ctx context.Context, next time.Time, wake, kick <-chan struct{}) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(max(next.Sub(d.now()), time.Millisecond))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-kick:
	case <-timer:
	}
	return nil
}

// delay is a job that is put off.
type delay struct {
	id    uint64
	until time.Time
}

// scan reads what is due and gives each job its place. It returns when to scan again if nothing else happens.
func (d *Delivery) scan(ctx context.Context) (time.Time, error) {
	for {
		d.mu.Lock()
		limit := len(d.holding) + scanLimit
		clear(d.let)
		d.mu.Unlock()
		due, next, err := d.desk.DueJobs(ctx, limit)
		if err != nil {
			return next, err
		}
		off, strange, admitted := d.admit(due)
		if err := errors.Join(d.putOff(ctx, off), d.introduce(ctx, strange)); err != nil {
			return next, err
		}
		if len(strange) == 0 && (len(due) < limit || len(off)+admitted == 0) {
			if !next.IsZero() && !next.After(d.now()) {
				next = d.now().Add(time.Second) // it is here already: what it waits for wakes us
			}
			return next, nil
		}
	}
}

// admit lines jobs up. It returns those to put off, and those of inboxes that it does not know.
func (d *Delivery) admit(due []app.Job) (off []delay, strange []app.Job, admitted int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, j := range due {
		if _, stale := d.let[j.ID]; stale || d.holding[j.ID] != nil {
			continue // a stale one would take a turn, and what it costs, for nothing; its release wakes us
		}
		l := d.lanes[j.Inbox]
		if l == nil {
			strange = append(strange, j)
			continue
		}
		until := d.place(l, &j, now)
		if until.After(now) {
			off = append(off, delay{j.ID, until})
			continue
		}
		d.holding[j.ID] = l
		l.line = append(l.line, j)
		admitted++
	}
	return off, strange, admitted
}

// place returns until when a job is put off; it may line up when that is not after now.
func (d *Delivery) place(l *lane, j *app.Job, now time.Time) time.Time {
	switch {
	case l.blocked():
		return l.shelve(j.ID, now)
	case l.drag.until.After(now.Add(time.Second)):
		return l.drag.until.Add(rand.N(time.Second)) //nolint:gosec // chance is harmless here
	case len(l.line) >= lineLimit:
		return l.slot(now, d.parallel)
	}
	return l.notBefore(j, now)
}

// shelve puts a job off until the inbox has been asked again whether it works.
func (l *lane) shelve(id uint64, now time.Time) time.Time {
	l.shelved[id] = struct{}{}
	return now.Add(probeEvery + rand.N(10*time.Second)) //nolint:gosec // chance is harmless here
}

// putOff writes down delays, many in one commit.
func (d *Delivery) putOff(ctx context.Context, off []delay) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scanLimit)
	for _, one := range off {
		g.Go(func() error { return d.desk.Postpone(ctx, one.id, one.until) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("putting messages off: %w", err)
	}
	return nil
}

// introduce makes lanes for inboxes that came a moment ago, and lets go of jobs whose inbox is not there at all.
func (d *Delivery) introduce(ctx context.Context, strange []app.Job) error {
	if len(strange) == 0 {
		return nil
	}
	if err := d.reload(ctx); err != nil {
		return err
	}
	for _, j := range strange {
		d.mu.Lock()
		known := d.lanes[j.Inbox] != nil
		d.mu.Unlock()
		if known {
			continue
		}
		// The Desk drops a job without an inbox.
		at, err := d.desk.StartAttempt(ctx, j.ID)
		if err == nil {
			d.settle(ctx, at.Job, app.Outcome{Again: d.now(), Uncounted: true})
		} else if !errors.Is(err, app.ErrNoAttempt) {
			return fmt.Errorf("dropping a message without an inbox: %w", err)
		}
	}
	return nil
}

// start begins what may begin now and returns when more may; zero when only the end of an attempt can tell.
func (d *Delivery) start(ctx context.Context, attempts *sync.WaitGroup) (next time.Time) {
	var off []delay
	d.mu.Lock()
	now := d.now()
	for _, l := range d.lanes {
		if l.blocked() {
			off = append(off, d.clearLine(l, now)...)
		}
		for {
			at, ok := l.next(now, d.parallel)
			if ok && at.Before(d.storeHold) {
				at = d.storeHold
			}
			if ok && at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
			if !ok || at.After(now) {
				break
			}
			j := l.pop(now)
			attempts.Go(func() { d.attempt(ctx, l, j) })
		}
	}
	d.mu.Unlock()
	if err := d.putOff(ctx, off); err != nil && ctx.Err() == nil {
		d.log.ErrorContext(ctx, "working the outbox", "error", err) // they are due and read again
	}
	return next
}

// clearLine puts off what waits in the line of a paused inbox.
func (d *Delivery) clearLine(l *lane, now time.Time) (off []delay) {
	for _, j := range l.line {
		off = append(off, delay{j.ID, l.shelve(j.ID, now)})
		delete(d.holding, j.ID)
	}
	l.line = nil
	return off
}

// release ends an attempt's hold on its job.
func (d *Delivery) release(l *lane, id uint64, took time.Duration) {
	d.mu.Lock()
	l.busy--
	l.took += (took - l.took) / 8
	delete(d.holding, id)
	d.let[id] = struct{}{}
	d.mu.Unlock()
	wakeUp(d.kick)
}

// holdAll lets nothing start for a moment because the store refused.
func (d *Delivery) holdAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.storeHold = d.now().Add(storeWait)
}
