// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"encoding/json"
	"strconv"

	"kith/app"
)

type wireCall struct {
	ID         text        `json:"id"`
	From       text        `json:"from"`
	FromUserID text        `json:"from_user_id"`
	To         text        `json:"to"`
	ToUserID   text        `json:"to_user_id"`
	Event      text        `json:"event"`
	Direction  text        `json:"direction"`
	Status     text        `json:"status"`
	Duration   text        `json:"duration"`
	Timestamp  stamp       `json:"timestamp"`
	Errors     []wireError `json:"errors"`
}

// calls reads the field "calls". Each event of a call is a message of its own: its id is the call's id and the event.
func (r *reader) calls() {
	for _, raw := range r.v.Calls {
		var w wireCall
		if json.Unmarshal(raw, &w) != nil || w.ID == "" || w.Event == "" || len(w.ID)+len(w.Event) >= maxID {
			r.lost("A call has an unknown form.", raw)
			continue
		}
		m := app.InboundMessage{
			ExternalID: string(w.ID) + ":" + string(w.Event), Direction: app.In, Origin: app.FromCustomer, Type: app.TypeCall,
			At: w.Timestamp.or(r.at), Person: r.person(w.FromUserID, "", w.From),
		}
		call := &app.Call{ID: string(w.ID), Event: w.Event.cut(64), Status: w.Status.cut(64)}
		if n, err := strconv.Atoi(string(w.Duration)); err == nil && n > 0 {
			call.Seconds = n
		}
		if w.Direction == "BUSINESS_INITIATED" {
			call.Outgoing = true
			m.Direction, m.Origin, m.Status = app.Out, app.FromAPI, app.StatusSent
			m.Person = r.person(w.ToUserID, "", w.To)
		}
		if len(w.Errors) > 0 {
			m.Content.Code = w.Errors[0].number()
			m.Content.Detail = firstOf(w.Errors[0].Data.Details, w.Errors[0].Title, w.Errors[0].Message).cut(maxTitle)
		}
		m.Content.Call = call
		if len(m.Person.Identities) == 0 {
			r.lost("A call does not say with whom it was.", raw)
			continue
		}
		r.in.Messages = append(r.in.Messages, m)
	}
	for _, raw := range r.v.Statuses {
		r.callStatus(raw)
	}
}

// callStatus reads how a call that the business made goes on: RINGING, ACCEPTED, REJECTED.
func (r *reader) callStatus(raw json.RawMessage) {
	var w wireStatus
	if json.Unmarshal(raw, &w) != nil || w.ID == "" || w.Status == "" || len(w.ID)+len(w.Status) >= maxID {
		r.lost("A status of a call has an unknown form.", raw)
		return
	}
	p := r.person(w.RecipientUserID, w.RecipientParent, w.RecipientID)
	if len(p.Identities) == 0 {
		r.lost("A status of a call does not say with whom it was.", raw)
		return
	}
	r.in.Messages = append(r.in.Messages, app.InboundMessage{
		ExternalID: string(w.ID) + ":" + string(w.Status), Direction: app.Out, Origin: app.FromAPI, Status: app.StatusSent,
		Type: app.TypeCall, At: w.Timestamp.or(r.at), Person: p,
		Content: app.Content{Call: &app.Call{ID: string(w.ID), Event: w.Status.cut(64), Outgoing: true}},
	})
}
