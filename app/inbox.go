// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kith/store"
)

// InboxID is the number of an inbox.
type InboxID uint64

// Inbox is one connected address of a network, such as a WhatsApp number.
type Inbox struct {
	ID        InboxID           `cbor:"-"`
	Kind      string            `cbor:"1,keyasint"`
	Name      string            `cbor:"2,keyasint"`
	Settings  map[string]string `cbor:"3,keyasint"` // secrets among them; sealed at rest, never shown
	CreatedAt Instant           `cbor:"4,keyasint"`
	UpdatedAt Instant           `cbor:"5,keyasint"`
	// Paused says why nothing is sent: the account or token is at fault. nil = working.
	Paused   *Failure `cbor:"6,keyasint,omitempty"`
	PausedAt Instant  `cbor:"7,keyasint,omitempty"`
	// Facts are what the network last told about the inbox ("quality_rating", "GREEN").
	Facts []Field `cbor:"8,keyasint,omitempty"`
	// Address is what the network calls the inbox; empty in inboxes of before it was kept.
	Address string `cbor:"9,keyasint,omitempty"`
}

var (
	inboxes        = store.NewTable[Inbox]("inboxes", func(*Inbox) store.Subject { return store.Nobody })
	inboxAddresses = store.NewLookup("inbox_addresses", listAddresses)
	templates      = store.NewTable[templateList]("templates", func(*templateList) store.Subject { return store.Nobody })
)

// templateList is the approved texts of an inbox, as last fetched.
type templateList struct {
	At        Instant    `cbor:"1,keyasint"`
	Templates []Template `cbor:"2,keyasint"`
}

// NewInbox is what is needed to connect an inbox. Address is what the network calls it (a phone number id): an address
// is connected once.
type NewInbox struct {
	Kind     string
	Name     string
	Address  string
	Settings map[string]string // already checked by the channel
}

