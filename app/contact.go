// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"kith/store"
)

// ContactID is the number of a contact; it is the subject of that person's records.
type ContactID = store.Subject

// Contact is a person who writes to the business.
type Contact struct {
	ID         ContactID         `cbor:"-"`
	Name       string            `cbor:"1,keyasint,omitempty"` // chosen by an agent, or told by the network
	Named      bool              `cbor:"2,keyasint,omitempty"` // the name was chosen by an agent; the network may not change it
	Username   string            `cbor:"3,keyasint,omitempty"`
	Identities []Identity        `cbor:"4,keyasint,omitempty"`
	Phones     []string          `cbor:"5,keyasint,omitempty"` // E.164 with +
	Emails     []string          `cbor:"6,keyasint,omitempty"`
	Fields     map[string]string `cbor:"7,keyasint,omitempty"`
	Labels     []string          `cbor:"8,keyasint,omitempty"`
	Consent    Consent           `cbor:"9,keyasint,omitempty"`
	CreatedAt  Instant           `cbor:"10,keyasint"`
	UpdatedAt  Instant           `cbor:"11,keyasint"`
	// Merged lists earlier contacts that turned out to be the same person; MergedInto is set on those.
	Merged     []ContactID `cbor:"12,keyasint,omitempty"`
	MergedInto ContactID   `cbor:"13,keyasint,omitempty"`
	// Former are addresses that the network replaced by others.
	Former []Identity `cbor:"14,keyasint,omitempty"`
	// Sensitive says that only who may see what is sensitive knows of the contact.
	Sensitive bool `cbor:"15,keyasint,omitempty"`
	// Masked says that values of this copy were made unreadable for whoever asked.
	Masked bool `cbor:"-"`
}

// Consent is what the person said about being written to.
type Consent struct {
	MarketingStopped   bool    `cbor:"1,keyasint,omitempty" json:"marketing_stopped"`
	MarketingChangedAt Instant `cbor:"2,keyasint,omitempty" json:"-"`
	Evidence           string  `cbor:"3,keyasint,omitempty" json:"evidence,omitempty"`
}

// DisplayName returns the best name there is: the name, @username, a phone number, or "".
func (c *Contact) DisplayName() string {
	switch {
	case c.Name != "":
		return c.Name
	case c.Username != "":
		return "@" + c.Username
	case len(c.Phones) > 0:
		return c.Phones[0]
	case len(c.Emails) > 0:
		return c.Emails[0]
	}
	return ""
}

// ContactInput is what a person or key says about a contact; nil members stay as they are.
type ContactInput struct {
	Name   *string
	Phones []string
	Emails []string
	Fields map[string]string // merged; an empty value removes the field
	Labels []string
	// Sensitive flags the contact, or takes the flag away, which only who may see what is sensitive may.
	Sensitive *bool
	// Key makes a repeated AddContact harmless: the contact made under the same key by the same actor is returned.
	Key string
}

// ContactQuery selects contacts. Phone and Email match exactly after normalisation, Prefix the beginning of any word of
// the name.
type ContactQuery struct {
	Phone, Email, Prefix string
	After                ContactID
	Limit                int
}

var (
	contacts   = store.NewTable[Contact]("contacts", func(c *Contact) store.Subject { return c.ID })
	identities = store.NewLookup("identities", listIdentities)
	// contactKeys leads from the key of a request to the contact that it made.
	contactKeys = store.NewDayLookup("contact_keys")
)

// AddContact makes a contact. A phone number or e-mail address belongs to one contact.
func (d *Desk) AddContact(ctx context.Context, actor Actor, in ContactInput) (*Contact, error) {
	var c *Contact
	err := d.act(ctx, actor, MayContacts, AuditContactAdded, func(tx *store.Tx, e *AuditEvent) error {
		var err error
		if c, err = addedBefore(tx, actor, in.Key); err != nil || c != nil {
			if c != nil {
				e.Subject = c.ID
			}
			return err
		}
		now := InstantOf(tx.Now())
		c = &Contact{ID: tx.NextSubject(), CreatedAt: now, UpdatedAt: now}
		e.Subject = c.ID
		if err := c.apply(tx, in); err != nil {
			return err
		}
		if c.DisplayName() == "" {
			return invalid("name", "problem.contact_empty", "Give the contact a name, a phone number or an e-mail address.")
		}
		if in.Key != "" {
			if err := contactKeys.Set(tx, today(tx, store.Default), keyOf(actor, 0, in.Key), uint64(c.ID), 1); err != nil {
				return err
			}
		}
		return saveContact(tx, c)
	})
	if err != nil {
		return nil, err
	}
	g, err := d.grantFor(ctx, actor)
	if err != nil {
		return nil, err
	}
	g.masks.contact(c)
	return c, nil
}

