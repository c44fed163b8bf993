// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Content is something a customer can do in a chat: Text, Media, Location,
// Contact, Reaction, ButtonReply, ListReply, Edit, Revoke, Order, Referral,
// Unsupported, ReplyTo, Forwarded, SharePhone, ChangeNumber.
type Content interface {
	// put fills the webhook's message and the phone's bubble. The lock is held.
	put(w *World, p *person, d *draft) error
}

// draft is a message of a customer while it is being put together.
type draft struct {
	m      *message
	wire   map[string]any
	hidden bool // leaves no bubble of its own
	bare   bool // carries no contacts
	after  func()
}

// Say does what a customer does on the phone, and returns the id of the message
// that the network made of it.
func (w *World) Say(ctx context.Context, customer string, c Content) (string, error) {
	ids, err := w.SayMany(ctx, customer, []Content{c})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// SayMany does several things at once; they arrive in one webhook. When one of
// them cannot be done, none is.
func (w *World) SayMany(ctx context.Context, customer string, cs []Content) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(customer)
	if p == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoCustomer, customer)
	}
	drafts := make([]*draft, len(cs))
	for i, c := range cs {
		d, err := w.draft(p, c)
		if err != nil {
			return nil, err
		}
		drafts[i] = d
	}
	return w.post(p, drafts), nil
}

// draft puts one message together without sending it.
func (w *World) draft(p *person, c Content) (*draft, error) {
	now := w.now()
	id := w.wamid(p.handle(), true)
	d := &draft{
		m:    &message{Bubble: Bubble{ID: id, Mine: true, At: now}},
		wire: map[string]any{"id": id, "timestamp": seconds(now)},
	}
	if p.UserID != "" {
		d.wire["from_user_id"] = p.UserID
	}
	if !p.Private {
		d.wire["from"] = p.Phone
	}
	if err := c.put(w, p, d); err != nil {
		return nil, err
	}
	return d, nil
}

// post shows drafts on the phone and hands them to the network as one change.
func (w *World) post(p *person, drafts []*draft) []string {
	v := w.blank()
	ch := change{field: "messages"}
	ids := make([]string, 0, len(drafts))
	bare := true
	for _, d := range drafts {
		v.Messages = append(v.Messages, d.wire)
		ids = append(ids, d.m.ID)
		if !d.bare {
			bare = false
		}
		if d.after != nil {
			d.after()
		}
		if !d.hidden {
			d.m.body = d.wire
			w.keep(p, d.m)
			ch.mine = append(ch.mine, d.m.ID)
		}
	}
	if !bare {
		v.Contacts = []contactJSON{p.contact(true)}
	}
	ch.value = v
	if p.held = append(p.held, ch); !p.offline {
		w.leave(p)
	}
	w.stir()
	return ids
}

// leave hands what a phone has said to the network. The lock is held.
func (w *World) leave(p *person) {
	for _, ch := range p.held {
		for _, id := range ch.mine {
			if m := w.byID[id]; m != nil {
				m.Ticks = max(m.Ticks, TicksSent)
			}
		}
		if len(ch.value.Contacts) > 0 {
			p.lastIn = w.now()
		}
		w.send(ch)
	}
	p.held = nil
}

// send puts a change on its way. The lock is held.
func (w *World) send(ch change) {
	if w.idle {
		return
	}
	due := w.now().Add(w.delay())
	w.seq++
	ch.group = w.seq
	if !w.chaos.steady() && w.chance(w.chaos.Batch) {
		due = due.Truncate(time.Second).Add(time.Second)
		ch.group = uint64(due.Unix())<<32 | 1<<63
	}
	w.changes.add(due, ch)
	w.stir()
}

// handle is the part of a customer that goes into message ids: the phone
// number, or of a private one what stands behind the country in the user id.
func (c Customer) handle() string {
	if !c.Private && c.Phone != "" {
		return c.Phone
	}
	_, rest, _ := strings.Cut(c.UserID, ".")
	return rest[:min(len(rest), 20)]
}
