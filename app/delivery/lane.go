// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"maps"
	"time"

	"kith/app"
	"kith/app/channel"
)

// lane is the way out through one inbox. Its jobs are in one of three places: in line here, under way, or put off in
// the outbox until they may be sent.
type lane struct {
	inbox  app.Inbox
	sender channel.Sender // nil when this build does not know the channel
	limits channel.Limits
	flow   pace
	meter  meter
	drag   drag
	trial  bool // after a pause one message goes ahead; the others follow when it got through
	busy   int
	line   []app.Job
	pairs  map[app.ContactID]*pair
	// shelved are the jobs that were put off because the inbox is paused; they come back when it works again.
	shelved map[uint64]struct{}
	tail    time.Time     // when the last job that found the line full may come back
	took    time.Duration // how long an attempt takes, on average
	tended  time.Time     // when its facts and templates were last asked for
}

// lineLimit is how many jobs of one inbox wait in memory at most.
const lineLimit = 64

func (l *lane) blocked() bool { return l.inbox.Paused != nil || l.sender == nil }

// open makes what is needed to send by the inbox's settings.
func (d *Delivery) open(in app.Inbox) *lane {
	l := &lane{inbox: in, pairs: map[app.ContactID]*pair{}, shelved: map[uint64]struct{}{}}
	ch, ok := d.set[in.Kind]
	if !ok {
		d.log.Error("this build does not know the channel of an inbox; its messages wait", "inbox", in.ID, "kind", in.Kind)
		return l
	}
	l.limits = ch.Limits()
	l.flow = perSecond(l.limits.PerSecond)
	l.sender = ch.Open(in.Settings, d.client(&in))
	return l
}

// reload brings the lanes up to date with the inboxes. A lane whose pause ended lets its jobs come back at once.
func (d *Delivery) reload(ctx context.Context) error {
	back, err := d.renewAll(ctx)
	if err != nil {
		return err
	}
	err = d.recall(ctx, back)
	wakeUp(d.kick)
	return err
}

func (d *Delivery) renewAll(ctx context.Context) (back []uint64, err error) {
	d.renewing.Lock()
	defer d.renewing.Unlock()
	all, err := d.desk.Inboxes(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, in := range all {
		back = append(back, d.renew(in)...)
	}
	return back, nil
}

// renew takes over one inbox and returns the shelved jobs that may go on.
func (d *Delivery) renew(in app.Inbox) (back []uint64) {
	l := d.lanes[in.ID]
	if l == nil {
		d.lanes[in.ID] = d.open(in)
		wakeUp(d.tending)
		return nil
	}
	was, settings := l.blocked(), l.inbox.Settings
	l.inbox = in
	if !maps.Equal(settings, in.Settings) {
		fresh := d.open(in)
		l.sender, l.tended, l.drag = fresh.sender, time.Time{}, drag{}
		wakeUp(d.tending)
	}
	if !was || l.blocked() {
		return nil
	}
	l.trial = true
	for id := range l.shelved {
		back = append(back, id)
	}
	clear(l.shelved)
	return back
}

// recall makes shelved jobs due now.
func (d *Delivery) recall(ctx context.Context, ids []uint64) error {
	now := d.now()
	off := make([]delay, len(ids))
	for i, id := range ids {
		off[i] = delay{id, now}
	}
	return d.putOff(ctx, off)
}

// pairOf returns what is known of sending to a contact.
func (l *lane) pairOf(id app.ContactID, now time.Time) *pair {
	p := l.pairs[id]
	if p == nil {
		if len(l.pairs) >= 10_000 {
			maps.DeleteFunc(l.pairs, func(_ app.ContactID, p *pair) bool { return p.forgettable(now) })
		}
		p = &pair{}
		l.pairs[id] = p
	}
	return p
}

// pairPace is the sustained pace to one contact.
func (l *lane) pairPace() pace { return pace{l.limits.PairInterval, l.limits.PairBurst} }

// notBefore is when a job may be sent as far as its recipient is concerned. Saying that a message was seen is no message.
func (l *lane) notBefore(j *app.Job, now time.Time) time.Time {
	if j.Kind == app.JobRead {
		return now
	}
	p := l.pairOf(j.Contact, now)
	at := p.meter.next(l.pairPace(), now)
	if p.drag.until.After(at) {
		at = p.drag.until
	}
	return at
}

// slot is when a job that finds the line full may come back: one after the other, as fast as the inbox sends.
func (l *lane) slot(now time.Time, parallel int) time.Time {
	step := max(l.flow.interval, l.took/time.Duration(parallel), time.Millisecond)
	if first := now.Add(max(time.Second, lineLimit*step)); l.tail.Before(first) {
		l.tail = first
	}
	l.tail = l.tail.Add(step)
	return l.tail
}

// next returns when the first job of the line may start; ok is false when none may for now.
func (l *lane) next(now time.Time, parallel int) (at time.Time, ok bool) {
	if l.trial {
		parallel = 1
	}
	if len(l.line) == 0 || l.blocked() || l.busy >= parallel {
		return now, false
	}
	at = l.meter.next(l.flow, now)
	if l.drag.until.After(at) {
		at = l.drag.until
	}
	return at, true
}

// pop takes the first job of the line and pays for it.
func (l *lane) pop(now time.Time) app.Job {
	j := l.line[0]
	l.line = l.line[1:]
	l.busy++
	if j.Kind != app.JobRead {
		l.meter.take(l.flow, now)
		l.pairOf(j.Contact, now).meter.take(l.pairPace(), now)
	}
	return j
}