// addedBefore returns the contact that was made under the key, nil when there is none.
func addedBefore(tx *store.Tx, a Actor, key string) (*Contact, error) {
	if key == "" {
		return nil, nil //nolint:nilnil // no key, no contact
	}
	ref, ok, err := contactKeys.Find(tx, store.Default, today(tx, store.Default).Day, 2, keyOf(a, 0, key))
	if err != nil || !ok {
		return nil, err
	}
	return contactOf(tx, ContactID(ref.Group)) //nolint:gosec // put there as a subject
}

// ChangeContact changes what in names.
func (d *Desk) ChangeContact(ctx context.Context, actor Actor, id ContactID, in ContactInput) (*Contact, error) {
	var c *Contact
	err := d.act(ctx, actor, MayContacts, AuditContactChanged, func(tx *store.Tx, e *AuditEvent) (err error) {
		if c, err = d.seenContact(tx, actor, id); err != nil {
			return err
		}
		g, err := d.grant(tx, actor)
		if err != nil {
			return err
		}
		e.Subject = c.ID
		if err := g.masks.restore(c, &in); err != nil {
			return err
		}
		if err := c.apply(tx, in); err != nil {
			return err
		}
		if err := g.flag(tx, c, in.Sensitive); err != nil {
			return err
		}
		c.UpdatedAt = InstantOf(tx.Now())
		return saveContact(tx, c)
	})
	if err != nil {
		return nil, err
	}
	g, err := d.grantFor(ctx, actor)
	if err != nil {
		return nil, err
	}
	g.masks.contact(c)
	return c, nil
}

// Contact returns the contact of that number; one that was merged leads to the one it became.
func (d *Desk) Contact(ctx context.Context, a Actor, id ContactID) (c *Contact, err error) {
	err = d.look(ctx, a, MaySeeContacts, func(tx *store.Tx) error {
		if c, err = d.seenContact(tx, a, id); err != nil {
			return err
		}
		return d.mask(tx, a, c)
	})
	if err != nil {
		return nil, err
	}
	return c, d.read(ctx, a, AuditContactRead, c.ID, 0)
}

// ContactName returns what the actor calls the contact, "" when the actor may not know of it. It is for lists, whose
// reading is audited as a whole.
func (d *Desk) ContactName(ctx context.Context, a Actor, id ContactID) (name string, err error) {
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		c, err := d.seenContact(tx, a, id)
		if err != nil {
			return ignoreMissing(err)
		}
		err = d.mask(tx, a, c)
		name = c.DisplayName()
		return err
	})
	return name, err
}

// Contacts returns the contacts that q selects, in the order they came, and whether there are more.
func (d *Desk) Contacts(ctx context.Context, a Actor, q ContactQuery) (list []Contact, more bool, err error) {
	err = d.look(ctx, a, MaySeeContacts, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		switch {
		case q.Phone != "" || q.Email != "":
			list, err = contactsByAddress(tx, q)
			if list, err = g.known(tx, list, err); err != nil {
				return err
			}
		case q.Prefix != "":
			list, more, err = d.contactsByName(tx, g, q)
		default:
			list, more, err = allContacts(tx, g, q)
		}
		for i := range list {
			g.masks.contact(&list[i])
		}
		return err
	})
	if err != nil || len(list) == 0 {
		return nil, false, err
	}
	return list, more, d.read(ctx, a, AuditContactsListed, 0, 0)
}

func allContacts(tx *store.Tx, g *Grant, q ContactQuery) (list []Contact, more bool, err error) {
	err = contacts.Every(tx, q.After, func(s store.Subject, _ uint64, c *Contact) error {
		if c.MergedInto != 0 {
			return nil
		}
		c.ID = s
		if ok, err := g.knows(tx, c); err != nil || !ok {
			return err
		}
		if len(list) == q.Limit {
			more = true
			return store.ErrStop
		}
		list = append(list, *c)
		return nil
	})
	return list, more, err
}

// known leaves those in the list that the actor may know of.
func (g *Grant) known(tx *store.Tx, list []Contact, err error) ([]Contact, error) {
	var out []Contact
	for i := range list {
		ok, bad := g.knows(tx, &list[i])
		if err = errors.Join(err, bad); ok {
			out = append(out, list[i])
		}
	}
	return out, err
}

