// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"kith/app"
	"kith/app/channel"
)

// How often and how long (PROTOCOLS 1.10).
const (
	defaultTries  = 6
	courtesyTries = 2
	againLimit    = 5 * time.Minute
	slowLimit     = 10 * time.Minute
	pairLimit     = 70 * time.Minute // 4^6 s
)

// judge says how an attempt ended, and lets the inbox and the pair feel it.
func (d *Delivery) judge(ctx context.Context, l *lane, at *app.Attempt, sent channel.Sent, err error) app.Outcome {
	if err == nil {
		d.passed(l, at.Job.Contact)
		return app.Outcome{Sent: true, ExternalID: sent.ExternalID, Recipient: sent.Recipient}
	}
	var e *channel.SendError
	if !errors.As(err, &e) {
		e = &channel.SendError{Class: channel.Unknown, Err: err} // whatever it was, never send twice
	}
	failure := failureOf(e)
	d.log.InfoContext(ctx, "an attempt did not succeed",
		"inbox", at.Inbox.ID, "job", at.Job.ID, "class", int(e.Class), "code", failure.Code, "tries", at.Job.Tries)
	now := d.now()
	switch e.Class {
	case channel.Refused, channel.Suppress:
		d.heard(l)
		return app.Outcome{Failure: &failure}
	case channel.Again:
		wait := e.Wait
		if wait == 0 {
			wait = backoff(time.Second, at.Job.Tries-1, againLimit)
		}
		return retry(at, e.Tries, now.Add(wait), &failure)
	case channel.SlowDown, channel.SlowPair:
		return d.slow(l, at, e, &failure)
	case channel.Stop:
		return d.stop(ctx, l, at, &failure)
	case channel.Unknown:
	}
	return app.Outcome{Unknown: true, Failure: &failure}
}

// retry tries again unless that was the last try. Courtesies are let go soon: they must not hold up messages.
func retry(at *app.Attempt, tries int, when time.Time, f *app.Failure) app.Outcome {
	if tries == 0 {
		tries = defaultTries
	}
	if at.Job.Kind != app.JobSend {
		tries = min(tries, courtesyTries)
	}
	if at.Job.Tries >= tries {
		return app.Outcome{Failure: f}
	}
	return app.Outcome{Again: when, Failure: f}
}

// passed says that the network took a message of the contact. The inbox as a whole is trusted again when it has been
// quick enough for a minute.
func (d *Delivery) passed(l *lane, contact app.ContactID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.trial = false
	if d.now().After(l.drag.until.Add(time.Minute)) {
		l.drag.times = 0
	}
	if p := l.pairs[contact]; p != nil {
		p.drag.times = 0
	}
}

// heard says that the network answered about the message, so that the account works.
func (d *Delivery) heard(l *lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.trial = false
}

// slow lets the whole inbox, or the pair, wait. The message itself did nothing wrong.
func (d *Delivery) slow(l *lane, at *app.Attempt, e *channel.SendError, f *app.Failure) app.Outcome {
	d.mu.Lock()
	now := d.now()
	var until time.Time
	if e.Class == channel.SlowPair {
		until = l.pairOf(at.Job.Contact, now).drag.pull(now, 4, e.Wait, pairLimit)
	} else {
		until = l.drag.pull(now, 2, e.Wait, slowLimit)
	}
	d.mu.Unlock()
	o := retry(at, 1<<30, until, f)
	o.Uncounted = at.Job.Kind == app.JobSend
	return o
}

// stop pauses the inbox; the message keeps its place in the queue.
func (d *Delivery) stop(ctx context.Context, l *lane, at *app.Attempt, f *app.Failure) app.Outcome {
	again := app.Outcome{Again: d.now().Add(time.Second), Failure: f, Uncounted: true}
	if d.halt(ctx, &at.Inbox, *f) {
		d.mu.Lock()
		again.Again = l.shelve(at.Job.ID, d.now())
		d.mu.Unlock()
	}
	if at.Job.Kind != app.JobSend {
		return app.Outcome{Failure: f}
	}
	return again
}

// halt pauses an inbox whose account or token was refused; false when its settings have changed since they were used.
func (d *Delivery) halt(ctx context.Context, used *app.Inbox, f app.Failure) bool {
	ctx = context.WithoutCancel(ctx)
	d.renewing.Lock()
	defer d.renewing.Unlock()
	if in, err := d.desk.Inbox(ctx, used.ID); err == nil && !maps.Equal(in.Settings, used.Settings) {
		return false
	}
	d.mu.Lock()
	l := d.lanes[used.ID]
	known := l == nil || l.inbox.Paused != nil
	if !known {
		l.inbox.Paused, l.tended = &f, d.now()
	}
	d.mu.Unlock()
	if known {
		return true
	}
	d.log.ErrorContext(ctx, "an inbox is paused: the network refused its account or token; its messages wait",
		"inbox", used.ID, "code", f.Code, "reason", f.Title)
	if err := d.desk.PauseInbox(ctx, used.ID, f); err != nil {
		d.log.ErrorContext(ctx, "writing down that an inbox is paused", "inbox", used.ID, "error", err)
		d.mu.Lock()
		l.inbox.Paused = nil // the next attempt tells again
		d.mu.Unlock()
	}
	wakeUp(d.tending)
	return true
}

func failureOf(e *channel.SendError) app.Failure {
	f := e.Failure
	if f.Title == "" {
		f.Title = strings.ToValidUTF8(e.Error(), "\uFFFD")
	}
	if f.Advice == "" && (e.Class == channel.Unknown || e.Class == 0) {
		f.Advice = "advice.unknown"
	}
	return f
}
