// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"strconv"
	"strings"
)

// content makes the bubble of a message of right form; the lock is held.
func (w *World) content(body map[string]any, m *message) *fault {
	kind := str(body, "type")
	if kind == "" {
		kind = "text"
	}
	m.Kind = kind
	part := at(body, kind)
	if m.owner != nil {
		m.Quote = w.quoted(m.owner, str(at(body, "context"), "message_id"))
	}
	switch kind {
	case "text":
		m.Text = str(part, "body")
	case "image", "video", "audio", "document", "sticker":
		m.Text = str(part, "caption")
		return w.attach(m, kind, part)
	case "location":
		m.Location = &Location{Latitude: number(part["latitude"]), Longitude: number(part["longitude"]), Name: str(part, "name"), Address: str(part, "address")}
	case "contacts":
		m.Kind = "contact"
		m.Contact = firstCard(items(body, "contacts"))
	case "reaction":
		on := w.byID[str(part, "message_id")]
		if on == nil || m.owner == nil || on.owner != m.owner {
			return &fault{code: 131009, detail: "Param reaction['message_id'] is not the id of a message in this chat."}
		}
		m.Quote, m.Text = &Quote{ID: on.ID}, str(part, "emoji")
	case "interactive":
		return w.offer(m, part)
	case "template":
		return w.templated(m, part)
	}
	return nil
}

func number(v any) float64 {
	switch t := v.(type) {
	case json.Number:
		f, _ := t.Float64() // checked by the rules
		return f
	case string:
		f, _ := strconv.ParseFloat(t, 64) // checked by the rules
		return f
	}
	return 0
}

func firstCard(cards []map[string]any) *Contact {
	c := &Contact{Name: str(at(cards[0], "name"), "formatted_name"), Company: str(at(cards[0], "org"), "company")}
	if phones := items(cards[0], "phones"); len(phones) > 0 {
		c.Phone = str(phones[0], "phone")
	}
	return c
}

// attach puts media on a bubble. Media that is not what its type says, or that
// this kind of message cannot carry, fails after acceptance, as on the network.
func (w *World) attach(m *message, kind string, part map[string]any) *fault {
	if l := str(part, "link"); l != "" {
		m.Media = &Attachment{Link: l, Filename: str(part, "filename")}
		return nil
	}
	f := w.found(str(part, "id"))
	if f == nil {
		return &fault{code: 131009, detail: "Param " + kind + "['id'] is not the id of uploaded media, or has expired."}
	}
	m.Media = &Attachment{ID: f.id, MIME: f.mime, Filename: str(part, "filename"), Size: len(f.bytes), Length: spoken(f.bytes)}
	if m.Media.Filename == "" {
		m.Media.Filename = f.name
	}
	if kind == "audio" {
		m.Media.Voice = part["voice"] == true || strings.HasPrefix(f.mime, "audio/ogg")
	}
	if kindOf(f.mime) != kind || !genuine(f.mime, f.bytes) {
		m.fails = 131053
	}
	return nil
}

// offer makes the bubble of an interactive message.
func (w *World) offer(m *message, in map[string]any) *fault {
	kind, action := str(in, "type"), at(in, "action")
	m.Text, m.Footer = str(at(in, "body"), "text"), str(at(in, "footer"), "text")
	if f := w.headed(m, at(in, "header")); f != nil {
		return f
	}
	for _, b := range items(action, "buttons") {
		r := at(b, "reply")
		m.Choices = append(m.Choices, Choice{ID: str(r, "id"), Title: str(r, "title")})
	}
	m.ListTitle = str(action, "button")
	for _, s := range items(action, "sections") {
		for _, r := range items(s, "rows") {
			m.Choices = append(m.Choices, Choice{
				ID: str(r, "id"), Title: str(r, "title"), Description: str(r, "description"), Section: str(s, "title"), List: true,
			})
		}
	}
	switch kind {
	case "cta_url":
		p := at(action, "parameters")
		m.Choices = []Choice{{ID: "url", Title: str(p, "display_text"), URL: str(p, "url")}}
	case "location_request_message":
		m.Asks = "location"
	case "request_contact_info":
		m.Asks = "contact"
	}
	return nil
}

// headed puts a header of text or media on a bubble.
func (w *World) headed(m *message, h map[string]any) *fault {
	kind := str(h, "type")
	switch kind {
	case "":
		return nil
	case "text":
		m.Header = str(h, "text")
		return nil
	}
	return w.attach(m, kind, at(h, kind))
}

// templated makes the bubble of a template.
func (w *World) templated(m *message, req map[string]any) *fault {
	t, f := w.pick(req)
	if f != nil {
		return f
	}
	if f := t.fill(req, &m.Bubble); f != nil {
		return f
	}
	m.template, m.category = true, strings.ToLower(t.Category)
	if h := t.component("HEADER"); h == nil || h.Format == "TEXT" {
		return nil
	}
	for _, c := range items(req, "components") {
		if strings.EqualFold(str(c, "type"), "header") {
			return w.headed(m, items(c, "parameters")[0]) // fill made sure that there is one
		}
	}
	return nil
}
