// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"encoding/json"
	"errors"

	"kith/app"
)

type wireInteractive struct {
	Type   text `json:"type"`
	Button *struct {
		ID    text `json:"id"`
		Title text `json:"title"`
	} `json:"button_reply"`
	List *struct {
		ID          text `json:"id"`
		Title       text `json:"title"`
		Description text `json:"description"`
	} `json:"list_reply"`
	Flow *struct {
		Name     text `json:"name"`
		Body     text `json:"body"`
		Response text `json:"response_json"`
	} `json:"nfm_reply"`
	CallPermission json.RawMessage `json:"call_permission_reply"`
	Payment        json.RawMessage `json:"payment_method"`
}

// fillInteractive reads what a customer pressed, chose or filled in.
func fillInteractive(raw json.RawMessage, m *app.InboundMessage) error {
	if len(raw) == 0 {
		return errPart
	}
	var w wireInteractive
	if err := json.Unmarshal(raw, &w); err != nil {
		return errors.New("has an unknown form")
	}
	c := &app.Choice{Kind: w.Type.cut(64)}
	switch {
	case w.Button != nil:
		c.Kind, c.ID, c.Title = "button", w.Button.ID.cut(maxTitle), w.Button.Title.cut(maxTitle)
	case w.List != nil:
		c.Kind, c.ID, c.Title = "list", w.List.ID.cut(maxTitle), w.List.Title.cut(maxTitle)
		c.Description = w.List.Description.cut(maxTitle)
	case w.Flow != nil:
		c.Kind, c.ID, c.Title = "flow", w.Flow.Name.cut(maxName), w.Flow.Body.cut(maxTitle)
		c.Fields = flowFields(w.Flow.Response)
	case len(w.CallPermission) > 0:
		c.Kind, c.Fields = "call_permission", flatten(w.CallPermission, nil)
		c.Title = valueOf(c.Fields, "response")
	case len(w.Payment) > 0:
		c.Kind, c.Fields = "payment", flatten(w.Payment, nil)
	default:
		c.Fields = flatten(raw, nil)
	}
	m.Type, m.Content.Choice = app.TypeChoice, c
	return nil
}

// flowFields reads the answers of a flow. They come as a text that usually, not always, holds a JSON object; the token
// inside is ours and says nothing to a person.
func flowFields(response text) []app.Field {
	if response == "" {
		return nil
	}
	raw := []byte(response)
	if !json.Valid(raw) {
		return []app.Field{{Name: "response", Value: response.cut(maxTitle)}}
	}
	return flatten(raw, func(key string) bool { return key == "flow_token" })
}

func valueOf(fields []app.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
