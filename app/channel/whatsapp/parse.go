// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"kith/app"
	"kith/app/channel"
)

// webhookObject is what every webhook of WhatsApp says it is about.
const webhookObject = "whatsapp_business_account"

// MaxBody is the largest webhook that is read. Meta sends at most 3 MB.
const MaxBody = 4 << 20

// Bounds of what is kept of one message, in characters.
const (
	maxID    = 512
	maxName  = 256
	maxText  = 65536 // what a person can type; businesses may send 4096
	maxTitle = 1024
)

// Parse reads a webhook body. Everything in it is found again in the result: what is not understood comes back as
// Unreadable. An instant that Meta did not tell is zero. The error wraps channel.ErrBody.
func (Channel) Parse(body []byte) (app.Inbound, error) {
	var in app.Inbound
	b, err := readBody(body)
	if err != nil {
		return in, err
	}
	for _, e := range b.Entry {
		for _, c := range e.Changes {
			r := reader{in: &in, at: e.Time.or(time.Time{}), field: c.Field.cut(maxName), raw: c.Value}
			r.change()
		}
	}
	return in, nil
}

func readBody(body []byte) (wireBody, error) {
	var b wireBody
	if len(body) > MaxBody {
		return b, fmt.Errorf("%d bytes, more than WhatsApp sends: %w", len(body), channel.ErrBody)
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return b, fmt.Errorf("not a WhatsApp webhook: %w", channel.ErrBody)
	}
	if b.Object != webhookObject {
		return b, fmt.Errorf("its object is not whatsapp_business_account: %w", channel.ErrBody)
	}
	return b, nil
}

// Numbers returns the phone number ids that a body speaks of, each once, so that it can be led to the right inbox.
// News about the account name no number.
func Numbers(body []byte) []string {
	b, err := readBody(body)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range b.Entry {
		for _, c := range e.Changes {
			if n := numberOf(c.Value); n != "" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// Concerns reports whether a body speaks of the phone number id and of no other, as nearly all do. It looks for the
// name of the member and reads no JSON; a false says nothing.
func Concerns(body []byte, number string) bool {
	name, want := []byte(`"phone_number_id"`), []byte(`"`+number+`"`)
	found := false
	for {
		_, rest, more := bytes.Cut(body, name)
		if !more {
			return found
		}
		if rest = bytes.TrimLeft(rest, ": \t\r\n"); !bytes.HasPrefix(rest, want) {
			return false
		}
		found, body = true, rest
	}
}

// Only returns the part of a body that speaks of one phone number id or of none. Meta may batch news of several numbers
// of one app.
func Only(body []byte, number string) ([]byte, error) {
	b, err := readBody(body)
	if err != nil {
		return nil, err
	}
	for i := range b.Entry {
		b.Entry[i].Changes = slices.DeleteFunc(b.Entry[i].Changes, func(c wireChange) bool {
			n := numberOf(c.Value)
			return n != "" && n != number
		})
	}
	out, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("writing the part for one number: %w", err)
	}
	return out, nil
}

func numberOf(value json.RawMessage) string {
	var v struct {
		Metadata struct {
			PhoneNumberID text `json:"phone_number_id"`
		} `json:"metadata"`
	}
	if json.Unmarshal(value, &v) != nil {
		return ""
	}
	return v.Metadata.PhoneNumberID.cut(maxID)
}

// reader reads one change.
type reader struct {
	in    *app.Inbound
	at    time.Time // of the entry
	field string
	raw   json.RawMessage
	v     wireValue
	// thread is whose part of the history is read.
	thread *wireThread
}

// change reads the change by its field. Fields about the account become notices.
func (r *reader) change() {
	if len(r.raw) == 0 || string(r.raw) == "null" {
		r.lost("A change of the kind "+r.field+" has no value.", nil)
		return
	}
	people := map[string]func(){
		"messages":           r.messages,
		"smb_message_echoes": r.echoes,
		"history":            r.history,
		"smb_app_state_sync": r.addressBook,
		"calls":              r.calls,
		"user_preferences":   r.preferences,
		"user_id_update":     r.idUpdates,
	}
	read, ok := people[r.field]
	if !ok {
		r.notice()
		return
	}
	if err := json.Unmarshal(r.raw, &r.v); err != nil {
		r.lost("A change of the kind "+r.field+" has an unknown form.", r.raw)
		return
	}
	if r.v.empty() {
		r.lost("A change of the kind "+r.field+" holds nothing that kith knows.", r.raw)
		return
	}
	r.errors()
	read()
}

func (v *wireValue) empty() bool {
	return len(v.Messages)+len(v.Statuses)+len(v.Echoes)+len(v.History)+len(v.Calls)+len(v.Preferences)+
		len(v.IDUpdates)+len(v.StateSync)+len(v.Errors) == 0
}

// lost keeps what could not be read, with a reason that holds nothing of what the customer wrote.
func (r *reader) lost(reason string, raw json.RawMessage) {
	r.in.Unreadable = append(r.in.Unreadable, app.Unread{Reason: reason, Raw: r.alone(raw)})
}

// messages reads the field "messages": messages and statuses.
func (r *reader) messages() {
	for _, raw := range r.v.Messages {
		r.message(raw)
	}
	r.statuses()
}

// message reads one message that a customer sent.
func (r *reader) message(raw json.RawMessage) {
	w, ok := r.wire(raw)
	if !ok {
		return
	}
	m := app.InboundMessage{
		Direction: app.In, Origin: app.FromCustomer,
		Person: r.person(w.FromUserID, w.FromParentUserID, w.From),
	}
	if w.System != nil {
		r.system(&w, &m)
	}
	r.keep(&w, m, raw)
}

// wire reads the JSON of one message; ok is false when it was kept as unreadable.
func (r *reader) wire(raw json.RawMessage) (w wireMessage, ok bool) {
	if err := json.Unmarshal(raw, &w); err != nil {
		r.lost("A message has an unknown form.", raw)
		return w, false
	}
	if w.ID == "" || len(w.ID) > maxID {
		r.lost("A message has no id.", raw)
		return w, false
	}
	return w, true
}

// keep fills in what all messages have and appends the message.
func (r *reader) keep(w *wireMessage, m app.InboundMessage, raw json.RawMessage) {
	if len(m.Person.Identities) == 0 {
		r.lost("A message does not say who it is from.", raw)
		return
	}
	m.ExternalID = string(w.ID)
	m.At = w.Timestamp.or(r.at)
	if err := fill(w, &m); err != nil {
		r.lost("A message of the type "+w.Type.cut(64)+" "+err.Error()+".", raw)
		return
	}
	if w.GroupID != "" {
		m.Content.Detail = groupPrefix + w.GroupID.cut(maxID)
	}
	if m.Past && m.Direction == app.In {
		m.Status = app.StatusNone
	}
	r.in.Messages = append(r.in.Messages, m)
}

// groupPrefix starts Content.Detail of a message that was written in a group. Its Person is who wrote it.
const groupPrefix = "group:"

func digest(field string, raw []byte) [16]byte {
	h := sha256.New()
	h.Write([]byte(field))
	h.Write([]byte{'|'})
	h.Write(raw)
	return [16]byte(h.Sum(nil)[:16])
}
