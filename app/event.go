// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	"kith/store"
)

// EventKind says what happened.
type EventKind uint16

// Every event. Their numbers are stored: append only.
const (
	MessageReceived     EventKind = iota + 1 // an inbound message is there
	MessageQueued                            // an agent, key or rule wrote one
	MessageChanged                           // status, attachment, reaction, edit or deletion
	ConversationOpened                       // a first message made it
	ConversationChanged                      // status, assignee, labels, read
	ContactChanged
	InboxChanged
	NoticeAdded
	UnreadableAdded
)

// Event says that something happened to which record. It holds numbers only, never what a person wrote or is called.
type Event struct {
	Seq          uint64
	Kind         EventKind
	Conversation ConversationID
	Contact      ContactID
	Message      MessageID
	Inbox        InboxID
}

var events = store.NewLog("events")

// emit appends the event to the log in the transaction of its cause.
func emit(tx *store.Tx, e Event) error {
	_, err := events.Append(tx, store.Entry{
		Kind: uint16(e.Kind),
		A:    uint64(e.Conversation),
		B:    e.Message.Seq,
		C:    uint64(e.Contact)<<32 | uint64(packDay(e.Message.DayKey)),
		D:    uint64(e.Inbox),
	})
	return err
}

func eventOf(e store.Entry) Event {
	ev := Event{
		Seq: e.Seq, Kind: EventKind(e.Kind), Conversation: ConversationID(e.A),
		Contact: ContactID(e.C >> 32), Inbox: InboxID(e.D),
	}
	if e.B != 0 {
		ev.Message = MessageID{DayKey: unpackDay(uint32(e.C)), Group: e.A, Seq: e.B} //nolint:gosec // the low half
	}
	return ev
}

// Events returns up to limit events after seq, oldest first.
func (d *Desk) Events(ctx context.Context, after uint64, limit int) ([]Event, error) {
	var out []Event
	err := d.db.View(ctx, func(tx *store.Tx) error {
		entries, err := events.Read(tx, after, limit)
		for _, e := range entries {
			out = append(out, eventOf(e))
		}
		return err
	})
	return out, err
}

// Sight returns those of the events that the actor may know of.
func (d *Desk) Sight(ctx context.Context, a Actor, list []Event) ([]Event, error) {
	var out []Event
	err := d.db.View(ctx, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		if g.everywhere() && g.May(MaySensitive) {
			out = list
			return nil
		}
		for _, e := range list {
			ok, err := g.hears(tx, e)
			if err != nil {
				return err
			}
			if ok {
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}

func (g *Grant) hears(tx *store.Tx, e Event) (bool, error) {
	switch {
	case e.Conversation != 0:
		c, err := conversationOf(tx, e.Conversation)
		if err != nil {
			return true, ignoreMissing(err) // it is gone: whoever shows it has to know
		}
		return g.sees(&c) || g.reaches(c.Inbox) && !c.Sensitive, nil // it may have left the actor's sight just now
	case e.Contact != 0:
		c, err := contactOf(tx, e.Contact)
		if err != nil {
			return true, ignoreMissing(err)
		}
		return g.knows(tx, c)
	}
	return e.Inbox == 0 || g.reaches(e.Inbox), nil
}

// LastEvent returns the number of the newest event, 0 when there is none.
func (d *Desk) LastEvent(ctx context.Context) (seq uint64, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		seq = events.Last(tx)
		return nil
	})
	return seq, err
}

// Watch returns a channel that is closed after the next commit that emitted an event.
func (d *Desk) Watch() <-chan struct{} { return events.Watch(d.db) }

// packDay and unpackDay keep a day of a class in a number.
func packDay(k store.DayKey) uint32 { return uint32(k.Class)<<16 | uint32(k.Day) }

func unpackDay(n uint32) store.DayKey {
	return store.DayKey{Class: store.Class(n >> 16), Day: store.Day(n)} //nolint:gosec // as packDay made it
}