// apply writes in into c and claims its addresses.
func (c *Contact) apply(tx *store.Tx, in ContactInput) error {
	if in.Name != nil {
		c.Name, c.Named = strings.TrimSpace(*in.Name), strings.TrimSpace(*in.Name) != ""
		if len(c.Name) > 500 {
			return invalid("name", "problem.name_long", "A name may have at most 500 bytes.")
		}
	}
	if in.Labels != nil {
		c.Labels = cleanList(in.Labels)
	}
	for k, v := range in.Fields {
		if c.Fields == nil {
			c.Fields = map[string]string{}
		}
		if c.Fields[k] = v; v == "" {
			delete(c.Fields, k)
		}
	}
	if in.Phones != nil {
		if err := c.setAddresses(tx, IdentityPhone, in.Phones, "phones", NormalPhone, &c.Phones); err != nil {
			return err
		}
	}
	if in.Emails == nil {
		return nil
	}
	return c.setAddresses(tx, IdentityEmail, in.Emails, "emails", NormalEmail, &c.Emails)
}

// setAddresses replaces the contact's addresses of a kind.
func (c *Contact) setAddresses(tx *store.Tx, kind IdentityKind, values []string, field string,
	normal func(string) (string, error), list *[]string,
) error {
	var next []string
	for _, v := range values {
		n, err := normal(v)
		if err != nil {
			return ofField(err, field)
		}
		owner, taken, err := identities.Get(tx, string(kind), n)
		if err != nil {
			return err
		}
		if taken && ContactID(owner) != c.ID { //nolint:gosec // put there as a subject
			return &Problem{
				Kind: ErrConflict, Field: field, Key: "problem.address_taken",
				Text: "Another contact already has this " + string(kind) + ". Change or merge that contact.",
			}
		}
		if !slices.Contains(next, n) {
			next = append(next, n)
		}
	}
	for _, old := range *list {
		if !slices.Contains(next, old) {
			if err := c.drop(tx, Identity{kind, old}); err != nil {
				return err
			}
		}
	}
	for _, n := range next {
		if err := c.claim(tx, Identity{kind, n}); err != nil {
			return err
		}
	}
	*list = next
	return nil
}

// ofField says that a value of the list of that name is wrong.
func ofField(err error, field string) error {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		return err
	}
	own := *p
	own.Field = field
	return &own
}

func (d *Desk) contactsByName(tx *store.Tx, g *Grant, q ContactQuery) (list []Contact, more bool, err error) {
	err = d.names.find(tx, q.Prefix, q.After, func(id ContactID) (bool, error) {
		c, err := contacts.Get(tx, id, 0)
		if err != nil {
			return true, ignoreMissing(err) // erased meanwhile
		}
		c.ID = id
		if ok, err := g.knows(tx, c); err != nil || !ok || g.masks.hides(c, q.Prefix) {
			return true, err
		}
		if more = len(list) == q.Limit; more {
			return false, nil
		}
		list = append(list, *c)
		return true, nil
	})
	return list, more, err
}

func contactsByAddress(tx *store.Tx, q ContactQuery) ([]Contact, error) {
	kind, value := IdentityPhone, "+"+digits(q.Phone)
	if q.Phone == "" {
		kind, value = IdentityEmail, strings.ToLower(strings.TrimSpace(q.Email))
	}
	id, ok, err := identities.Get(tx, string(kind), value)
	if err == nil && !ok && q.Phone != "" {
		id, ok, err = identities.Get(tx, string(IdentityWaID), digits(q.Phone))
	}
	if err != nil || !ok {
		return nil, err
	}
	c, err := contactOf(tx, ContactID(id)) //nolint:gosec // put there as a subject
	if err != nil {
		return nil, ignoreMissing(err)
	}
	return []Contact{*c}, nil
}

// contactOf reads a contact and follows merges.
func contactOf(tx *store.Tx, id ContactID) (*Contact, error) {
	for range 8 {
		c, err := contacts.Get(tx, id, 0)
		if err != nil {
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) {
				err = contactMissing()
			}
			return nil, err
		}
		if c.ID = id; c.MergedInto == 0 {
			return c, nil
		}
		id = c.MergedInto
	}
	return nil, contactMissing()
}

func contactMissing() error {
	return missing("problem.contact_missing", "This contact does not exist or was deleted.")
}

func saveContact(tx *store.Tx, c *Contact) error {
	if err := contacts.Put(tx, 0, c); err != nil {
		return err
	}
	return emit(tx, Event{Kind: ContactChanged, Contact: c.ID})
}

// cleanList trims, drops empties and duplicates.
func cleanList(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
