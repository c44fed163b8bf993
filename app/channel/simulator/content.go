// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"strings"
)

// Text is a written message.
type Text struct{ Body string }

func (t Text) put(_ *World, _ *person, d *draft) error {
	if strings.TrimSpace(t.Body) == "" {
		return ErrEmpty
	}
	d.m.Kind, d.m.Text = "text", t.Body
	d.wire["type"] = "text"
	d.wire["text"] = map[string]any{"body": t.Body}
	return nil
}

// Media is a file: by MIME type an image, a video, a sticker (webp), an audio
// message, otherwise a document. Voice marks an audio message as spoken into
// the phone.
type Media struct {
	Bytes                   []byte
	MIME, Filename, Caption string
	Voice, Animated         bool
}

// MaxMedia is the largest file that a sample customer can send.
const MaxMedia = 16 << 20

func (c Media) kind() string {
	mime, _, _ := strings.Cut(c.MIME, ";")
	switch top, _, _ := strings.Cut(mime, "/"); {
	case mime == "image/webp":
		return "sticker"
	case mime == "image/jpeg", mime == "image/png":
		return "image"
	case top == "video", top == "audio":
		return top
	}
	return "document"
}

func (c Media) put(w *World, _ *person, d *draft) error {
	if len(c.Bytes) == 0 {
		return ErrEmpty
	}
	if len(c.Bytes) > MaxMedia {
		return ErrTooLarge
	}
	kind := c.kind()
	f := w.store(medium{bytes: c.Bytes, mime: c.MIME, name: c.Filename})
	part := map[string]any{"id": f.id, "mime_type": c.MIME, "sha256": f.sha, "url": w.mediaURL(f)}
	switch kind {
	case "audio":
		part["voice"] = c.Voice
	case "sticker":
		part["animated"] = c.Animated
	case "document":
		part["filename"] = c.Filename
	}
	if c.Caption != "" && kind != "audio" && kind != "sticker" {
		part["caption"], d.m.Text = c.Caption, c.Caption
	}
	d.m.Kind = kind
	d.m.Media = &Attachment{ID: f.id, MIME: c.MIME, Filename: c.Filename, Size: len(c.Bytes), Length: spoken(c.Bytes), Voice: c.Voice, Animated: c.Animated}
	d.wire["type"] = kind
	d.wire[kind] = part
	return nil
}

// Location is a place; Name, Address and URL may be missing.
type Location struct {
	Latitude, Longitude float64
	Name, Address, URL  string
}

func (l Location) put(_ *World, _ *person, d *draft) error {
	if l.Latitude < -90 || l.Latitude > 90 || l.Longitude < -180 || l.Longitude > 180 {
		return ErrEmpty
	}
	d.m.Kind, d.m.Location = "location", &l
	d.wire["type"] = "location"
	part := map[string]any{"latitude": l.Latitude, "longitude": l.Longitude}
	set(part, "name", l.Name)
	set(part, "address", l.Address)
	set(part, "url", l.URL)
	d.wire["location"] = part
	return nil
}

// Contact is a card from the address book.
type Contact struct{ Name, Phone, Company string }

func (c Contact) put(_ *World, _ *person, d *draft) error {
	if strings.TrimSpace(c.Name) == "" {
		return ErrEmpty
	}
	first, last, _ := strings.Cut(c.Name, " ")
	name := map[string]any{"first_name": first, "formatted_name": c.Name}
	set(name, "last_name", last)
	card := map[string]any{"name": name}
	if c.Company != "" {
		card["org"] = map[string]any{"company": c.Company}
	}
	if n, ok := digits(c.Phone); ok {
		card["phones"] = []any{map[string]any{"phone": c.Phone, "wa_id": n, "type": "MOBILE"}}
	}
	d.m.Kind, d.m.Contact = "contact", &c
	d.wire["type"], d.wire["contacts"] = "contacts", []any{card}
	return nil
}

// SharePhone answers a request for the customer's number; Message is the
// request, if there was one.
type SharePhone struct{ Message string }

func (s SharePhone) put(w *World, p *person, d *draft) error {
	d.m.Kind, d.m.Contact = "contact", &Contact{Name: p.Name, Phone: "+" + p.Phone}
	d.wire["type"] = "contacts"
	d.wire["contacts"] = []any{map[string]any{
		"origin": "contact_request",
		"phones": []any{map[string]any{"phone": "+" + p.Phone, "wa_id": p.Phone, "type": "CELL"}},
	}}
	return answer(w, p, d, s.Message)
}

// Order is a basket from a catalogue.
type Order struct {
	Catalog, Note string
	Items         []OrderItem
}

// OrderItem is one line of an order.
type OrderItem struct {
	Product  string
	Quantity int
	Price    float64
	Currency string
}

func (o Order) put(_ *World, _ *person, d *draft) error {
	if len(o.Items) == 0 {
		return ErrEmpty
	}
	items := make([]any, len(o.Items))
	for i, it := range o.Items {
		items[i] = map[string]any{"product_retailer_id": it.Product, "quantity": it.Quantity, "item_price": it.Price, "currency": it.Currency}
	}
	d.m.Kind, d.m.Order, d.m.Text = "order", &o, o.Note
	d.wire["type"] = "order"
	d.wire["order"] = map[string]any{"catalog_id": o.Catalog, "text": o.Note, "product_items": items}
	return nil
}

// Unsupported is a message of a kind that the network does not hand to
// businesses; Type names it ("poll", "view_once").
type Unsupported struct{ Type string }

func (u Unsupported) put(_ *World, _ *person, d *draft) error {
	d.m.Kind, d.m.Text = "unsupported", u.Type
	d.wire["type"] = "unsupported"
	d.wire["unsupported"] = map[string]any{"type": u.Type}
	d.wire["errors"] = []errorJSON{failure(131051, "Message type is currently not supported.", "")}
	return nil
}

func set(m map[string]any, key, v string) {
	if v != "" {
		m[key] = v
	}
}
