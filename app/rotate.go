// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"

	"kith/store"
)

// The key under which identifiers are hidden is changed now and then, and after every erasure: these functions tell the
// store which identifiers the records hold, so that it can write them under the next key. Who is erased is not listed.

// listIdentities lists the addresses of contacts. An address that a contact once had leads there only as long as nobody
// else has it.
func listIdentities(tx *store.Tx, after uint64, yield func(uint64, store.LookupEntry) error) error {
	//nolint:gosec // the store passes on what it was given
	return contacts.Every(tx, store.Subject(after), func(s store.Subject, _ uint64, c *Contact) error {
		value := uint64(s)
		if c.MergedInto != 0 {
			value = uint64(c.MergedInto)
		}
		for weak, all := range map[bool][]Identity{true: c.Former, false: c.Identities} {
			for _, id := range all {
				e := store.LookupEntry{Kind: string(id.Kind), Ident: id.Value, Value: value, Weak: weak || c.MergedInto != 0}
				if err := yield(uint64(s), e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// listEmails lists the addresses with which agents sign in.
func listEmails(tx *store.Tx, after uint64, yield func(uint64, store.LookupEntry) error) error {
	//nolint:gosec // the store passes on what it was given
	return agents.Every(tx, store.Subject(after), func(s store.Subject, _ uint64, a *Agent) error {
		return yield(uint64(s), store.LookupEntry{Kind: "email", Ident: a.Email, Value: uint64(s)})
	})
}

// listAddresses lists what networks call the inboxes. In an inbox of before the address was kept, only the channel knows
// which of its settings that is: all of them are named, and one that the lookup does not hold is passed over.
func listAddresses(tx *store.Tx, after uint64, yield func(uint64, store.LookupEntry) error) error {
	return inboxes.Each(tx, store.Nobody, func(id uint64, in *Inbox) error {
		if id <= after {
			return nil
		}
		if in.Address != "" {
			return yield(id, store.LookupEntry{Kind: in.Kind, Ident: in.Address, Value: id})
		}
		for _, value := range in.Settings {
			if err := yield(id, store.LookupEntry{Kind: in.Kind, Ident: value, Value: id, Weak: true}); err != nil {
				return err
			}
		}
		return nil
	})
}

// listLabels lists the names of labels.
func listLabels(tx *store.Tx, after uint64, yield func(uint64, store.LookupEntry) error) error {
	return labels.Each(tx, store.Nobody, func(id uint64, l *Label) error {
		if id <= after {
			return nil
		}
		return yield(id, store.LookupEntry{Kind: "label", Ident: strings.ToLower(l.Name), Value: id})
	})
}
