// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"time"

	"kith/store"
)

// JobKind says what the outbox is to do.
type JobKind uint8

// The kinds of job. Their numbers are stored.
const (
	JobSend  JobKind = iota + 1 // send the message
	JobRead                     // tell the network that the message was seen
	JobReact                    // send our reaction to the message
)

// Job is an entry of the outbox: numbers only. Jobs of one conversation are worked in the order they were made: only
// the first is due, the others wait until it is settled.
type Job struct {
	ID      uint64    `cbor:"-"`
	Kind    JobKind   `cbor:"1,keyasint"`
	Message MessageID `cbor:"2,keyasint"`
	Contact ContactID `cbor:"3,keyasint"`
	Inbox   InboxID   `cbor:"4,keyasint"`
	// Started is when an attempt was written down before it was made; 0 between attempts.
	Started Instant `cbor:"5,keyasint,omitempty"`
	Tries   int     `cbor:"6,keyasint,omitempty"`
}

// Conversation returns the conversation of the job.
func (j *Job) Conversation() ConversationID { return j.Message.Conversation() }

var (
	outbox = store.NewQueue[Job]("outbox", func(j *Job) store.Subject { return j.Contact })
	// outboxOrder holds the jobs of each conversation: (conversation, job) -> job.
	outboxOrder = store.NewOrdered("outbox_order")
)

// waiting is the due time of a job behind another one of its conversation.
var waiting = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// pushJob adds a job behind the others of its conversation.
func pushJob(tx *store.Tx, j *Job) error {
	due := tx.Now()
	err := outboxOrder.Scan(tx, []uint64{uint64(j.Conversation())}, 0, func([]uint64, uint64) error {
		due = waiting
		return store.ErrStop
	})
	if err != nil {
		return err
	}
	id, err := outbox.Push(tx, due, j)
	if err != nil {
		return err
	}
	return outboxOrder.Put(tx, []uint64{uint64(j.Conversation()), id}, id)
}

// dropJob removes a job and lets the next of its conversation come.
func dropJob(tx *store.Tx, conv ConversationID, id uint64) error {
	if err := ignoreMissing(outbox.Delete(tx, id)); err != nil {
		return err
	}
	if err := outboxOrder.Delete(tx, []uint64{uint64(conv), id}); err != nil {
		return err
	}
	var next uint64
	err := outboxOrder.Scan(tx, []uint64{uint64(conv)}, 0, func(_ []uint64, v uint64) error {
		next = v
		return store.ErrStop
	})
	if err != nil || next == 0 {
		return err
	}
	item, err := outbox.Get(tx, next)
	if err != nil {
		return ignoreMissing(err)
	}
	if item.Due.Equal(waiting) {
		item.Due = tx.Now()
		return outbox.Save(tx, item)
	}
	return nil
}

// settleJob removes the sending job of a message that needs no further attempt.
func settleJob(tx *store.Tx, m *Message) error {
	if m.Status == StatusQueued || m.Status == StatusSending {
		return nil
	}
	var mine uint64
	err := outboxOrder.Scan(tx, []uint64{m.ID.Group}, 0, func(_ []uint64, id uint64) error {
		item, err := outbox.Get(tx, id)
		if err != nil {
			return ignoreMissing(err)
		}
		if item.Job.Kind == JobSend && item.Job.Message == m.ID {
			mine = id
			return store.ErrStop
		}
		return nil
	})
	if err != nil || mine == 0 {
		return err
	}
	return dropJob(tx, m.ID.Conversation(), mine)
}

// DueJobs returns up to limit jobs that are due now, and when the next one will be.
func (d *Desk) DueJobs(ctx context.Context, limit int) (due []Job, next time.Time, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		items, err := outbox.Due(tx, tx.Now(), limit)
		for _, it := range items {
			it.Job.ID = it.ID
			due = append(due, it.Job)
		}
		if at, ok := outbox.Next(tx); ok {
			next = at
		}
		return err
	})
	return due, next, err
}

// OutboxWake returns a channel that is closed after the next commit that changed the outbox.
func (d *Desk) OutboxWake() <-chan struct{} { return outbox.Wake(d.db) }

