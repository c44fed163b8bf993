// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"encoding/json"
	"strings"

	"kith/app"
)

// echoes reads the field "smb_message_echoes": what the business typed in its phone app. kith shows it and must not send
// it again.
func (r *reader) echoes() {
	for _, raw := range r.v.Echoes {
		w, ok := r.wire(raw)
		if !ok {
			continue
		}
		r.keep(&w, app.InboundMessage{
			Direction: app.Out, Origin: app.FromPhoneApp, Status: app.StatusSent,
			Person: r.person(w.ToUserID, w.ToParentUserID, w.To),
		}, raw)
	}
}

var pastStatuses = map[string]app.Status{
	"PENDING": app.StatusUnknown, "SENT": app.StatusSent, "DELIVERED": app.StatusDelivered, "READ": app.StatusRead,
	"PLAYED": app.StatusPlayed, "ERROR": app.StatusFailed,
}

// history reads the field "history": threads from before the number was connected, and later their files, which come
// as plain messages.
func (r *reader) history() {
	for _, raw := range r.v.History {
		var w struct {
			Threads []wireThread `json:"threads"`
			Errors  []wireError  `json:"errors"`
		}
		if json.Unmarshal(raw, &w) != nil {
			r.lost("A part of the history has an unknown form.", raw)
			continue
		}
		if len(w.Errors) > 0 {
			r.v.Errors = w.Errors
			r.errors()
		}
		for _, t := range w.Threads {
			p := r.person(t.UserID, "", t.ID)
			r.thread = &t
			for _, m := range t.Messages {
				r.past(m, p)
			}
			r.thread = nil
		}
	}
	for _, m := range r.v.Messages {
		r.past(m, app.Person{})
	}
}

// past reads one message of the history; p is the customer of its thread, when told.
func (r *reader) past(raw json.RawMessage, p app.Person) {
	w, ok := r.wire(raw)
	if !ok {
		return
	}
	m := app.InboundMessage{Direction: app.In, Origin: app.FromHistory, Past: true, Person: p}
	own := digitsOf(r.v.Metadata.DisplayPhone)
	switch {
	case own != "" && digitsOf(w.From) == own:
		m.Direction = app.Out
		if len(p.Identities) == 0 {
			m.Person = r.person(w.ToUserID, w.ToParentUserID, w.To)
		}
	case len(p.Identities) == 0:
		m.Person = r.person(w.FromUserID, w.FromParentUserID, w.From)
	}
	if m.Direction == app.Out {
		m.Status = app.StatusSent
		if s, ok := pastStatuses[strings.ToUpper(string(w.HistoryContext.Status))]; ok {
			m.Status = s
		}
	}
	if w.Type == placeholder {
		// The file itself may come later, under the same id: the placeholder must not take its place.
		w.ID += "#" + placeholder
	}
	r.keep(&w, m, raw)
}

// placeholder is the type of a message of the history whose file comes separately, or never.
const placeholder = "media_placeholder"
