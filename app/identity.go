// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"slices"
	"strings"

	"kith/store"
)

// NormalPhone returns the number in E.164 with a leading +. Spaces, dots, dashes and brackets are dropped.
func NormalPhone(s string) (string, error) {
	n := digits(s)
	if len(n) < 6 || len(n) > 15 || strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("+0123456789 ().-/\u00a0", r)
	}) {
		return "", invalid("phone", "problem.phone",
			"Enter the phone number with its country code, such as +62 812 3456 7890.")
	}
	return "+" + n, nil
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// claim makes the identity lead to c.
func (c *Contact) claim(tx *store.Tx, id Identity) error {
	if !slices.Contains(c.Identities, id) {
		c.Identities = append(c.Identities, id)
	}
	return identities.Set(tx, string(id.Kind), id.Value, uint64(c.ID))
}

// drop takes an identity away from c.
func (c *Contact) drop(tx *store.Tx, id Identity) error {
	c.Identities = slices.DeleteFunc(c.Identities, func(x Identity) bool { return x == id })
	return identities.Delete(tx, string(id.Kind), id.Value)
}

// resolve returns the contact that the network's person is, making or merging contacts as the identities tell
// (PROTOCOLS 1.3). changed says that the card differs from what is stored.
func resolve(tx *store.Tx, p Person) (*Contact, error) {
	var c *Contact
	var last uint64
	for _, id := range p.Identities {
		if id.Kind == IdentityUsername {
			continue // a username may pass to another person; it names, it does not identify
		}
		n, ok, err := identities.Get(tx, string(id.Kind), id.Value)
		if err != nil {
			return nil, err
		}
		if !ok || (c != nil && n == last) {
			continue // a stranger's address, or one more of the same contact's
		}
		last = n
		other, err := contactOf(tx, ContactID(n)) //nolint:gosec // put there as a subject
		switch {
		case errors.Is(err, ErrNotFound):
			continue // erased: the person is new to us
		case err != nil:
			return nil, err
		case other.passedOn(id, p):
			continue
		case c == nil:
			c = other
		case other.ID != c.ID:
			if c, err = merge(tx, c, other); err != nil {
				return nil, err
			}
		}
	}
	fresh := c == nil
	if fresh {
		c = &Contact{ID: tx.NextSubject(), CreatedAt: InstantOf(tx.Now())}
	}
	changed, err := c.learn(tx, p)
	if err != nil || (!changed && !fresh) {
		return c, err
	}
	c.UpdatedAt = InstantOf(tx.Now())
	return c, saveContact(tx, c)
}

// learn takes over what the network tells: identities, username, and the name unless an agent chose one.
func (c *Contact) learn(tx *store.Tx, p Person) (changed bool, err error) {
	for _, id := range p.Identities {
		if id.Value == "" || slices.Contains(c.Identities, id) || slices.Contains(c.Former, id) {
			continue
		}
		if err := c.claim(tx, id); err != nil {
			return false, err
		}
		if id.Kind == IdentityPhone && !slices.Contains(c.Phones, id.Value) {
			c.Phones = append(c.Phones, id.Value)
		}
		changed = true
	}
	if p.Username != "" && p.Username != c.Username {
		c.Username, changed = p.Username, true
	}
	if p.Name != "" && !c.Named && p.Name != c.Name {
		c.Name, changed = p.Name, true
	}
	return changed, nil
}

// merge makes the older of two contacts that are one person stand for both. Records sealed for the other stay where
// they are and are found through Merged.
func merge(tx *store.Tx, a, b *Contact) (*Contact, error) {
	if b.ID < a.ID {
		a, b = b, a
	}
	for _, id := range b.Identities {
		if err := a.claim(tx, id); err != nil {
			return nil, err
		}
	}
	a.Phones, a.Emails = cleanList(append(a.Phones, b.Phones...)), cleanList(append(a.Emails, b.Emails...))
	a.Labels = cleanList(append(a.Labels, b.Labels...))
	for k, v := range b.Fields {
		if _, has := a.Fields[k]; !has {
			if a.Fields == nil {
				a.Fields = map[string]string{}
			}
			a.Fields[k] = v
		}
	}
	if a.Name == "" || (b.Named && !a.Named) {
		a.Name, a.Named = b.Name, b.Named
	}
	if b.Consent.MarketingStopped {
		a.Consent = b.Consent
	}
	a.Merged = append(append(a.Merged, b.ID), b.Merged...)
	b.MergedInto = a.ID
	if a.Sensitive = a.Sensitive || b.Sensitive; a.Sensitive {
		if err := flagConversations(tx, a); err != nil {
			return nil, err
		}
	}
	if err := saveContact(tx, b); err != nil {
		return nil, err
	}
	return a, saveContact(tx, a)
}

// changeIdentity follows a person to a new address. The old one still finds late news of the same person, until
// somebody else turns up with it.
func changeIdentity(tx *store.Tx, ch IdentityChange) error {
	c, err := owner(tx, ch.Old)
	if err != nil || c == nil {
		return err // nobody we know
	}
	if other, err := owner(tx, ch.New); err != nil {
		return err
	} else if other != nil && other.ID != c.ID {
		if c, err = merge(tx, c, other); err != nil {
			return err
		}
	}
	if !slices.Contains(c.Identities, ch.Old) && slices.Contains(c.Identities, ch.New) {
		return nil // told before
	}
	if err := c.claim(tx, ch.New); err != nil {
		return err
	}
	c.retire(ch.Old, ch.New)
	c.UpdatedAt = InstantOf(tx.Now())
	return saveContact(tx, c)
}

// retire puts a new address in the place of an old one.
func (c *Contact) retire(old, next Identity) {
	c.Identities = slices.DeleteFunc(c.Identities, func(x Identity) bool { return x == old })
	c.Former = slices.DeleteFunc(c.Former, func(x Identity) bool { return x == old || x == next })
	c.Former = append(c.Former, old)
	if old.Kind == IdentityPhone {
		c.Phones = slices.DeleteFunc(c.Phones, func(x string) bool { return x == old.Value })
		c.Phones = cleanList(append(c.Phones, next.Value))
	}
}

// owner returns the contact that an identity leads to, nil when there is none.
func owner(tx *store.Tx, id Identity) (*Contact, error) {
	n, ok, err := identities.Get(tx, string(id.Kind), id.Value)
	if err != nil || !ok {
		return nil, err
	}
	c, err := contactOf(tx, ContactID(n))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	return c, nil
}

// passedOn reports whether an address that c once had belongs to somebody else by now: the person who comes with it
// has a user id of their own.
func (c *Contact) passedOn(id Identity, p Person) bool {
	if !slices.Contains(c.Former, id) {
		return false
	}
	return slices.ContainsFunc(p.Identities, func(x Identity) bool {
		return x.Kind == IdentityBSUID && !slices.Contains(c.Identities, x) && !slices.Contains(c.Former, x)
	})
}

func ignoreMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
