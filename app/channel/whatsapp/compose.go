// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"regexp"
	"strings"

	"kith/app"
	"kith/app/channel"
)

// compose writes the body of a message; a file is attached once it has an id. The message was checked.
func compose(m *channel.Outgoing) (object, error) {
	body := object{"messaging_product": "whatsapp"}
	if !address(body, m.To) {
		return nil, refuse(AdvicePhone, "This contact has no address at WhatsApp.")
	}
	if m.Callback != "" {
		body["biz_opaque_callback_data"] = m.Callback
	}
	if m.ReplyTo != "" && m.Type != app.TypeReaction {
		body["context"] = object{"message_id": m.ReplyTo}
	}
	c := &m.Content
	name := wireType(m.Type)
	body["type"] = name
	switch m.Type {
	case app.TypeText:
		text := object{"body": c.Text}
		if strings.Contains(c.Text, "https://") || strings.Contains(c.Text, "http://") {
			text["preview_url"] = true
		}
		body[name] = text
	case app.TypeReaction:
		body[name] = object{"message_id": m.React, "emoji": c.Text}
	case app.TypeLocation:
		body[name] = composeLocation(c.Location)
	case app.TypeContacts:
		body[name] = composeCards(c.Cards)
	case app.TypeTemplate:
		body[name] = composeTemplate(c)
	case app.TypeInteractive:
		body[name] = composeInteractive(c)
	default: // a file: see attach
	}
	return body, nil
}

// wireType is WhatsApp's name of a type.
func wireType(t app.MessageType) string {
	if t == app.TypeVoice {
		return "audio"
	}
	return t.String()
}

// address chooses the recipient: a phone number where there is one, because "to" wins at Meta and every kind of
// message may go there; else the business-scoped id (PROTOCOLS 1.3). It reports whether there is any.
func address(body object, to []app.Identity) bool {
	if len(to) > 0 && to[0].Kind == app.IdentityGroup && to[0].Value != "" {
		body["recipient_type"], body["to"] = "group", to[0].Value
		return true
	}
	find := func(kind app.IdentityKind) string {
		for _, id := range to {
			if id.Kind == kind && id.Value != "" {
				return id.Value
			}
		}
		return ""
	}
	body["recipient_type"] = "individual"
	if v := find(app.IdentityWaID); v != "" {
		body["to"] = "+" + strings.TrimPrefix(v, "+") // without it Meta may add the country of the business
		return true
	}
	if v := find(app.IdentityPhone); v != "" {
		body["to"] = v
		return true
	}
	for _, kind := range []app.IdentityKind{app.IdentityBSUID, app.IdentityParent} {
		if v := find(kind); v != "" {
			body["recipient"] = v
			return true
		}
	}
	return false
}

// attach puts the id of an uploaded file into the body.
func attach(body object, m *channel.Outgoing, id string) {
	file := object{"id": id}
	if m.Type == app.TypeTemplate {
		attachHeader(body, m, file)
		return
	}
	switch m.Type {
	case app.TypeDocument:
		file["filename"] = fileName(m.Type, &m.Files[0])
	case app.TypeVoice:
		file["voice"] = true
	default:
	}
	if m.Content.Text != "" {
		file["caption"] = m.Content.Text
	}
	body[wireType(m.Type)] = file
}

func composeLocation(l *app.Location) object {
	out := object{"latitude": l.Latitude, "longitude": l.Longitude}
	set(out, "name", l.Name)
	set(out, "address", l.Address)
	return out
}

func set(o object, key, value string) {
	if value != "" {
		o[key] = value
	}
}

var formDay = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

func composeCards(cards []app.Card) []object {
	out := make([]object, 0, len(cards))
	for _, c := range cards {
		first, _, _ := strings.Cut(c.Name, " ") // Meta wants a part of the name besides the whole
		card := object{"name": object{"formatted_name": c.Name, "first_name": first}}
		list := func(key, member string, values []string) {
			var all []object
			for _, v := range values {
				all = append(all, object{member: v})
			}
			if all != nil {
				card[key] = all
			}
		}
		list("phones", "phone", c.Phones)
		list("emails", "email", c.Emails)
		list("addresses", "street", c.Addresses)
		list("urls", "url", c.URLs)
		if c.Org != "" {
			card["org"] = object{"company": c.Org}
		}
		if formDay.MatchString(c.Birthday) {
			card["birthday"] = c.Birthday
		}
		out = append(out, card)
	}
	return out
}

func composeInteractive(c *app.Content) object {
	i := c.Interactive
	out := object{"type": "button", "body": object{"text": c.Text}}
	if i.Header != "" {
		out["header"] = object{"type": "text", "text": i.Header}
	}
	if i.Footer != "" {
		out["footer"] = object{"text": i.Footer}
	}
	if len(i.Buttons) > 0 {
		var buttons []object
		for _, b := range i.Buttons {
			buttons = append(buttons, object{"type": "reply", "reply": object{"id": b.ID, "title": b.Title}})
		}
		out["action"] = object{"buttons": buttons}
		return out
	}
	var rows []object
	for _, r := range i.Rows {
		row := object{"id": r.ID, "title": r.Title}
		set(row, "description", r.Description)
		rows = append(rows, row)
	}
	out["type"] = "list"
	out["action"] = object{"button": i.Button, "sections": []object{{"rows": rows}}}
	return out
}
