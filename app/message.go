// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kith/store"
)

// MessageID is the place of a message: class and day, conversation (Group) and sequence number.
type MessageID store.Ref

// String returns the id as the API, pages and networks see it: "conversation.day.seq" in base 36, with the class in
// front of the day when it is not the default one.
func (id MessageID) String() string {
	return strconv.FormatUint(id.Group, 36) + "." + strconv.FormatUint(uint64(packDay(id.DayKey)), 36) + "." +
		strconv.FormatUint(id.Seq, 36)
}

// Conversation returns the conversation that holds the message.
func (id MessageID) Conversation() ConversationID { return ConversationID(id.Group) }

// ParseMessageID reads what String wrote.
func ParseMessageID(s string) (MessageID, error) {
	parts := strings.Split(s, ".")
	bad := messageMissing()
	if len(parts) != 3 {
		return MessageID{}, bad
	}
	var n [3]uint64
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 36, [...]int{64, 32, 64}[i])
		if err != nil {
			return MessageID{}, bad
		}
		n[i] = v
	}
	return MessageID{DayKey: unpackDay(uint32(n[1])), Group: n[0], Seq: n[2]}, nil //nolint:gosec // parsed as 32 bits
}

func messageMissing() error {
	return missing("problem.message_missing", "This message does not exist.")
}

// Message is one message or note of a conversation.
type Message struct {
	ID          MessageID    `cbor:"-"`
	Contact     ContactID    `cbor:"1,keyasint"`
	Direction   Direction    `cbor:"2,keyasint"`
	Type        MessageType  `cbor:"3,keyasint"`
	Status      Status       `cbor:"4,keyasint,omitempty"`
	Origin      Origin       `cbor:"5,keyasint"`
	At          Instant      `cbor:"6,keyasint"` // the network's time inbound, ours outbound
	CreatedAt   Instant      `cbor:"7,keyasint"` // when kith stored it
	ExternalID  string       `cbor:"8,keyasint,omitempty"`
	Agent       AgentID      `cbor:"9,keyasint,omitempty"`
	Content     Content      `cbor:"10,keyasint"`
	Attachments []Attachment `cbor:"11,keyasint,omitempty"`
	ReplyTo     MessageID    `cbor:"12,keyasint,omitzero"`
	ReplyToID   string       `cbor:"13,keyasint,omitempty"` // the network's id of the quoted message
	Forwarded   Forwarded    `cbor:"14,keyasint,omitempty"`
	Reactions   []Reaction   `cbor:"15,keyasint,omitempty"`
	Versions    []Version    `cbor:"16,keyasint,omitempty"` // earlier texts, oldest first
	RevokedAt   Instant      `cbor:"17,keyasint,omitempty"`
	Failure     *Failure     `cbor:"18,keyasint,omitempty"`
	DeliveredAt Instant      `cbor:"19,keyasint,omitempty"`
	ReadAt      Instant      `cbor:"20,keyasint,omitempty"`
	Pricing     *Pricing     `cbor:"21,keyasint,omitempty"`
	UpdatedAt   Instant      `cbor:"22,keyasint,omitempty"`
	Target      string       `cbor:"23,keyasint,omitempty"` // of a reaction, edit or deletion that found no message
	EditedAt    Instant      `cbor:"24,keyasint,omitempty"` // when the text came to be what it is
	ReactedAt   Instant      `cbor:"25,keyasint,omitempty"` // of the customer's newest reaction, or its removal
}

// Reaction is an emoji on a message; Agent is 0 for the customer's.
type Reaction struct {
	Emoji string  `cbor:"1,keyasint"`
	Agent AgentID `cbor:"2,keyasint,omitempty"`
	At    Instant `cbor:"3,keyasint"`
}

// Version is an earlier text of an edited message.
type Version struct {
	Text string  `cbor:"1,keyasint"`
	At   Instant `cbor:"2,keyasint"`
}

// Attachment is a file of a message.
type Attachment struct {
	Name     string          `cbor:"1,keyasint,omitempty"`
	MIME     string          `cbor:"2,keyasint,omitempty"`
	Size     int64           `cbor:"3,keyasint,omitempty"`
	SHA256   []byte          `cbor:"4,keyasint,omitempty"`
	State    AttachmentState `cbor:"5,keyasint"`
	Blob     store.BlobRef   `cbor:"6,keyasint,omitzero"`
	Provider string          `cbor:"7,keyasint,omitempty"` // the network's id, until it is fetched
	Voice    bool            `cbor:"8,keyasint,omitempty"`
	Animated bool            `cbor:"9,keyasint,omitempty"`
	Problem  string          `cbor:"10,keyasint,omitempty"` // why it could not be fetched
}

// AttachmentState says where a file is.
type AttachmentState uint8

// The states of an attachment. Their numbers are stored.
const (
	AttachmentWaiting AttachmentState = iota + 1 // still at the network
	AttachmentReady
	AttachmentLost // the network does not have it any more
)

// String returns "waiting", "ready" or "lost".
func (s AttachmentState) String() string { return [...]string{"", "waiting", "ready", "lost"}[s&3] }

