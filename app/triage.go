// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"strings"

	"kith/store"
)

// ConversationChange is what a person decides about a conversation; nil members stay as they are.
type ConversationChange struct {
	Status   *ConversationStatus
	Assignee *AgentID // points to 0 for nobody
	Labels   []uint32 // replaces
}

// ChangeConversation applies what ch names.
func (d *Desk) ChangeConversation(ctx context.Context, a Actor, id ConversationID, ch ConversationChange) error {
	return d.act(ctx, a, MayConverse, AuditConversationChanged, func(tx *store.Tx, e *AuditEvent) error {
		c, err := d.seen(tx, a, id)
		if err != nil {
			return err
		}
		e.Object, e.Subject = uint64(id), c.Contact
		if err := ch.apply(tx, &c); err != nil {
			return err
		}
		return touch(tx, &c)
	})
}

func (ch *ConversationChange) apply(tx *store.Tx, c *Conversation) error {
	if ch.Status != nil {
		c.Status = *ch.Status
	}
	if ch.Assignee != nil {
		if _, err := agentOf(tx, *ch.Assignee); *ch.Assignee != 0 && err != nil {
			return invalid("assignee", "problem.agent_missing", "This agent does not exist.")
		}
		c.Assignee = *ch.Assignee
	}
	if ch.Labels == nil {
		return nil
	}
	for _, l := range ch.Labels {
		if _, err := labels.Get(tx, store.Nobody, uint64(l)); err != nil {
			return invalid("labels", "problem.label_missing", "This label does not exist.")
		}
	}
	c.Labels = []uint32{}
	for _, l := range ch.Labels {
		if !slices.Contains(c.Labels, l) {
			c.Labels = append(c.Labels, l)
		}
	}
	return nil
}

// MarkSeen says that the actor has opened the conversation: nothing in it is unread, and the network is told so.
func (d *Desk) MarkSeen(ctx context.Context, a Actor, id ConversationID) error {
	var seen bool
	g, err := d.grantFor(ctx, a)
	if err != nil || !g.May(MayConverse) {
		return err // who only reads leaves it to others
	}
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		c, err := d.seen(tx, a, id)
		seen = c.Unread == 0
		return err
	})
	if err != nil || seen {
		return err
	}
	return d.act(ctx, a, MayConverse, AuditMarkedRead, func(tx *store.Tx, e *AuditEvent) error {
		c, err := d.seen(tx, a, id)
		if err != nil {
			return err
		}
		e.Object, e.Subject = uint64(id), c.Contact
		c.Unread = 0
		if newest, err := newestInbound(tx, &c); err == nil && newest != nil {
			if err := pushJob(tx, &Job{Kind: JobRead, Message: newest.ID, Contact: c.Contact, Inbox: c.Inbox}); err != nil {
				return err
			}
		}
		return touch(tx, &c)
	})
}

func touch(tx *store.Tx, c *Conversation) error {
	if err := saveConversation(tx, c); err != nil {
		return err
	}
	return emit(tx, Event{Kind: ConversationChanged, Conversation: c.ID, Contact: c.Contact, Inbox: c.Inbox})
}

// Label marks conversations.
type Label struct {
	ID   uint32 `cbor:"-"           json:"id"`
	Name string `cbor:"1,keyasint" json:"name"`
	Hue  uint8  `cbor:"2,keyasint" json:"hue"` // 0 to 11
}

var (
	labels     = store.NewTable[Label]("labels", func(*Label) store.Subject { return store.Nobody })
	labelNames = store.NewLookup("label_names", listLabels)
)

// AddLabel returns the label of that name and makes it when there is none.
func (d *Desk) AddLabel(ctx context.Context, a Actor, name string) (*Label, error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || len(name) > 100 {
		return nil, invalid("name", "problem.label_name", "Enter a name of at most 100 bytes for the label.")
	}
	var l *Label
	err := d.act(ctx, a, MayConverse, AuditLabelAdded, func(tx *store.Tx, e *AuditEvent) error {
		id, have, err := labelNames.Get(tx, "label", strings.ToLower(name))
		if err != nil {
			return err
		}
		if have {
			l, err = labels.Get(tx, store.Nobody, id)
			if err == nil {
				l.ID, e.Object = uint32(id), id //nolint:gosec // put there as such
			}
			return err
		}
		n := tx.NextID()
		l = &Label{ID: uint32(n), Name: name, Hue: uint8(n % 12)} //nolint:gosec // 4 billion ids are enough for labels
		e.Object = uint64(l.ID)
		if err := labelNames.Set(tx, "label", strings.ToLower(name), uint64(l.ID)); err != nil {
			return err
		}
		return labels.Put(tx, uint64(l.ID), l)
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Labels returns every label, oldest first.
func (d *Desk) Labels(ctx context.Context) (out []Label, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		return labels.Each(tx, store.Nobody, func(id uint64, l *Label) error {
			l.ID = uint32(id) //nolint:gosec // put there as such
			out = append(out, *l)
			return nil
		})
	})
	return out, err
}
