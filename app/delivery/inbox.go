// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/app"
	"kith/app/channel"
)

// follow reads the event log and takes over what changed about inboxes.
func (d *Delivery) follow(ctx context.Context, after uint64) error {
	for {
		watch := d.desk.Watch()
		changed, last, err := d.changes(ctx, after)
		after = last
		if err == nil && changed {
			err = d.reload(ctx)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if final(err) {
				return fmt.Errorf("reading the event log: %w", err)
			}
			d.log.ErrorContext(ctx, "reading what changed about inboxes", "error", err)
			after-- // see the last change again
			if err := sleep(ctx, storeWait); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-watch:
		}
		// Thousands of events a second are read a few times a second.
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// changes reads on to the end of the log and reports whether an inbox changed.
func (d *Delivery) changes(ctx context.Context, after uint64) (changed bool, last uint64, err error) {
	for {
		events, err := d.desk.Events(ctx, after, 1000)
		if err != nil {
			return changed, after, err
		}
		for _, e := range events {
			after = e.Seq
			changed = changed || e.Kind == app.InboxChanged
		}
		if len(events) < 1000 {
			return changed, after, nil
		}
	}
}

// tend asks the networks how the inboxes are: when they come, when their settings change, every hour, and every few
// minutes while they are paused.
func (d *Delivery) tend(ctx context.Context) error {
	for {
		visits, next := d.untended()
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(4)
		for _, v := range visits {
			g.Go(func() error {
				d.visit(gctx, v)
				return nil
			})
		}
		_ = g.Wait() // no visit fails
		if len(visits) > 0 {
			if err := d.reload(ctx); err != nil && ctx.Err() == nil {
				d.log.ErrorContext(ctx, "reading the inboxes", "error", err)
			}
		}
		if err := d.rest(ctx, next, nil, d.tending); err != nil {
			return err
		}
	}
}

// visit is one inbox to look after.
type visit struct {
	inbox  app.Inbox
	sender channel.Sender
}

// untended returns the inboxes whose time has come, and when the next one's will.
func (d *Delivery) untended() (out []visit, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, l := range d.lanes {
		if l.sender == nil {
			continue
		}
		every := refreshEvery
		if l.inbox.Paused != nil {
			every = probeEvery
		}
		if l.tended.IsZero() || !l.tended.Add(every).After(now) {
			l.tended = now
			out = append(out, visit{l.inbox, l.sender})
		}
		if at := l.tended.Add(every); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return out, next
}

// visit asks whether the inbox works and which templates it has. A token that the network took for the probe is not
// blamed for what the templates say: it may lack that one permission, and messages still get through.
func (d *Delivery) visit(ctx context.Context, v visit) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	facts, err := v.sender.Probe(ctx)
	works := err == nil
	switch {
	case works && (v.inbox.Paused != nil || !slices.Equal(facts, v.inbox.Facts)):
		err = d.desk.ResumeInbox(ctx, v.inbox.ID, facts)
		d.report(ctx, &v.inbox, "writing down what the network tells about an inbox", err)
	case !works && d.blames(ctx, &v.inbox, err):
		return
	case !works:
		d.report(ctx, &v.inbox, "asking the network about an inbox", err)
	}
	list, err := v.sender.Templates(ctx)
	if err == nil {
		err = d.desk.SaveTemplates(ctx, v.inbox.ID, list)
	} else if !works && d.blames(ctx, &v.inbox, err) {
		return
	}
	d.report(ctx, &v.inbox, "fetching the templates of an inbox", err)
}

// blames pauses the inbox when the network refused its account or token.
func (d *Delivery) blames(ctx context.Context, in *app.Inbox, err error) bool {
	var e *channel.SendError
	return errors.As(err, &e) && e.Class == channel.Stop && d.halt(ctx, in, failureOf(e))
}

func (d *Delivery) report(ctx context.Context, in *app.Inbox, what string, err error) {
	if err != nil && ctx.Err() == nil {
		d.log.WarnContext(ctx, "looking after an inbox", "inbox", in.ID, "doing", what, "error", err)
	}
}
