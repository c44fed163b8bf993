// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kith/store"
)

// Retention says how many whole days records are kept. 0 is for ever.
type Retention struct {
	Messages uint16 `cbor:"1,keyasint,omitempty" json:"messages"` // and what belongs to them: attachments, receipts, events
	Audit    uint16 `cbor:"2,keyasint,omitempty" json:"audit"`
}

// IngressDays is how long raw bodies are kept that could not be read; nobody can choose more.
const IngressDays = 7

// maxRetention is a hundred years.
const maxRetention = 36500

var retentions = store.NewTable[Retention]("retention", func(*Retention) store.Subject { return store.Nobody })

// today is the partition of a class that is written to now.
func today(tx *store.Tx, c store.Class) store.DayKey {
	return tx.Living(store.DayKey{Class: c, Day: store.DayOf(tx.Now())})
}

// Retention returns how long records are kept.
func (d *Desk) Retention(ctx context.Context, a Actor) (r Retention, err error) {
	err = d.look(ctx, a, MaySeeRetention, func(tx *store.Tx) error {
		r, err = retentionOf(tx)
		return err
	})
	return r, err
}

func retentionOf(tx *store.Tx) (Retention, error) {
	r, err := retentions.Get(tx, store.Nobody, 0)
	if errors.Is(err, store.ErrNotFound) {
		return Retention{}, nil
	}
	if err != nil {
		return Retention{}, err
	}
	return *r, nil
}

// SetRetention changes how long records are kept. What is older then goes with the next run.
func (d *Desk) SetRetention(ctx context.Context, a Actor, r Retention) error {
	for field, days := range map[string]uint16{"messages": r.Messages, "audit": r.Audit} {
		if days > maxRetention {
			return invalid(field, "problem.retention_long", "Keep records for at most 36500 days, or 0 for ever.")
		}
	}
	return d.act(ctx, a, MayRetention, AuditSettingChanged, func(tx *store.Tx, _ *AuditEvent) error {
		return retentions.Put(tx, 0, &r)
	})
}

// Expiring is what of one class is due.
type Expiring struct {
	Class       string         `json:"class"` // "messages", "ingress" or "audit"
	KeptDays    uint16         `json:"kept_days"`
	Before      string         `json:"before"` // the first day that is kept, as 2006-01-02
	Days        int            `json:"days"`   // that hold something
	Records     map[string]int `json:"records"`
	Attachments int            `json:"attachments"`
	People      int            `json:"people"`
	Held        int            `json:"held"`                  // records that a hold keeps
	Certificate string         `json:"certificate,omitempty"` // path, after a run

	expiry store.Expiry
}

// RetentionRun is how a run or its preview is to be done.
type RetentionRun struct {
	// Now is the instant to go by; zero means the clock of the machine. Who names one answers for it.
	Now time.Time
	// Confirmed says that a person looked at the preview: neither the clock nor the number of days stops the run.
	Confirmed bool
}

