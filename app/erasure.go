// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"

	"kith/store"
)

// Erasure is what the erasure of a contact did.
type Erasure struct {
	Contacts    []ContactID    // the contact and those that were merged into it
	Removed     map[string]int // records by table, and "attachments"
	Certificate string         // path of the certificate
	Request     string         // its name
	Pending     []string       // copies that have not followed yet
}

// EraseContact destroys the keys of everything that is about the contact.
func (d *Desk) EraseContact(ctx context.Context, actor Actor, id ContactID) error {
	_, err := d.CertifiedErasure(ctx, actor, id, "")
	return err
}

// CertifiedErasure is EraseContact and returns what it did, with a certificate for the request of that name; an empty
// name is numbered. The intent is written in one transaction with the removal of everything that leads to the contact:
// whatever happens then, the erasure is completed.
func (d *Desk) CertifiedErasure(ctx context.Context, actor Actor, id ContactID, request string) (*Erasure, error) {
	ctx = store.Freeing(ctx)
	out := &Erasure{}
	talks := 0
	err := d.act(ctx, actor, MayErase, AuditContactErased, func(tx *store.Tx, e *AuditEvent) error {
		c, err := d.seenContact(tx, actor, id)
		if err != nil {
			return err
		}
		out.Contacts = append([]ContactID{c.ID}, c.Merged...)
		if d.held != nil && slices.ContainsFunc(out.Contacts, d.held) {
			return conflict("problem.contact_held", "This contact is under a legal hold. Lift the hold first.")
		}
		e.Subject = c.ID
		if talks, err = forgetContact(tx, c); err != nil {
			return err
		}
		return tx.IntendErasure(out.Contacts...)
	})
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // whoever asked may go away; what has begun is completed
	did, err := d.db.EraseSubjects(ctx, out.Contacts...)
	for _, s := range out.Contacts {
		d.names.forget(s)
	}
	if err != nil {
		return nil, err
	}
	if did.Removed == nil {
		did.Removed = map[string]int{}
	}
	if talks > 0 {
		did.Removed["conversations"] += talks
	}
	proof, path, err := d.db.Certify(ctx, did, request)
	if err != nil {
		return nil, err
	}
	out.Removed, out.Certificate, out.Request, out.Pending = did.Removed, path, proof.Request, proof.Pending
	return out, nil
}

// forgetContact removes what leads to the contact, in the transaction that precedes the destruction of its keys, and
// returns how many conversations that were.
func forgetContact(tx *store.Tx, c *Contact) (talks int, err error) {
	for _, id := range slices.Concat(c.Identities, c.Former) {
		if err := identities.Delete(tx, string(id.Kind), id.Value); err != nil {
			return 0, err
		}
	}
	for _, s := range append([]ContactID{c.ID}, c.Merged...) {
		var keys [][]uint64
		var ids []ConversationID
		err := threads.Scan(tx, []uint64{uint64(s)}, 0, func(key []uint64, v uint64) error {
			keys, ids = append(keys, slices.Clone(key)), append(ids, ConversationID(v))
			return nil
		})
		if err != nil {
			return 0, err
		}
		for i, id := range ids {
			if err := forgetConversation(tx, s, id); err != nil {
				return 0, err
			}
			if err := threads.Delete(tx, keys[i]); err != nil {
				return 0, err
			}
		}
		talks += len(ids)
	}
	return talks, nil
}

// forgetConversation removes a conversation from the lists, with the order of what waits to be sent.
func forgetConversation(tx *store.Tx, s ContactID, id ConversationID) error {
	var jobs [][]uint64
	err := outboxOrder.Scan(tx, []uint64{uint64(id)}, 0, func(key []uint64, _ uint64) error {
		jobs = append(jobs, slices.Clone(key))
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range jobs {
		if err := outboxOrder.Delete(tx, key); err != nil {
			return err
		}
	}
	if err := emit(tx, Event{Kind: ConversationChanged, Conversation: id, Contact: s}); err != nil {
		return err
	}
	return conversations.Delete(tx, uint64(id))
}
