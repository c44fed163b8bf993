// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ReplyTo answers a message of the thread with other content.
type ReplyTo struct {
	Message string
	Content Content
}

func (r ReplyTo) put(w *World, p *person, d *draft) error {
	if err := r.Content.put(w, p, d); err != nil {
		return err
	}
	if w.quoted(p, r.Message) == nil {
		return ErrNoMessage
	}
	return answer(w, p, d, r.Message)
}

// answer gives a draft its context; an empty id gives none.
func answer(w *World, p *person, d *draft, id string) error {
	if id == "" {
		return nil
	}
	q := w.quoted(p, id)
	if q == nil {
		return ErrNoMessage
	}
	from := w.o.DisplayPhone
	if q.Mine {
		from = p.waID()
	}
	c := map[string]any{"id": id}
	set(c, "from", from)
	d.wire["context"], d.m.Quote = c, q
	return nil
}

// Forwarded is content passed on from another chat, Often when more than five times.
type Forwarded struct {
	Content Content
	Often   bool
}

func (f Forwarded) put(w *World, p *person, d *draft) error {
	if err := f.Content.put(w, p, d); err != nil {
		return err
	}
	key := "forwarded"
	if f.Often {
		key = "frequently_forwarded"
	}
	d.wire["context"], d.m.Forwarded = map[string]any{key: true}, true
	return nil
}

// Referral is a first message that comes from an advertisement.
type Referral struct {
	Headline, Body, URL, AdID string
	Content                   Content
}

func (r Referral) put(w *World, p *person, d *draft) error {
	if err := r.Content.put(w, p, d); err != nil {
		return err
	}
	d.m.Ad = r.Headline
	d.wire["referral"] = map[string]any{
		"source_url": r.URL, "source_id": r.AdID, "source_type": "ad", "body": r.Body, "headline": r.Headline,
		"media_type": "image", "image_url": "https://scontent.example/" + r.AdID + ".png", "ctwa_clid": "Aff-" + w.trace(),
		"welcome_message": map[string]any{"text": r.Body},
	}
	return nil
}

// Reaction sets an emoji on a message; an empty one takes it back.
type Reaction struct{ Message, Emoji string }

func (r Reaction) put(w *World, p *person, d *draft) error {
	m := w.byID[r.Message]
	if m == nil || m.owner != p {
		return ErrNoMessage
	}
	part := map[string]any{"message_id": r.Message}
	set(part, "emoji", r.Emoji)
	d.wire["type"], d.wire["reaction"] = "reaction", part
	d.hidden, d.after = true, func() { m.Mood = r.Emoji }
	return nil
}

// ButtonReply taps a button of a message.
type ButtonReply struct{ Message, ID string }

func (r ButtonReply) put(w *World, p *person, d *draft) error {
	m, c, err := w.choice(p, r.Message, r.ID, false)
	if err != nil {
		return err
	}
	d.m.Text = c.Title
	if m.template {
		d.m.Kind, d.wire["type"] = "text", "button"
		d.wire["button"] = map[string]any{"payload": c.ID, "text": c.Title}
	} else {
		d.m.Kind, d.wire["type"] = "text", "interactive"
		d.wire["interactive"] = map[string]any{"type": "button_reply", "button_reply": map[string]any{"id": c.ID, "title": c.Title}}
	}
	return answer(w, p, d, r.Message)
}

// ListReply picks a row of a list.
type ListReply struct{ Message, ID string }

func (r ListReply) put(w *World, p *person, d *draft) error {
	_, c, err := w.choice(p, r.Message, r.ID, true)
	if err != nil {
		return err
	}
	row := map[string]any{"id": c.ID, "title": c.Title}
	set(row, "description", c.Description)
	d.m.Kind, d.m.Text, d.wire["type"] = "text", c.Title, "interactive"
	d.wire["interactive"] = map[string]any{"type": "list_reply", "list_reply": row}
	return answer(w, p, d, r.Message)
}

func (w *World) choice(p *person, id, choice string, list bool) (*message, Choice, error) {
	m := w.byID[id]
	if m == nil || m.owner != p || !m.onPhone() {
		return nil, Choice{}, ErrNoMessage
	}
	i := slices.IndexFunc(m.Choices, func(c Choice) bool { return c.ID == choice && c.List == list && c.URL == "" })
	if i < 0 {
		return nil, Choice{}, ErrNoChoice
	}
	return m, m.Choices[i], nil
}

// Edit changes the text or caption of an own message.
type Edit struct{ Message, Body string }

func (e Edit) put(w *World, p *person, d *draft) error {
	m, err := w.own(p, e.Message)
	if err != nil {
		return err
	}
	if strings.TrimSpace(e.Body) == "" {
		return ErrEmpty
	}
	kind, _ := m.body["type"].(string)
	part, _ := m.body[kind].(map[string]any)
	key := "caption"
	switch kind {
	case "text":
		key = "body"
	case "image", "video", "document":
	default:
		return fmt.Errorf("%w: a %s has no text", ErrNotYours, kind)
	}
	part = maps.Clone(part)
	part[key] = e.Body
	inner := map[string]any{"type": kind, kind: part}
	if c, ok := m.body["context"]; ok {
		inner["context"] = c
	}
	d.wire["type"] = "edit"
	d.wire["edit"] = map[string]any{"original_message_id": e.Message, "message": inner}
	d.hidden, d.after = true, func() { m.Text, m.Edited = e.Body, true }
	return nil
}

// Revoke deletes an own message for everyone.
type Revoke struct{ Message string }

func (r Revoke) put(w *World, p *person, d *draft) error {
	m, err := w.own(p, r.Message)
	if err != nil {
		return err
	}
	d.wire["type"] = "revoke"
	d.wire["revoke"] = map[string]any{"original_message_id": r.Message}
	d.hidden, d.after = true, func() { m.Revoked = true }
	return nil
}

func (w *World) own(p *person, id string) (*message, error) {
	m := w.byID[id]
	if m == nil || m.owner != p {
		return nil, ErrNoMessage
	}
	if !m.Mine || m.Revoked {
		return nil, ErrNotYours
	}
	return m, nil
}

// ChangeNumber moves a customer to another phone number; the network tells
// with a system message.
type ChangeNumber struct{ Phone string }

func (c ChangeNumber) put(_ *World, p *person, d *draft) error {
	n, ok := digits(c.Phone)
	if !ok || p.Private {
		return ErrEmpty
	}
	d.m.Kind, d.m.Text, d.bare = "system", p.Phone+" → "+n, true
	d.wire["type"] = "system"
	d.wire["system"] = map[string]any{
		"body": "User " + p.Name + " changed from " + p.Phone + " to " + n, "wa_id": n, "type": "user_changed_number",
	}
	d.after = func() { p.Phone = n }
	return nil
}
