// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"errors"
	"strconv"
	"strings"

	"kith/app"
)

var errPart = errors.New("lacks the part of that name")

// fill reads type, content, media and context of a message.
func fill(w *wireMessage, m *app.InboundMessage) error {
	readContext(w.Context, m)
	if w.Referral != nil {
		m.Content.Referral = referral(w.Referral)
	}
	switch w.Type {
	case "edit":
		return fillEdit(w, m)
	case "revoke":
		if w.Revoke == nil || w.Revoke.Original == "" {
			return errPart
		}
		m.Type, m.Action, m.Target = app.TypeRevoke, app.ActRevoke, w.Revoke.Original.cut(maxID)
		return nil
	case "reaction":
		if w.Reaction == nil || w.Reaction.MessageID == "" {
			return errPart
		}
		m.Type, m.Action, m.Target = app.TypeReaction, app.ActReact, w.Reaction.MessageID.cut(maxID)
		m.Content.Text = w.Reaction.Emoji.cut(64)
		return nil
	case "system":
		return fillSystem(w, m)
	case "request_welcome":
		m.Type, m.Content.System = app.TypeSystem, "request_welcome"
		return nil
	}
	return fillParts(w.Type, &w.wireParts, w.Errors, m)
}

// fillParts reads the content of a message or of an edit.
func fillParts(kind text, p *wireParts, errs []wireError, m *app.InboundMessage) error {
	switch kind {
	case "text":
		if p.Text == nil {
			return errPart
		}
		m.Type, m.Content.Text = app.TypeText, cut(string(p.Text.Body), maxText)
	case "image", "video", "audio", "document", "sticker", "voice":
		return fillMedia(kind, p, m)
	case "location":
		if p.Location == nil {
			return errPart
		}
		m.Type, m.Content.Location = app.TypeLocation, location(p.Location)
	case "contacts":
		if len(p.Contacts) == 0 {
			return errPart
		}
		m.Type, m.Content.Cards = app.TypeContacts, cards(p.Contacts)
	case "interactive":
		return fillInteractive(p.Interactive, m)
	case "button":
		if p.Button == nil {
			return errPart
		}
		m.Type = app.TypeChoice
		m.Content.Choice = &app.Choice{Kind: "template", ID: p.Button.Payload.cut(maxTitle), Title: p.Button.Text.cut(maxTitle)}
	case "order":
		if p.Order == nil {
			return errPart
		}
		m.Type, m.Content.Order = app.TypeOrder, order(p.Order)
		m.Content.Text = cut(string(p.Order.Text), maxText)
	default:
		fillUnsupported(kind, p, errs, m)
	}
	return nil
}

// fillUnsupported keeps a message that WhatsApp could not pass on, or whose type is new to kith.
func fillUnsupported(kind text, p *wireParts, errs []wireError, m *app.InboundMessage) {
	m.Type = app.TypeUnsupported
	m.Content.Detail = kind.cut(64)
	if p.Unsupported != nil && p.Unsupported.Type != "" {
		m.Content.Detail = p.Unsupported.Type.cut(64)
	}
	if len(errs) > 0 {
		m.Content.Code = errs[0].number()
		m.Content.Text = firstOf(errs[0].Data.Details, errs[0].Title, errs[0].Message).cut(maxTitle)
	}
}

func firstOf(texts ...text) text {
	for _, t := range texts {
		if strings.TrimSpace(string(t)) != "" {
			return t
		}
	}
	return ""
}

func fillEdit(w *wireMessage, m *app.InboundMessage) error {
	if w.Edit == nil || w.Edit.Original == "" {
		return errPart
	}
	e := &w.Edit.Message
	if e.Type != "" {
		if err := fillParts(e.Type, &e.wireParts, nil, m); err != nil {
			return err
		}
	}
	if e.Context != nil {
		readContext(e.Context, m)
	}
	m.Type, m.Action, m.Target = app.TypeEdit, app.ActEdit, w.Edit.Original.cut(maxID)
	return nil
}

func readContext(c *wireContext, m *app.InboundMessage) {
	if c == nil {
		return
	}
	m.ReplyTo = c.ID.cut(maxID)
	switch {
	case c.Frequently:
		m.Forwarded = app.ForwardedOften
	case c.Forwarded:
		m.Forwarded = app.ForwardedOnce
	}
	if c.Product != nil {
		m.Content.Product = &app.Product{Catalog: c.Product.Catalog.cut(maxID), ID: c.Product.ID.cut(maxID)}
	}
}

func referral(r *wireReferral) *app.Referral {
	return &app.Referral{
		URL: r.URL.cut(maxTitle), ID: r.ID.cut(maxID), Kind: r.Type.cut(64), Headline: r.Headline.cut(maxTitle),
		Body: r.Body.cut(4096), Click: r.Click.cut(maxTitle),
	}
}

func fillMedia(kind text, p *wireParts, m *app.InboundMessage) error {
	types := map[text]struct {
		t app.MessageType
		w *wireMedia
	}{
		"image": {app.TypeImage, p.Image}, "video": {app.TypeVideo, p.Video}, "audio": {app.TypeAudio, p.Audio},
		"voice": {app.TypeVoice, p.Audio}, "document": {app.TypeDocument, p.Document}, "sticker": {app.TypeSticker, p.Sticker},
	}
	t, f := types[kind].t, types[kind].w
	if f == nil || f.ID == "" {
		return errPart
	}
	if t == app.TypeAudio && f.Voice {
		t = app.TypeVoice
	}
	m.Type = t
	m.Content.Text = cut(string(f.Caption), maxText)
	m.Media = append(m.Media, app.InboundMedia{
		ProviderID: f.ID.cut(maxID), MIME: f.MIME.cut(maxName), Name: f.Filename.cut(maxName), SHA256: f.SHA256.cut(128),
		Voice: t == app.TypeVoice, Animated: f.Animated,
	})
	return nil
}

func location(l *wireLocation) *app.Location {
	return &app.Location{
		Latitude: float64(l.Latitude), Longitude: float64(l.Longitude), Name: l.Name.cut(maxTitle),
		Address: l.Address.cut(maxTitle), URL: l.URL.cut(maxTitle),
	}
}

func order(o *wireOrder) *app.Order {
	out := &app.Order{Catalog: o.Catalog.cut(maxID)}
	for _, it := range o.Items {
		n, err := strconv.Atoi(string(it.Quantity))
		if err != nil {
			n = 0
		}
		out.Items = append(out.Items, app.OrderItem{
			Product: it.Product.cut(maxID), Quantity: n, Price: it.Price.cut(64), Currency: it.Currency.cut(16),
		})
	}
	return out
}