var (
	messages = store.NewDayTable[Message]("messages", func(m *Message) store.Subject { return m.Contact }).WhenDamaged(damagedMessage)
	// providerIDs leads from (inbox, external id) to the message; it is how duplicates are recognised.
	providerIDs = store.NewDayLookup("provider_ids")
	// awaited leads from the external id of a message that is not here yet to the reaction, edit or deletion for it.
	awaited = store.NewDayLookup("awaited")
)

// damagedMessage stands in for a message whose record cannot be read: the thread shows the rest around it.
func damagedMessage(ref store.Ref) *Message {
	at := InstantOf(ref.Day.Time().AddDate(0, 0, 1)) - 1
	return &Message{Type: TypeDamaged, Direction: In, At: at, CreatedAt: at}
}

// providerKey keeps the ids of different inboxes apart.
func providerKey(in InboxID, external string) string {
	return strconv.FormatUint(uint64(in), 36) + "|" + external
}

// MessagePage is a part of a thread, in the order it is read: oldest first.
type MessagePage struct {
	Messages []Message
	Older    MessageID // the cursor for what came before; zero at the beginning
}

// Messages returns up to limit messages before the one given (zero = the newest ones).
func (d *Desk) Messages(ctx context.Context, a Actor, id ConversationID, before MessageID, limit int) (p MessagePage, err error) {
	var about ContactID
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		c, err := d.seen(tx, a, id)
		if err != nil {
			return err
		}
		about = c.Contact
		if p, err = pageOf(tx, &c, before, limit); err != nil {
			return err
		}
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		for i := range p.Messages {
			g.masks.message(&p.Messages[i])
		}
		return nil
	})
	if err != nil {
		return MessagePage{}, err
	}
	return p, d.read(ctx, a, AuditConversationRead, about, uint64(id))
}

// pageOf reads newest to oldest by (day, sequence) and orders the page by the network's time.
func pageOf(tx *store.Tx, c *Conversation, before MessageID, limit int) (p MessagePage, err error) {
	days := c.days()
	if before.Seq != 0 {
		days = slices.DeleteFunc(days, func(k store.DayKey) bool { return packDay(k) > packDay(before.DayKey) })
		if len(days) > 0 && days[0] != before.DayKey {
			before.Seq = 0
		}
	}
	err = messages.Back(tx, uint64(c.ID), days, before.Seq, func(ref store.Ref, m *Message) error {
		if len(p.Messages) == limit {
			p.Older = p.Messages[limit-1].ID
			return store.ErrStop
		}
		m.ID = MessageID(ref)
		if n := len(p.Messages); m.Type == TypeDamaged && n > 0 {
			m.At = p.Messages[n-1].At // keep it between its neighbours
		}
		p.Messages = append(p.Messages, *m)
		return nil
	})
	slices.SortStableFunc(p.Messages, func(a, b Message) int {
		return cmp.Or(cmp.Compare(a.At/1000, b.At/1000), cmp.Compare(a.ID.Seq, b.ID.Seq))
	})
	return p, err
}

// Message returns one message.
func (d *Desk) Message(ctx context.Context, a Actor, id MessageID) (m *Message, err error) {
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		if m, err = messageOf(tx, id); err != nil {
			return err
		}
		if _, err := d.seen(tx, a, id.Conversation()); err != nil {
			return messageMissing()
		}
		g, err := d.grant(tx, a)
		if err == nil {
			g.masks.message(m)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, d.read(ctx, a, AuditConversationRead, m.Contact, id.Group)
}

// Attachment opens the nth file of a message. The caller closes it.
func (d *Desk) Attachment(ctx context.Context, a Actor, id MessageID, n int) (*store.Blob, *Attachment, error) {
	m, err := d.Message(ctx, a, id)
	if err != nil {
		return nil, nil, err
	}
	if n < 0 || n >= len(m.Attachments) || m.Attachments[n].State != AttachmentReady {
		return nil, nil, missing("problem.file_missing", "This file is not here (any more).")
	}
	b, err := d.db.OpenBlob(m.Attachments[n].Blob)
	if err != nil {
		return nil, nil, found(err, "problem.file_missing", "This file is not here (any more).")
	}
	return b, &m.Attachments[n], nil
}

func messageOf(tx *store.Tx, id MessageID) (*Message, error) {
	m, err := messages.Get(tx, store.Ref(id))
	if err != nil {
		return nil, found(err, "problem.message_missing", "This message does not exist.")
	}
	m.ID = id
	return m, nil
}

// changeMessage writes a changed message and tells about it.
func changeMessage(tx *store.Tx, m *Message, in InboxID) error {
	m.UpdatedAt = InstantOf(tx.Now())
	if err := messages.Put(tx, store.Ref(m.ID), m); err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	return emit(tx, Event{
		Kind: MessageChanged, Conversation: m.ID.Conversation(), Message: m.ID, Contact: m.Contact, Inbox: in,
	})
}

// newestInbound returns the customer's newest message that the network has an id for, nil when there is none near.
func newestInbound(tx *store.Tx, c *Conversation) (newest *Message, err error) {
	looked := 0
	err = messages.Back(tx, uint64(c.ID), c.days(), 0, func(ref store.Ref, m *Message) error {
		if m.Direction == In && m.ExternalID != "" && m.Type != TypeCall && m.Type != TypeSystem {
			newest, m.ID = m, MessageID(ref)
			return store.ErrStop
		}
		if looked++; looked == 200 {
			return store.ErrStop
		}
		return nil
	})
	return newest, err
}
