// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"encoding/json"
	"time"

	"kith/app"
)

// The kinds of system messages, as Content.System keeps them; the catalogues have a sentence for each under
// "channel.system.".
const (
	SystemChangedNumber   = "user_changed_number"
	SystemChangedUserID   = "user_changed_user_id"
	SystemIdentityChanged = "customer_identity_changed"
	SystemWelcome         = "request_welcome"
)

func fillSystem(w *wireMessage, m *app.InboundMessage) error {
	if w.System == nil {
		return errPart
	}
	m.Type, m.Content.System = app.TypeSystem, w.System.Type.cut(64)
	m.Content.Text = w.System.Body.cut(maxTitle)
	return nil
}

// system follows a person to a new number or user id. The message is then the new identity's, so that an old number,
// which WhatsApp may give to somebody else, leads nowhere.
func (r *reader) system(w *wireMessage, m *app.InboundMessage) {
	s := w.System
	at := w.Timestamp.or(r.at)
	switch s.Type {
	case SystemChangedNumber, "customer_changed_number":
		s.Type = SystemChangedNumber
		now := firstOf(s.WaID, s.NewWaID)
		if digitsOf(now) == "" {
			return
		}
		r.changed(app.IdentityWaID, digitsOf(w.From), digitsOf(now), at)
		r.changed(app.IdentityPhone, phoneOf(digitsOf(w.From)), phoneOf(digitsOf(now)), at)
		r.changed(app.IdentityBSUID, bsuid(w.FromUserID), bsuid(s.UserID), at)
		m.Person = newPerson(s.UserID, s.ParentUserID, now, "", "")
	case SystemChangedUserID:
		if bsuid(s.UserID) == "" {
			return
		}
		r.changed(app.IdentityBSUID, bsuid(w.FromUserID), bsuid(s.UserID), at)
		// The page leaves open whether "from" is the old or the new number; it leads to the same person.
		m.Person = newPerson(s.UserID, s.ParentUserID, firstOf(s.WaID, w.From), "", "")
	}
}

func (r *reader) changed(kind app.IdentityKind, from, to string, at time.Time) {
	if from == "" || to == "" || from == to {
		return
	}
	r.in.Changes = append(r.in.Changes, app.IdentityChange{
		Old: app.Identity{Kind: kind, Value: from}, New: app.Identity{Kind: kind, Value: to}, At: at,
	})
}

type wirePair struct {
	Previous text `json:"previous"`
	Current  text `json:"current"`
}

// idUpdates reads the field "user_id_update": the person got another business-scoped id.
func (r *reader) idUpdates() {
	for _, raw := range r.v.IDUpdates {
		var w struct {
			UserID    wirePair `json:"user_id"`
			Parent    wirePair `json:"parent_user_id"`
			Timestamp stamp    `json:"timestamp"`
		}
		if json.Unmarshal(raw, &w) != nil || bsuid(w.UserID.Previous) == "" || bsuid(w.UserID.Current) == "" {
			r.lost("A change of a user id lacks the old or the new id.", raw)
			continue
		}
		at := w.Timestamp.or(r.at)
		r.changed(app.IdentityBSUID, bsuid(w.UserID.Previous), bsuid(w.UserID.Current), at)
		if formParent.MatchString(string(w.Parent.Previous)) && formParent.MatchString(string(w.Parent.Current)) {
			r.changed(app.IdentityParent, string(w.Parent.Previous), string(w.Parent.Current), at)
		}
	}
}

// preferences reads the field "user_preferences": a customer stops or resumes marketing.
func (r *reader) preferences() {
	for _, raw := range r.v.Preferences {
		var w struct {
			WaID         text  `json:"wa_id"`
			UserID       text  `json:"user_id"`
			ParentUserID text  `json:"parent_user_id"`
			Category     text  `json:"category"`
			Value        text  `json:"value"`
			Detail       text  `json:"detail"`
			Timestamp    stamp `json:"timestamp"`
		}
		known := json.Unmarshal(raw, &w) == nil && w.Category == "marketing_messages" && (w.Value == "stop" || w.Value == "resume")
		p := r.person(w.UserID, w.ParentUserID, w.WaID)
		if !known || len(p.Identities) == 0 {
			r.lost("A preference of a customer has an unknown form.", raw)
			continue
		}
		r.in.Preferences = append(r.in.Preferences, app.Preference{
			Person: p, Stop: w.Value == "stop", Detail: w.Detail.cut(maxTitle), At: w.Timestamp.or(r.at),
		})
	}
}