// AddInbox connects an inbox.
func (d *Desk) AddInbox(ctx context.Context, actor Actor, n NewInbox) (*Inbox, error) {
	name := strings.TrimSpace(n.Name)
	if name == "" {
		return nil, invalid("name", "problem.inbox_name", "Enter a name for the inbox, such as the number's purpose.")
	}
	if _, ok := d.rules[n.Kind]; !ok {
		return nil, invalid("kind", "problem.inbox_kind", fmt.Sprintf("kith does not know the channel %q.", n.Kind), n.Kind)
	}
	var in *Inbox
	err := d.act(ctx, actor, MayInboxes, AuditInboxAdded, func(tx *store.Tx, e *AuditEvent) error {
		if _, taken, err := inboxAddresses.Get(tx, n.Kind, n.Address); err != nil || taken {
			if err != nil {
				return err
			}
			return conflict("problem.inbox_taken", "This number is already connected. See kith inbox list.")
		}
		now := InstantOf(tx.Now())
		in = &Inbox{
			ID: InboxID(tx.NextID()), Kind: n.Kind, Name: name, Address: n.Address, Settings: maps.Clone(n.Settings),
			CreatedAt: now, UpdatedAt: now,
		}
		e.Object = uint64(in.ID)
		if err := inboxAddresses.Set(tx, n.Kind, n.Address, uint64(in.ID)); err != nil {
			return err
		}
		if err := inboxes.Put(tx, uint64(in.ID), in); err != nil {
			return err
		}
		return emit(tx, Event{Kind: InboxChanged, Inbox: in.ID})
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// SetInboxSettings replaces the named settings of an inbox, such as a token that ran out, and lets it send again.
func (d *Desk) SetInboxSettings(ctx context.Context, actor Actor, id InboxID, changes map[string]string) error {
	defer d.inboxes.forget()
	return d.act(ctx, actor, MayInboxes, AuditInboxChanged, func(tx *store.Tx, e *AuditEvent) error {
		e.Object = uint64(id)
		if g, err := d.grant(tx, actor); err != nil || !g.reaches(id) {
			return cmp.Or(err, inboxMissing())
		}
		return changeInbox(tx, id, func(in *Inbox) bool {
			if in.Settings == nil {
				in.Settings = map[string]string{}
			}
			maps.Copy(in.Settings, changes)
			in.Paused, in.PausedAt = nil, 0
			return true
		})
	})
}

// Inboxes returns every inbox in the order they were connected. Settings hold secrets: callers show none of them.
func (d *Desk) Inboxes(ctx context.Context) ([]Inbox, error) {
	var out []Inbox
	err := d.db.View(ctx, func(tx *store.Tx) error {
		return inboxes.Each(tx, store.Nobody, func(id uint64, in *Inbox) error {
			in.ID = InboxID(id)
			out = append(out, *in)
			return nil
		})
	})
	return out, err
}

// InboxesOf returns the inboxes that the actor sees.
func (d *Desk) InboxesOf(ctx context.Context, a Actor) ([]Inbox, error) {
	g, err := d.ask(ctx, a, MayOwnAccount)
	if err != nil {
		return nil, err
	}
	all, err := d.Inboxes(ctx)
	return slices.DeleteFunc(all, func(in Inbox) bool { return !g.reaches(in.ID) }), err
}

// InboxOf returns the inbox of that number when the actor sees it.
func (d *Desk) InboxOf(ctx context.Context, a Actor, id InboxID) (*Inbox, error) {
	g, err := d.ask(ctx, a, MayOwnAccount)
	if err != nil {
		return nil, err
	}
	if !g.reaches(id) {
		return nil, inboxMissing()
	}
	return d.Inbox(ctx, id)
}

func inboxMissing() error { return missing("problem.inbox_missing", "This inbox does not exist.") }

// Inbox returns the inbox of that number. Its settings are shared: they must not be changed.
func (d *Desk) Inbox(ctx context.Context, id InboxID) (in *Inbox, err error) {
	in, gen := d.inboxes.get(id)
	if in != nil {
		return in, ctx.Err()
	}
	err = d.db.View(ctx, func(tx *store.Tx) error {
		in, err = inboxOf(tx, id)
		return err
	})
	if err == nil {
		d.inboxes.put(*in, gen)
	}
	return in, err
}

// InboxByAddress returns the inbox of a kind that the network calls address.
func (d *Desk) InboxByAddress(ctx context.Context, kind, address string) (in *Inbox, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		id, ok, err := inboxAddresses.Get(tx, kind, address)
		if err != nil {
			return err
		}
		if !ok {
			return missing("problem.inbox_missing", "This inbox does not exist.")
		}
		in, err = inboxOf(tx, InboxID(id))
		return err
	})
	return in, err
}

// PauseInbox stops sending through an inbox because its account or token is at fault; the queue is kept.
func (d *Desk) PauseInbox(ctx context.Context, id InboxID, why Failure) error {
	defer d.inboxes.forget()
	return d.db.Update(ctx, func(tx *store.Tx) error {
		return changeInbox(tx, id, func(in *Inbox) bool {
			in.Paused, in.PausedAt = &why, InstantOf(tx.Now())
			return true
		})
	})
}

// ResumeInbox takes a pause back after the network accepted a call again; facts, when not nil, replace what is known.
func (d *Desk) ResumeInbox(ctx context.Context, id InboxID, facts []Field) error {
	defer d.inboxes.forget()
	return d.db.Update(ctx, func(tx *store.Tx) error {
		return changeInbox(tx, id, func(in *Inbox) bool {
			if in.Paused == nil && facts == nil {
				return false
			}
			in.Paused, in.PausedAt = nil, 0
			if facts != nil {
				in.Facts = facts
			}
			return true
		})
	})
}

// SaveTemplates keeps the approved texts of an inbox as the network lists them.
func (d *Desk) SaveTemplates(ctx context.Context, id InboxID, list []Template) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		if err := templates.Put(tx, uint64(id), &templateList{At: InstantOf(tx.Now()), Templates: list}); err != nil {
			return err
		}
		return emit(tx, Event{Kind: InboxChanged, Inbox: id})
	})
}

// Templates returns the texts of an inbox that may be sent now, and when they were fetched.
func (d *Desk) Templates(ctx context.Context, a Actor, id InboxID) (list []Template, at Instant, err error) {
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		if !g.reaches(id) {
			return inboxMissing()
		}
		t, err := templates.Get(tx, store.Nobody, uint64(id))
		if err != nil {
			return ignoreMissing(err)
		}
		for _, one := range t.Templates {
			if one.Status == "APPROVED" {
				list = append(list, one)
			}
		}
		at = t.At
		return nil
	})
	return list, at, err
}

func inboxOf(tx *store.Tx, id InboxID) (*Inbox, error) {
	in, err := inboxes.Get(tx, store.Nobody, uint64(id))
	if err != nil {
		return nil, found(err, "problem.inbox_missing", "This inbox does not exist.")
	}
	in.ID = id
	return in, nil
}

func changeInbox(tx *store.Tx, id InboxID, change func(*Inbox) bool) error {
	in, err := inboxOf(tx, id)
	if err != nil || !change(in) {
		return err
	}
	in.UpdatedAt = InstantOf(tx.Now())
	if err := inboxes.Put(tx, uint64(id), in); err != nil {
		return err
	}
	return emit(tx, Event{Kind: InboxChanged, Inbox: id})
}