// RetentionPreview returns what RunRetention would destroy, to the record.
func (d *Desk) RetentionPreview(ctx context.Context, a Actor, run RetentionRun) (all []Expiring, err error) {
	var rules Retention
	now := run.Now
	err = d.look(ctx, a, MaySeeRetention, func(tx *store.Tx) (err error) {
		if now.IsZero() {
			now = tx.Now()
		}
		rules, err = retentionOf(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, e := range d.expiring(rules, run, now) {
		due, err := d.db.Due(ctx, e.expiry)
		if err != nil {
			return nil, err
		}
		e.Days, e.Records, e.Attachments, e.People, e.Held = len(due.Days), due.Records, due.Attachments, due.People, due.Held
		all = append(all, e)
	}
	return all, nil
}

// expiring lists the classes that expire, and up to when.
func (d *Desk) expiring(r Retention, run RetentionRun, now time.Time) (all []Expiring) {
	latest := store.DayOf(d.db.Now()) + 1 // what has not come cannot expire
	for _, c := range []struct {
		name  string
		class store.Class
		days  uint16
	}{{"messages", store.Default, r.Messages}, {"ingress", store.Ingress, IngressDays}, {"audit", store.Audit, r.Audit}} {
		if c.days == 0 {
			continue
		}
		before := store.Day(max(int(store.DayOf(now))-int(c.days), 0)) //nolint:gosec // between 0 and a Day
		before = min(before, latest)
		all = append(all, Expiring{
			Class: c.name, KeptDays: c.days, Before: before.Time().Format(time.DateOnly),
			expiry: store.Expiry{Class: c.class, Before: before, Held: d.held, Confirmed: run.Confirmed || !run.Now.IsZero()},
		})
	}
	return all
}

// RunRetention destroys the keys of all days that are older than records are kept, then removes the records. It returns
// what it did; an error about one class does not keep the others from running. An error that wraps
// store.ErrUnconfirmed waits for a person.
func (d *Desk) RunRetention(ctx context.Context, a Actor, run RetentionRun) (done []Expiring, err error) {
	if _, err := d.ask(ctx, a, MayRetention); err != nil {
		return nil, err
	}
	ctx = store.Freeing(ctx)
	all, err := d.RetentionPreview(ctx, a, run)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, e := range all {
		err := d.expire(ctx, a, &e)
		if errors.Is(err, store.ErrUnconfirmed) && e.Days == 0 {
			err = nil // there is nothing to ask about
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", e.Class, err))
			continue
		}
		done = append(done, e)
	}
	return done, failed
}

// expire destroys one class below its day and certifies it.
func (d *Desk) expire(ctx context.Context, a Actor, e *Expiring) error {
	did, err := d.db.Expire(ctx, e.expiry)
	if err != nil || did.Nothing() {
		return err
	}
	if e.expiry.Class == store.Default {
		if err := d.forgetDays(ctx, e.expiry); err != nil {
			return err
		}
	}
	if len(did.Removed) == 0 {
		return nil
	}
	if _, e.Certificate, err = d.db.Certify(ctx, did, ""); err != nil {
		return err
	}
	return d.act(ctx, a, MayRetention, AuditRetentionRun, func(_ *store.Tx, ev *AuditEvent) error {
		ev.Object, ev.Message = uint64(packDay(did.Days)), did.Entry
		return nil
	})
}

// forgetDays takes days that are gone off the conversations, a part at a time.
func (d *Desk) forgetDays(ctx context.Context, o store.Expiry) error {
	gone := func(n uint32) bool { k := unpackDay(n); return k.Class == o.Class && k.Day < o.Before }
	var old []ConversationID
	err := d.db.View(ctx, func(tx *store.Tx) error {
		conversations.Walk(tx, store.Mark{}, func(id uint64, c *Conversation) bool {
			if slices.ContainsFunc(c.Days, gone) && (o.Held == nil || !o.Held(c.Contact)) {
				old = append(old, ConversationID(id))
			}
			return true
		})
		return nil
	})
	for part := range slices.Chunk(old, 500) {
		if err == nil {
			err = d.db.Update(ctx, func(tx *store.Tx) error { return trimDays(tx, part, gone) })
		}
	}
	return err
}

// trimDays leaves a conversation without messages in its place, with nothing to answer.
func trimDays(tx *store.Tx, part []ConversationID, gone func(uint32) bool) error {
	for _, id := range part {
		c, ok := conversations.Get(tx, uint64(id))
		if !ok {
			continue
		}
		c.Days = slices.DeleteFunc(slices.Clone(c.Days), gone)
		if gone(c.LastDay) {
			c.LastSeq, c.LastDay = 0, 0
		}
		if len(c.Days) == 0 {
			c.Unread, c.NeedsReply, c.Failed = 0, false, false
		}
		if err := conversations.Put(tx, uint64(id), c); err != nil && !errors.Is(err, store.ErrErased) {
			return err
		}
		if err := emit(tx, Event{Kind: ConversationChanged, Conversation: id, Contact: c.Contact}); err != nil {
			return err
		}
	}
	return nil
}
