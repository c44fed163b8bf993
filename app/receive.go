// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"slices"
	"time"

	"kith/store"
)

// ReachBack is how many days back a reaction, reply, edit or status finds its message: networks allow 30.
const ReachBack = 35

// receiver stores what a network told within one transaction.
type receiver struct {
	tx *store.Tx
	in InboxID
}

// Receive stores all of what one webhook told, in one transaction. When it returns nil everything is on disk; when it
// returns an error nothing is. What was received before is recognised and not stored again.
func (d *Desk) Receive(ctx context.Context, in InboxID, what Inbound) error {
	if what.Empty() {
		return nil
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		return (&receiver{tx: tx, in: in}).all(&what)
	})
}

func (r *receiver) all(what *Inbound) error {
	for _, part := range []func() error{
		func() error { return each(what.Changes, r.change) },
		func() error { return each(what.Messages, r.message) },
		func() error { return each(what.Receipts, r.receipt) },
		func() error { return each(what.Preferences, r.preference) },
		func() error { return each(what.People, r.person) },
		func() error { return each(what.Notices, r.notice) },
		func() error { return each(what.Unreadable, r.unreadable) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func (r *receiver) change(c *IdentityChange) error { return changeIdentity(r.tx, *c) }

func (r *receiver) unreadable(u *Unread) error { return keepUnreadable(r.tx, r.in, *u) }

// each calls fn with every element until one fails.
func each[T any](list []T, fn func(*T) error) error {
	for i := range list {
		if err := fn(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// message stores a message once; one that acts upon an earlier message changes that one.
func (r *receiver) message(m *InboundMessage) error {
	key, _ := r.day(m.At)
	ident := providerKey(r.in, m.ExternalID)
	if dup, err := r.seen(ident, m); dup || err != nil {
		return err
	}
	if m.Action != ActNone && m.Target != "" {
		target, ok, err := r.find(m.Target, m.At)
		if err != nil {
			return err
		}
		if ok {
			return r.act(key, target, m)
		}
	}
	return r.insert(key, ident, m)
}

// act lets the message change its target, once. Its own id leads to no message: news about it is not about the target.
func (r *receiver) act(key store.DayKey, target *Message, m *InboundMessage) error {
	ident := providerKey(r.in, "act:"+m.ExternalID)
	if dup, err := r.seen(ident, m); dup || err != nil {
		return err
	}
	if err := r.applyTo(target, m); err != nil {
		return err
	}
	return r.know(key, ident, m, target.ID)
}

// Networks repeat a message for days, and repeat its time with it. What is older than longAgo and not told as history
// was recorded and is played back: its id is looked for on all days of the last years.
const (
	longAgo  = 90 * 24 * time.Hour
	lookBack = 1500
)

// seen reports whether the message was received before. A message whose time cannot be true is kept under the day it
// came, so its duplicates are looked for on the days before as well.
func (r *receiver) seen(ident string, m *InboundMessage) (bool, error) {
	key, clamped := r.day(m.At)
	if clamped {
		if _, ok, err := providerIDs.Find(r.tx, key.Class, key.Day, 8, ident); ok || err != nil || !r.ahead(m.At) {
			return ok, err
		}
		key.Day = store.DayOf(m.At)
	}
	_, _, ok, err := providerIDs.Get(r.tx, key, ident)
	if ok || err != nil || clamped || m.Past || r.tx.Now().Sub(m.At) < longAgo {
		return ok, err
	}
	_, ok, err = providerIDs.Find(r.tx, key.Class, today(r.tx, key.Class).Day, lookBack, ident)
	return ok, err
}

// know remembers that the message was received. One that came from the near future, because our clock is behind, is
// remembered under its own day as well: once the clock is right, that is where its duplicate is looked for.
func (r *receiver) know(key store.DayKey, ident string, m *InboundMessage, id MessageID) error {
	if err := providerIDs.Set(r.tx, key, ident, id.Group, id.Seq); err != nil {
		return err
	}
	own := r.tx.Living(store.DayKey{Class: key.Class, Day: store.DayOf(m.At)})
	if r.ahead(m.At) && own != key {
		return providerIDs.Set(r.tx, own, ident, id.Group, id.Seq)
	}
	return nil
}

// ahead reports whether the instant is in the future, but not by more than a clock may be wrong unnoticed.
func (r *receiver) ahead(at time.Time) bool {
	now := r.tx.Now()
	return at.After(now) && at.Before(now.AddDate(0, 0, 60))
}

func (r *receiver) insert(key store.DayKey, ident string, m *InboundMessage) error {
	contact, err := resolve(r.tx, m.Person)
	if err != nil {
		return err
	}
	conv, err := conversationFor(r.tx, r.in, contact)
	if err != nil {
		return err
	}
	row, err := r.row(key, &conv, m)
	if err != nil {
		return err
	}
	if err := r.pending(row); err != nil {
		return err
	}
	if err := messages.Put(r.tx, store.Ref(row.ID), row); err != nil {
		return err
	}
	if m.ExternalID != "" {
		if err := r.know(key, ident, m, row.ID); err != nil {
			return err
		}
	}
	if m.Action != ActNone && m.Target != "" {
		if err := awaited.Set(r.tx, key, providerKey(r.in, m.Target), row.ID.Group, row.ID.Seq); err != nil {
			return err
		}
	}
	conv.take(row, m.Past)
	if m.Content.Referral != nil && m.Direction == In {
		conv.FreeEntryAt = row.At
	}
	if err := saveConversation(r.tx, &conv); err != nil {
		return err
	}
	err = emit(r.tx, Event{
		Kind: MessageReceived, Conversation: conv.ID, Contact: conv.Contact, Message: row.ID, Inbox: r.in,
	})
	if err != nil || row.Direction != Out || row.ExternalID == "" {
		return err
	}
	return catchUp(r.tx, r.in, row) // its statuses may have come first
}

// row makes the record of an inbound message and asks for its files.
func (r *receiver) row(key store.DayKey, conv *Conversation, m *InboundMessage) (*Message, error) {
	now := InstantOf(r.tx.Now())
	row := &Message{
		ID:      MessageID{DayKey: key, Group: uint64(conv.ID), Seq: r.tx.NextID()},
		Contact: conv.Contact, Direction: m.Direction, Type: m.Type, Status: m.Status, Origin: m.Origin,
		At: r.instant(m.At), CreatedAt: now, ExternalID: m.ExternalID, Content: m.Content,
		Forwarded: m.Forwarded, ReplyToID: m.ReplyTo, Target: m.Target,
	}
	if row.Origin == 0 {
		row.Origin = FromCustomer
	}
	if m.ReplyTo != "" {
		if quoted, ok, err := r.find(m.ReplyTo, m.At); err != nil {
			return nil, err
		} else if ok && quoted.ID.Group == row.ID.Group {
			row.ReplyTo = quoted.ID
		}
	}
	for i, f := range m.Media {
		row.Attachments = append(row.Attachments, Attachment{
			Name: f.Name, MIME: f.MIME, State: AttachmentWaiting, Provider: f.ProviderID, Voice: f.Voice, Animated: f.Animated,
		})
		job := Download{Message: row.ID, Index: i, Inbox: r.in, Contact: conv.Contact, Expect: f.SHA256}
		if _, err := downloads.Push(r.tx, r.tx.Now(), &job); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// take brings the conversation up to date with a new message. Past messages wake nobody.
func (c *Conversation) take(m *Message, past bool) {
	c.addDay(m.ID.DayKey)
	if c.Order == 0 || !past {
		c.Order = m.ID.Seq
	}
	if m.At >= c.LastAt || c.LastSeq == 0 {
		c.LastAt, c.LastSeq, c.LastDay = m.At, m.ID.Seq, packDay(m.ID.DayKey)
		if m.Direction != Note && m.Type != TypeSystem {
			c.NeedsReply = m.Direction == In && !past
		}
	}
	if m.Direction != In || past {
		return
	}
	c.Unread++
	if m.Type == TypeSystem {
		return
	}
	c.Status = Open
	c.InboundAt = max(c.InboundAt, min(m.At, m.CreatedAt))
}

// day is the day of a network's instant; clamped says that the instant cannot be true and today stands in for it.
func (r *receiver) day(at time.Time) (key store.DayKey, clamped bool) {
	now := r.tx.Now()
	if at.Year() < 2009 || at.After(now.Add(24*time.Hour)) {
		return today(r.tx, store.Default), true
	}
	return r.tx.Living(store.DayKey{Class: store.Default, Day: store.DayOf(at)}), false
}

// instant is a network's instant, or now when that cannot be true: a message from the far future would stay the newest
// of its conversation, and keep the reply window open, for years.
func (r *receiver) instant(at time.Time) Instant {
	if _, clamped := r.day(at); clamped {
		return InstantOf(r.tx.Now())
	}
	return InstantOf(at)
}

// find returns the message with an external id that is at most ReachBack days older than at.
func (r *receiver) find(external string, at time.Time) (*Message, bool, error) {
	key, _ := r.day(at)
	ref, ok, err := providerIDs.Find(r.tx, key.Class, key.Day+1, ReachBack, providerKey(r.in, external))
	if err != nil || !ok {
		return nil, false, err
	}
	m, err := messageOf(r.tx, MessageID(ref))
	if err != nil {
		return nil, false, ignoreMissing(err)
	}
	return m, true, nil
}

// applyTo lets a reaction, edit or deletion change its message.
func (r *receiver) applyTo(target *Message, m *InboundMessage) error {
	at := r.instant(m.At)
	target.apply(m.Action, m.Content.Text, at, m.Direction)
	if err := changeMessage(r.tx, target, r.in); err != nil {
		return err
	}
	if m.Action != ActReact || m.Direction != In {
		return nil
	}
	conv, err := conversationOf(r.tx, target.ID.Conversation())
	if err != nil {
		return ignoreMissing(err)
	}
	if !m.Past { // a reaction is a user's message to the network's window
		conv.InboundAt = max(conv.InboundAt, min(at, InstantOf(r.tx.Now())))
	}
	return saveConversation(r.tx, &conv)
}

func (m *Message) apply(a Action, text string, at Instant, by Direction) {
	switch a {
	case ActReact:
		m.react(Reaction{Emoji: text, At: at}, by == In)
	case ActEdit:
		m.edit(text, at)
	case ActRevoke:
		m.RevokedAt = at
	case ActNone:
	}
}

// edit gives the message a newer text and keeps the one before. News that was overtaken by a later edit only adds to the
// earlier texts.
func (m *Message) edit(text string, at Instant) {
	old := Version{Text: m.Content.Text, At: max(m.At, m.EditedAt)}
	if at < m.EditedAt {
		old = Version{Text: text, At: at}
	} else {
		m.Content.Text, m.EditedAt = text, at
	}
	m.Versions = append(m.Versions, old)
	slices.SortStableFunc(m.Versions, func(a, b Version) int { return cmp.Compare(a.At, b.At) })
}

// react keeps one reaction per side: a new one replaces the old one, an empty one removes it. What the customer did
// before the newest that is known changes nothing any more.
func (m *Message) react(n Reaction, customer bool) {
	if customer {
		if n.At < m.ReactedAt {
			return
		}
		m.ReactedAt = n.At
	}
	kept := m.Reactions[:0:0]
	for _, old := range m.Reactions {
		if (old.Agent == 0) != customer {
			kept = append(kept, old)
		}
	}
	if n.Emoji != "" {
		kept = append(kept, n)
	}
	m.Reactions = kept
}

// pending applies the reaction, edit or deletion that came before its message.
func (r *receiver) pending(row *Message) error {
	if row.ExternalID == "" {
		return nil
	}
	ref, ok, err := awaited.Find(r.tx, row.ID.Class, row.ID.Day+1, 3, providerKey(r.in, row.ExternalID))
	if err != nil || !ok {
		return err
	}
	early, err := messageOf(r.tx, MessageID(ref))
	if err != nil {
		return ignoreMissing(err)
	}
	action := map[MessageType]Action{TypeReaction: ActReact, TypeEdit: ActEdit, TypeRevoke: ActRevoke}[early.Type]
	row.apply(action, early.Content.Text, early.At, early.Direction)
	return nil
}

// preference records a wish about marketing on the contact and says so in the thread.
func (r *receiver) preference(p *Preference) error {
	c, err := resolve(r.tx, p.Person)
	if err != nil {
		return err
	}
	at := r.instant(p.At)
	if at < c.Consent.MarketingChangedAt || (at == c.Consent.MarketingChangedAt && c.Consent.MarketingStopped == p.Stop) {
		return nil // older than what is known, or the same again
	}
	c.Consent = Consent{MarketingStopped: p.Stop, MarketingChangedAt: at, Evidence: p.Detail}
	c.UpdatedAt = InstantOf(r.tx.Now())
	if err := saveContact(r.tx, c); err != nil {
		return err
	}
	what := "marketing_resumed"
	if p.Stop {
		what = "marketing_stopped"
	}
	return r.message(&InboundMessage{
		ExternalID: "preference:" + what + ":" + p.At.UTC().Format(time.RFC3339) + ":" + first(p.Person.Identities),
		Person:     p.Person, Direction: In, At: p.At, Type: TypeSystem,
		Content: Content{System: what, Detail: p.Detail},
	})
}

func first(ids []Identity) string {
	if len(ids) == 0 {
		return ""
	}
	return string(ids[0].Kind) + ":" + ids[0].Value
}

// person updates the name of somebody who is a contact already; strangers of the phone's address book stay out.
func (r *receiver) person(p *Person) error {
	for _, id := range p.Identities {
		_, ok, err := identities.Get(r.tx, string(id.Kind), id.Value)
		if err != nil {
			return err
		}
		if ok {
			_, err := resolve(r.tx, *p)
			return err
		}
	}
	return nil
}