// OutboxLen returns how many jobs wait.
func (d *Desk) OutboxLen(ctx context.Context) (n int, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		n = outbox.Len(tx)
		return nil
	})
	return n, err
}

// Attempt is all that is needed to make one attempt; it was written down before it is handed out.
type Attempt struct {
	Job     Job
	Inbox   Inbox
	To      []Identity
	Message Message
	React   string // our emoji, for JobReact
}

// ErrNoAttempt says that a job needs no attempt any more; the outbox has moved on.
var ErrNoAttempt = errors.New("no attempt is needed")

// StartAttempt writes down that an attempt is made, on disk, before it is made. It returns ErrNoAttempt when the job is
// gone, was cancelled, or may not be sent any more (its message then says why).
func (d *Desk) StartAttempt(ctx context.Context, id uint64) (*Attempt, error) {
	var at *Attempt
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		item, err := outbox.Get(tx, id)
		if err != nil {
			return ignoreMissing(err)
		}
		if item.Job.Started != 0 {
			return nil // another attempt is under way
		}
		ready, err := d.prepare(tx, &item.Job)
		if err != nil {
			return err
		}
		if ready == nil {
			return dropJob(tx, item.Job.Conversation(), id)
		}
		item.Job.Started, item.Job.Tries = InstantOf(tx.Now()), item.Job.Tries+1
		item.Due = waiting.Add(time.Second)
		if err := outbox.Save(tx, item); err != nil {
			return err
		}
		item.Job.ID = id
		ready.Job, at = item.Job, ready
		if item.Job.Kind != JobSend {
			return nil
		}
		at.Message.Status = StatusSending
		return changeMessage(tx, &at.Message, item.Job.Inbox)
	})
	if err != nil {
		return nil, err
	}
	if at == nil {
		return nil, ErrNoAttempt
	}
	return at, nil
}

// prepare reads what an attempt needs; nil means that none is to be made.
func (d *Desk) prepare(tx *store.Tx, j *Job) (*Attempt, error) {
	m, err := messageOf(tx, j.Message)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	conv, err := conversationOf(tx, j.Conversation())
	if err != nil {
		return nil, ignoreMissing(err)
	}
	in, err := inboxOf(tx, j.Inbox)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	contact, err := contactOf(tx, j.Contact)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	at := &Attempt{Inbox: *in, To: contact.Identities, Message: *m}
	switch j.Kind {
	case JobSend:
		if m.Status != StatusQueued {
			return nil, nil //nolint:nilnil // nothing to attempt
		}
		if m.Type == TypeTemplate || d.open(in.Kind, &conv, tx.Now()) {
			return at, nil
		}
		m.Status = StatusFailed
		m.Failure = &Failure{Title: "The reply window closed before the message was sent.", Advice: "advice.template"}
		if err := markFailed(tx, m); err != nil {
			return nil, err
		}
		return nil, changeMessage(tx, m, j.Inbox)
	case JobReact:
		for _, r := range m.Reactions {
			if r.Agent != 0 {
				at.React = r.Emoji
			}
		}
	case JobRead:
	}
	return at, nil
}

// Outcome is how an attempt ended. Exactly one of Sent, Again, Unknown and Failed is meant; Failed when none is set.
type Outcome struct {
	Sent       bool
	ExternalID string
	Recipient  []Identity // addresses that the network told about the recipient
	Again      time.Time  // try again then
	Unknown    bool       // the network may or may not have taken it
	Failure    *Failure
	// Uncounted says that the attempt failed for no reason of the message's own: too fast, or the account is blocked.
	Uncounted bool
}

// Settle writes down how an attempt ended.
func (d *Desk) Settle(ctx context.Context, j Job, o Outcome) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		if j.Kind != JobSend {
			return settleCourtesy(tx, &j, &o)
		}
		m, err := messageOf(tx, j.Message)
		if err != nil {
			return errors.Join(ignoreMissing(err), dropJob(tx, j.Conversation(), j.ID))
		}
		// A failure that was told meanwhile of another attempt does not undo that this one got through.
		another := o.Sent && m.Status == StatusFailed && m.ExternalID != o.ExternalID
		if m.Status != StatusSending && !another {
			return dropJob(tx, j.Conversation(), j.ID) // a status of the network was quicker
		}
		return settleSend(tx, &j, m, &o)
	})
}

