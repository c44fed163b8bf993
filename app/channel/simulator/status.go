// SPDX-License-Identifier: Apache-2.0

package simulator

import "time"

// The way of a message to a phone: accepted, sent, delivered when the phone is
// online, read when somebody looks. Each step is an event of its own, so that
// phones can go away in between.

// settling is how long a calm network takes from the answer to the first status.
const settling = 20 * time.Millisecond

// accepted starts a message on its way. The lock is held.
func (w *World) accepted(m *message) {
	w.keep(m.owner, m)
	if m.owner != nil {
		m.owner.typing = time.Time{}
	}
	w.soon(func() { w.sent(m) })
	w.stir()
}

// soon makes something happen after a network delay.
func (w *World) soon(do func()) {
	w.later.add(w.now().Add(max(w.delay()/2, settling)), do)
}

func (w *World) sent(m *message) {
	if m.fails != 0 {
		m.rank = rankFailed
		w.status(m, "failed")
		return
	}
	if m.silent {
		return
	}
	m.rank = rankSent
	w.status(m, "sent")
	w.soon(func() { w.arrive(m) })
}

// arrive brings a sent message to the phone, unless it is offline. Of a
// reaction the network tells only that it was sent.
func (w *World) arrive(m *message) {
	p := m.owner
	if m.rank != rankSent || m.Kind == "reaction" || p == nil || p.offline {
		return
	}
	m.rank = rankDelivered
	reads := p.looking > 0 || w.chance(w.chaos.AutoRead)
	if !reads || !w.chance(w.chaos.SkipDelivered) {
		w.status(m, "delivered")
	}
	if reads {
		w.soon(func() { w.seen(m) })
	}
	w.stir()
}

func (w *World) seen(m *message) {
	if m.rank == rankDelivered {
		m.rank = rankRead
		w.status(m, "read")
		w.stir()
	}
}

// Read marks every message on a customer's phone as read.
func (w *World) Read(customer string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.person(customer); p != nil {
		w.readAll(p)
	}
}

func (w *World) readAll(p *person) {
	if p.offline {
		return
	}
	for _, m := range p.thread {
		if !m.Mine {
			w.seen(m)
		}
	}
}

// Look says that somebody has a customer's phone open: what arrives is read.
// The returned function puts the phone away.
func (w *World) Look(customer string) (away func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(customer)
	if p == nil {
		return func() {}
	}
	p.looking++
	w.readAll(p)
	done := false
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !done {
			done = true
			p.looking--
		}
	}
}

// Play tells that a customer listened to a voice message.
func (w *World) Play(customer, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.byID[id]
	p := w.person(customer)
	if p == nil || m == nil || m.owner != p || m.Mine || m.Media == nil || !m.Media.Voice || !m.onPhone() {
		return ErrNoMessage
	}
	w.seen(m)
	if m.rank == rankRead {
		m.rank = rankPlayed
		w.status(m, "played")
	}
	return nil
}

// SetOffline takes a phone off the network, or puts it back: what waited on
// either side is delivered then.
func (w *World) SetOffline(customer string, offline bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(customer)
	if p == nil {
		return
	}
	p.offline = offline
	if !offline {
		w.leave(p)
		for _, m := range p.thread {
			if m.rank == rankSent && !m.Mine {
				w.arrive(m)
			}
		}
		if p.looking > 0 {
			w.readAll(p)
		}
	}
	w.stir()
}

// status tells the business of a step. The price is in "sent" and in the first
// of "delivered" and "read".
func (w *World) status(m *message, word string) {
	s := statusJSON{ID: m.ID, Status: word, Timestamp: seconds(w.now()), Opaque: m.opaque}
	v := w.blank()
	failed := word == "failed"
	switch p := m.owner; {
	case p != nil && !failed:
		s.RecipientID, s.RecipientUserID = p.waID(), p.UserID
		v.Contacts = []contactJSON{p.contact(word != "sent")}
	case m.byUserID: // a failure repeats what the business wrote, and no more
		s.RecipientUserID = m.input
	default:
		s.RecipientID = m.input
	}
	switch {
	case failed:
		s.Errors = []errorJSON{failure(m.fails, "", help)}
	case word == "sent" || m.priced < 2 && word != "played":
		m.priced++
		if word != "sent" {
			m.priced = 2
		}
		s.Pricing = &pricingJSON{Billable: m.pricing == "regular", Model: "PMP", Type: m.pricing, Category: m.category}
	}
	v.Statuses = []statusJSON{s}
	w.send(change{field: "messages", value: v})
}
