// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"kith/app"
	"kith/app/channel"
)

// personal are the members that name people. Notices are about the account: they outlive an erasure, so they must not
// hold whom it concerns.
var personal = []string{
	"wa_id", "user_id", "parent_user_id", "from", "from_user_id", "to", "recipient_id", "recipient_user_id", "input",
	"profile", "username", "contacts", "participants", "added_participants", "removed_participants", "failed_participants",
	"phone_number", "session", "connection", "sdp", "metadata", "messaging_product",
}

// notice turns news about account, number or templates, and every field that kith does not know, into a notice with the
// details flattened (PROTOCOLS 1.6).
func (r *reader) notice() {
	fields := flatten(r.raw, func(key string) bool { return slices.Contains(personal, key) })
	event := ""
	for _, name := range []string{
		"event", "decision", "alert_info.alert_type", "new_quality_score", "new_category", "type", "groups.0.type",
	} {
		if event = valueOf(fields, name); event != "" {
			break
		}
	}
	topic := r.field
	if topic == "" {
		topic = "unknown"
	}
	r.in.Notices = append(r.in.Notices, app.Notice{
		Topic: topic, Level: level(topic, event, fields), Event: event, Fields: fields, At: r.at, Digest: digest(r.field, r.raw),
	})
}

// errors turns errors without messages into notices: something is wrong with the account or the number.
func (r *reader) errors() {
	if len(r.v.Errors) == 0 {
		return
	}
	for i := range r.v.Errors {
		e := &r.v.Errors[i]
		code := e.number()
		n := app.Notice{
			Topic: "errors", Level: app.LevelWarning, Event: strconv.Itoa(code), At: r.at,
			Digest: digest(r.field+"|"+strconv.Itoa(i), r.raw),
		}
		if verdictOf(code).class == channel.Stop {
			n.Level = app.LevelAlarm
		}
		for _, f := range []app.Field{
			{Name: "title", Value: firstOf(e.Title, e.Message).cut(maxTitle)},
			{Name: "details", Value: e.Data.Details.cut(maxTitle)},
			{Name: "field", Value: r.field},
			{Name: "advice", Value: verdictOf(code).advice},
		} {
			if f.Value != "" {
				n.Fields = append(n.Fields, f)
			}
		}
		r.in.Notices = append(r.in.Notices, n)
	}
}

// Levels of events by topic; what is not listed is for information.
var (
	alarms = map[string][]string{
		"account_update": {
			"SCHEDULE_FOR_DISABLE", "DISABLE", "ACCOUNT_RESTRICTION", "ACCOUNT_VIOLATION", "ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED",
			"PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED",
		},
		"account_review_update": {"REJECTED"},
		"account_alerts":        {"CRITICAL"},
	}
	warnings = map[string][]string{
		"message_template_status_update": {
			"REJECTED", "PAUSED", "DISABLED", "FLAGGED", "LIMIT_EXCEEDED", "LOCKED", "PENDING_DELETION", "DELETED",
		},
		"message_template_quality_update": {"RED", "YELLOW"},
		"phone_number_quality_update":     {"FLAGGED", "DOWNGRADE"},
		"phone_number_name_update":        {"REJECTED", "DECLINED"},
		"account_alerts":                  {"WARNING"},
		"account_update":                  {"DISABLED_UPDATE"},
		"group_status_update":             {"group_suspend"},
	}
)

func level(topic, event string, fields []app.Field) app.NoticeLevel {
	state := event
	switch {
	case topic == "account_update" && event == "DISABLED_UPDATE":
		if state = valueOf(fields, "ban_info.waba_ban_state"); state == "REINSTATE" {
			return app.LevelInfo
		}
	case topic == "account_alerts":
		state = strings.ToUpper(valueOf(fields, "alert_info.alert_severity"))
	case topic == "template_category_update" || topic == "security": // a new price, or somebody asks for the PIN
		return app.LevelWarning
	}
	switch {
	case slices.Contains(alarms[topic], state):
		return app.LevelAlarm
	case slices.Contains(warnings[topic], state) || slices.Contains(warnings[topic], event):
		return app.LevelWarning
	}
	return app.LevelInfo
}

// addressBook reads the field "smb_app_state_sync": names from the phone of the business. Removals are left alone:
// kith's contacts are its own.
func (r *reader) addressBook() {
	for _, raw := range r.v.StateSync {
		var w struct {
			Type    text `json:"type"`
			Action  text `json:"action"`
			Contact struct {
				Full     text `json:"full_name"`
				First    text `json:"first_name"`
				Phone    text `json:"phone_number"`
				UserID   text `json:"user_id"`
				Username text `json:"username"`
			} `json:"contact"`
		}
		if json.Unmarshal(raw, &w) != nil {
			r.lost("An entry of the address book has an unknown form.", raw)
			continue
		}
		p := newPerson(w.Contact.UserID, "", w.Contact.Phone, w.Contact.Username, firstOf(w.Contact.Full, w.Contact.First))
		switch {
		case w.Action == "remove":
		case w.Type != "contact" || len(p.Identities) == 0:
			r.lost("An entry of the address book is of an unknown kind.", raw)
		default:
			r.in.People = append(r.in.People, p)
		}
	}
}