func settleSend(tx *store.Tx, j *Job, m *Message, o *Outcome) error {
	m.Failure = o.Failure
	switch {
	case o.Sent:
		m.Status, m.ExternalID, m.Failure = StatusSent, o.ExternalID, nil
		if err := providerIDs.Set(tx, m.ID.DayKey, providerKey(j.Inbox, m.ExternalID), m.ID.Group, m.ID.Seq); err != nil {
			return err
		}
		if err := learnRecipient(tx, j.Contact, o.Recipient); err != nil {
			return err
		}
	case !o.Again.IsZero():
		m.Status = StatusQueued
		if err := again(tx, j, o); err != nil {
			return err
		}
	case o.Unknown:
		m.Status = StatusUnknown
	default:
		m.Status = StatusFailed
	}
	if m.Status != StatusQueued {
		if err := dropJob(tx, j.Conversation(), j.ID); err != nil {
			return err
		}
	}
	if err := markFailed(tx, m); err != nil {
		return err
	}
	if err := changeMessage(tx, m, j.Inbox); err != nil {
		return err
	}
	if o.Sent {
		return catchUp(tx, j.Inbox, m)
	}
	return nil
}

// settleCourtesy ends a job that is no message: it is repeated while the network asks for that, and then let go.
func settleCourtesy(tx *store.Tx, j *Job, o *Outcome) error {
	if !o.Again.IsZero() && !o.Sent {
		return again(tx, j, o)
	}
	return dropJob(tx, j.Conversation(), j.ID)
}

func again(tx *store.Tx, j *Job, o *Outcome) error {
	item, err := outbox.Get(tx, j.ID)
	if err != nil {
		return ignoreMissing(err)
	}
	item.Job.Started, item.Due = 0, o.Again
	if o.Uncounted {
		item.Job.Tries--
	}
	return outbox.Save(tx, item)
}

// Postpone puts a job off that was not attempted, for pacing or because its inbox is paused.
func (d *Desk) Postpone(ctx context.Context, id uint64, until time.Time) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		item, err := outbox.Get(tx, id)
		if err != nil || item.Job.Started != 0 {
			return ignoreMissing(err) // gone, or under way
		}
		item.Due = until
		return outbox.Save(tx, item)
	})
}

// RecoverOutbox settles the attempts that were under way when the server stopped: whether the network took those
// messages is unknown, so they are not sent again by themselves. It is called once, before delivery starts.
func (d *Desk) RecoverOutbox(ctx context.Context) (unknown int, err error) {
	var open []Job
	err = d.db.View(ctx, func(tx *store.Tx) error {
		return outbox.Each(tx, func(it store.Item[Job]) error {
			if it.Job.Started != 0 {
				it.Job.ID = it.ID
				open = append(open, it.Job)
			}
			return nil
		})
	})
	for _, j := range open {
		o := Outcome{Unknown: true, Failure: &Failure{
			Title: "The server stopped while the message was being sent.", Advice: "advice.unknown",
		}}
		if serr := d.Settle(ctx, j, o); serr != nil {
			err = errors.Join(err, serr) // the others are settled all the same
			continue
		}
		unknown++
	}
	return unknown, err
}

// learnRecipient adds addresses that the network told in its answer.
func learnRecipient(tx *store.Tx, id ContactID, ids []Identity) error {
	if len(ids) == 0 {
		return nil
	}
	c, err := contactOf(tx, id)
	if err != nil {
		return ignoreMissing(err)
	}
	before := len(c.Identities)
	for _, one := range ids {
		owner, taken, err := identities.Get(tx, string(one.Kind), one.Value)
		if err != nil {
			return err
		}
		if taken && ContactID(owner) != c.ID { //nolint:gosec // put there as a subject
			continue
		}
		if _, err := c.learn(tx, Person{Identities: []Identity{one}}); err != nil {
			return err
		}
	}
	if len(c.Identities) == before {
		return nil
	}
	return saveContact(tx, c)
}
