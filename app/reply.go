// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"kith/store"
)

// Draft is what somebody wants to write. Exactly one of Text, Template, Interactive, Location and File is the message;
// Text beside a File is its caption.
type Draft struct {
	Note        bool // for agents only; never sent
	Text        string
	ReplyTo     MessageID
	Template    *TemplateUse
	Interactive *Interactive
	Location    *Location
	File        *Upload
	// Key makes a repeated request harmless: the message written under the same key by the same actor is returned.
	Key string
}

// Upload is a file that was stored and waits for its message.
type Upload struct {
	Blob store.BlobRef
	Meta store.BlobMeta // Name, Type, Size, SHA256
	Type MessageType
}

var draftKeys = store.NewDayLookup("draft_keys")

// Reply writes a message to the contact, or a note: into the thread, the outbox, and the audit trail, at once.
func (d *Desk) Reply(ctx context.Context, a Actor, id ConversationID, draft Draft) (*Message, error) {
	kind := AuditReplied
	if draft.Note {
		kind = AuditNoted
	}
	var m *Message
	err := d.act(ctx, a, MayConverse, kind, func(tx *store.Tx, e *AuditEvent) error {
		c, err := d.seen(tx, a, id)
		if err != nil {
			return err
		}
		e.Object, e.Subject = uint64(id), c.Contact
		if m, err = written(tx, a, id, draft.Key); err != nil || m != nil {
			if m != nil {
				e.Message = m.ID.Seq
			}
			return err
		}
		if m, err = d.compose(tx, a, &c, &draft); err != nil {
			return err
		}
		e.Message = m.ID.Seq
		return d.write(tx, a, &c, m, draft.Key)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// keyOf keeps the keys of different actors and conversations apart.
func keyOf(a Actor, id ConversationID, key string) string {
	return fmt.Sprintf("%d/%d/%d/%s", a.Kind, a.ID, id, key)
}

// written returns the message that was written under the key, nil when there is none.
func written(tx *store.Tx, a Actor, id ConversationID, key string) (*Message, error) {
	if key == "" {
		return nil, nil //nolint:nilnil // no key, no message
	}
	ref, ok, err := draftKeys.Find(tx, store.Default, today(tx, store.Default).Day, 2, keyOf(a, id, key))
	if err != nil || !ok {
		return nil, err
	}
	return messageOf(tx, MessageID(ref))
}

// write stores the message and queues it.
func (d *Desk) write(tx *store.Tx, a Actor, c *Conversation, m *Message, key string) error {
	if err := messages.Put(tx, store.Ref(m.ID), m); err != nil {
		return err
	}
	for i := range m.Attachments {
		at := &m.Attachments[i]
		meta := store.BlobMeta{Name: at.Name, Type: at.MIME, Size: at.Size, SHA256: [32]byte(at.SHA256)}
		if err := store.LinkBlob(tx, at.Blob, meta); err != nil {
			return err
		}
	}
	if key != "" {
		if err := draftKeys.Set(tx, m.ID.DayKey, keyOf(a, c.ID, key), m.ID.Group, m.ID.Seq); err != nil {
			return err
		}
	}
	if m.Direction == Out {
		if err := pushJob(tx, &Job{Kind: JobSend, Message: m.ID, Contact: c.Contact, Inbox: c.Inbox}); err != nil {
			return err
		}
		c.Failed = false
		if c.Assignee == 0 {
			c.Assignee = a.Agent() // who answers first takes it
		}
	}
	c.take(m, false)
	if err := saveConversation(tx, c); err != nil {
		return err
	}
	return emit(tx, Event{
		Kind: MessageQueued, Conversation: c.ID, Contact: c.Contact, Message: m.ID, Inbox: c.Inbox,
	})
}

// compose checks the draft against the inbox's rules and makes the message.
func (d *Desk) compose(tx *store.Tx, a Actor, c *Conversation, draft *Draft) (*Message, error) {
	in, err := inboxOf(tx, c.Inbox)
	if err != nil {
		return nil, err
	}
	now := InstantOf(tx.Now())
	m := &Message{
		ID:      MessageID{DayKey: today(tx, store.Default), Group: uint64(c.ID), Seq: tx.NextID()},
		Contact: c.Contact, Direction: Out, Status: StatusQueued, Origin: FromAgent, At: now, CreatedAt: now, Agent: a.Agent(),
	}
	if a.Kind != ActorAgent {
		m.Origin = FromAPI
	}
	if draft.Note {
		return m, noteOf(m, draft)
	}
	if err := d.allowed(tx, in.Kind, c, draft); err != nil {
		return nil, err
	}
	if err := d.fill(m, in.Kind, draft); err != nil {
		return nil, err
	}
	return m, quote(tx, m, draft)
}

func noteOf(m *Message, draft *Draft) error {
	m.Direction, m.Type, m.Status = Note, TypeNote, StatusNone
	if m.Content.Text = strings.TrimSpace(draft.Text); m.Content.Text == "" {
		return invalid("note", "problem.text_empty", "Write something first.")
	}
	if utf8.RuneCountInString(m.Content.Text) > 10_000 {
		return invalid("note", "problem.text_long", "A note may have at most 10000 characters.", 10_000)
	}
	return nil
}

// allowed asks for an open window unless a template is sent (PROTOCOLS 1.9), and for consent to marketing.
func (d *Desk) allowed(tx *store.Tx, kind string, c *Conversation, draft *Draft) error {
	if draft.Template != nil {
		return d.mayMarket(tx, c, draft.Template)
	}
	if d.open(kind, c, tx.Now()) {
		return nil
	}
	return &Problem{
		Kind: ErrWindow, Key: "problem.window",
		Text: "The reply window is closed: more than 24 hours have passed since the customer's last message. Send a template.",
	}
}

func (d *Desk) open(kind string, c *Conversation, now time.Time) bool {
	until := d.windowOf(kind, c)
	return until.IsZero() || now.Before(until)
}

func (d *Desk) mayMarket(tx *store.Tx, c *Conversation, t *TemplateUse) error {
	contact, err := contactOf(tx, c.Contact)
	if err != nil || !contact.Consent.MarketingStopped {
		return err
	}
	list, err := templates.Get(tx, store.Nobody, uint64(c.Inbox))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, one := range list.Templates {
		if one.Name == t.Name && one.Language == t.Language && one.Category == "MARKETING" {
			return conflict("problem.marketing_stopped",
				"This person asked not to receive marketing messages. Choose a utility template.")
		}
	}
	return nil
}

// fill sets the message's type and content from the draft.
func (d *Desk) fill(m *Message, kind string, draft *Draft) error {
	rules := d.rules[kind]
	text := strings.TrimRight(draft.Text, " \n\t")
	m.Content.Text = text
	switch {
	case draft.File != nil:
		return attach(m, &rules, draft.File)
	case draft.Template != nil:
		m.Type, m.Content = TypeTemplate, Content{Template: draft.Template}
		if draft.Template.Name == "" || draft.Template.Language == "" {
			return invalid("template", "problem.template", "Name the template and its language.")
		}
		return nil
	case draft.Location != nil:
		if l := draft.Location; math.Abs(l.Latitude) > 90 || math.Abs(l.Longitude) > 180 {
			return invalid("location", "problem.location", "A latitude is from -90 to 90, a longitude from -180 to 180.")
		}
		m.Type, m.Content.Location = TypeLocation, draft.Location
		return nil
	case strings.TrimSpace(text) == "":
		return invalid("text", "problem.text_empty", "Write something first.")
	case rules.TextLength > 0 && utf8.RuneCountInString(text) > rules.TextLength:
		return invalid("text", "problem.text_long",
			fmt.Sprintf("A message may have at most %d characters.", rules.TextLength), rules.TextLength)
	case draft.Interactive != nil:
		m.Type, m.Content.Interactive = TypeInteractive, draft.Interactive
		return nil
	}
	m.Type = TypeText
	return nil
}

func attach(m *Message, rules *Rules, f *Upload) error {
	if rules.File != nil {
		most, err := rules.File(f.Type, f.Meta.Type)
		if err != nil {
			return invalid("file", "problem.file_type", err.Error(), err.Error())
		}
		if f.Meta.Size > most {
			return invalid("file", "problem.file_large",
				fmt.Sprintf("This file is too large for the network: at most %d MB.", most>>20), most>>20)
		}
	}
	if rules.CaptionLimit > 0 && utf8.RuneCountInString(m.Content.Text) > rules.CaptionLimit {
		return invalid("text", "problem.text_long",
			fmt.Sprintf("A caption may have at most %d characters.", rules.CaptionLimit), rules.CaptionLimit)
	}
	m.Type = f.Type
	m.Attachments = []Attachment{{
		Name: f.Meta.Name, MIME: f.Meta.Type, Size: f.Meta.Size, SHA256: f.Meta.SHA256[:], State: AttachmentReady,
		Blob: f.Blob, Voice: f.Type == TypeVoice,
	}}
	return nil
}

func quote(tx *store.Tx, m *Message, draft *Draft) error {
	if draft.ReplyTo.Seq == 0 {
		return nil
	}
	q, err := messageOf(tx, draft.ReplyTo)
	if err != nil || q.ID.Group != m.ID.Group {
		return invalid("reply_to", "problem.message_missing", "The message you reply to does not exist.")
	}
	m.ReplyTo, m.ReplyToID = q.ID, q.ExternalID
	return nil
}

// React puts our reaction on a customer's message; an empty emoji takes it away.
func (d *Desk) React(ctx context.Context, a Actor, id MessageID, emoji string) error {
	if utf8.RuneCountInString(emoji) > 12 {
		return invalid("emoji", "problem.emoji", "A reaction is one emoji.")
	}
	return d.act(ctx, a, MayConverse, AuditReacted, func(tx *store.Tx, e *AuditEvent) error {
		c, err := d.seen(tx, a, id.Conversation())
		if err != nil {
			return err
		}
		m, err := messageOf(tx, id)
		if err != nil {
			return err
		}
		if m.ExternalID == "" || m.Direction == Note {
			return invalid("message", "problem.no_reaction", "A reaction needs a message that the network knows.")
		}
		e.Object, e.Subject, e.Message = uint64(c.ID), c.Contact, id.Seq
		m.react(Reaction{Emoji: emoji, Agent: byUs(a), At: InstantOf(tx.Now())}, false)
		if err := pushJob(tx, &Job{Kind: JobReact, Message: id, Contact: c.Contact, Inbox: c.Inbox}); err != nil {
			return err
		}
		return changeMessage(tx, m, c.Inbox)
	})
}

// Resend queues a message again that failed, or whose outcome is unknown, on a person's word.
func (d *Desk) Resend(ctx context.Context, a Actor, id MessageID) (m *Message, err error) {
	err = d.act(ctx, a, MayConverse, AuditResent, func(tx *store.Tx, e *AuditEvent) error {
		c, err := d.seen(tx, a, id.Conversation())
		if err != nil {
			return err
		}
		if m, err = messageOf(tx, id); err != nil {
			return err
		}
		if m.Status != StatusFailed && m.Status != StatusUnknown {
			return conflict("problem.not_failed", "Only a message that failed can be sent again.")
		}
		in, err := inboxOf(tx, c.Inbox)
		if err != nil {
			return err
		}
		if m.Type != TypeTemplate && !d.open(in.Kind, &c, tx.Now()) {
			return d.allowed(tx, in.Kind, &c, &Draft{})
		}
		e.Object, e.Subject, e.Message = uint64(c.ID), c.Contact, id.Seq
		m.Status, m.Failure, m.ExternalID = StatusQueued, nil, ""
		if err := pushJob(tx, &Job{Kind: JobSend, Message: id, Contact: c.Contact, Inbox: c.Inbox}); err != nil {
			return err
		}
		if err := markFailed(tx, m); err != nil {
			return err
		}
		return changeMessage(tx, m, c.Inbox)
	})
	return m, err
}

// Cancel withdraws a message that is still queued.
func (d *Desk) Cancel(ctx context.Context, a Actor, id MessageID) error {
	return d.act(ctx, a, MayConverse, AuditCancelled, func(tx *store.Tx, e *AuditEvent) error {
		c, err := d.seen(tx, a, id.Conversation())
		if err != nil {
			return err
		}
		m, err := messageOf(tx, id)
		if err != nil {
			return err
		}
		if m.Status != StatusQueued {
			return conflict("problem.too_late", "This message has been sent already.")
		}
		e.Object, e.Subject, e.Message = uint64(c.ID), c.Contact, id.Seq
		m.Status = StatusCancelled
		if err := settleJob(tx, m); err != nil {
			return err
		}
		return changeMessage(tx, m, c.Inbox)
	})
}

// CreateUpload opens a new sealed file about a conversation's contact. The caller writes, then calls FinishUpload.
func (d *Desk) CreateUpload(ctx context.Context, a Actor, id ConversationID) (*store.BlobWriter, error) {
	var about store.Subject
	var now time.Time
	err := d.look(ctx, a, MayConverse, func(tx *store.Tx) error {
		c, err := d.seen(tx, a, id)
		about, now = c.Contact, tx.Now()
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.db.CreateBlob(ctx, about, d.db.Living(store.DayKey{Class: store.Default, Day: store.DayOf(now)}))
}
