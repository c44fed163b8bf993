// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"bytes"
	"encoding/json"
	"slices"
)

// alone returns the webhook that Meta would have sent had it spoken of this part of the change only. It is what a replay
// reads: in a part by itself nobody could tell any more to whom and to which number it belongs.
func (r *reader) alone(part json.RawMessage) []byte {
	value := part
	if list := r.listOf(part); list != "" {
		around := map[string]any{"metadata": r.v.Metadata, list: []json.RawMessage{part}}
		if list == "history" && r.thread != nil {
			thread := wireThread{ID: r.thread.ID, UserID: r.thread.UserID, Messages: []json.RawMessage{part}}
			around[list] = []map[string]any{{"threads": []wireThread{thread}}}
		}
		if cards := r.cardsIn(part); len(cards) > 0 {
			around["contacts"] = cards
		}
		if b, err := json.Marshal(around); err == nil {
			value = b
		}
	}
	entry := wireEntry{Changes: []wireChange{{Field: text(r.field), Value: value}}}
	if !r.at.IsZero() {
		entry.Time = stamp(r.at.Unix())
	}
	out, err := json.Marshal(wireBody{Object: webhookObject, Entry: []wireEntry{entry}})
	if err != nil {
		return slices.Clone(part)
	}
	return out
}

// listOf returns the name of the list of the change that holds the part, "" when the part is the change itself.
func (r *reader) listOf(part json.RawMessage) string {
	if r.thread != nil {
		return "history"
	}
	lists := map[string][]json.RawMessage{
		"messages": r.v.Messages, "statuses": r.v.Statuses, "message_echoes": r.v.Echoes, "history": r.v.History,
		"calls": r.v.Calls, "user_preferences": r.v.Preferences, "user_id_update": r.v.IDUpdates, "state_sync": r.v.StateSync,
	}
	for name, list := range lists {
		for _, one := range list {
			if len(one) > 0 && len(part) > 0 && &one[0] == &part[0] {
				return name
			}
		}
	}
	return ""
}

// cardsIn returns the cards of the people that the part names. A lone card is of whom the part does not name, too.
func (r *reader) cardsIn(part json.RawMessage) []wireContact {
	if len(r.v.Contacts) == 1 {
		return r.v.Contacts
	}
	named := func(id text) bool { return id != "" && bytes.Contains(part, []byte(id)) }
	var out []wireContact
	for _, c := range r.v.Contacts {
		if named(c.WaID) || named(c.UserID) {
			out = append(out, c)
		}
	}
	return out
}
