// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// The envelope of a webhook:
//
//	{"object":"whatsapp_business_account","entry":[{"id":WABA,"changes":[{"value":{...},"field":"messages"}]}]}
type envelope struct {
	Object string  `json:"object"`
	Entry  []entry `json:"entry"`
}

type entry struct {
	ID      string       `json:"id"`
	Changes []changeJSON `json:"changes"`
}

type changeJSON struct {
	Value value  `json:"value"`
	Field string `json:"field"`
}

type value struct {
	Product      string           `json:"messaging_product"`
	Metadata     metadata         `json:"metadata"`
	Contacts     []contactJSON    `json:"contacts,omitempty"`
	Messages     []map[string]any `json:"messages,omitempty"`
	Statuses     []statusJSON     `json:"statuses,omitempty"`
	UserIDUpdate []map[string]any `json:"user_id_update,omitempty"`
}

type metadata struct {
	DisplayPhone  string `json:"display_phone_number"`
	PhoneNumberID string `json:"phone_number_id"`
}

type contactJSON struct {
	Profile profile `json:"profile"`
	WaID    string  `json:"wa_id,omitempty"`
	UserID  string  `json:"user_id,omitempty"`
}

type profile struct {
	Name     string `json:"name,omitempty"`
	Username string `json:"username,omitempty"`
}

type statusJSON struct {
	ID              string       `json:"id"`
	Status          string       `json:"status"`
	Timestamp       string       `json:"timestamp"`
	RecipientID     string       `json:"recipient_id,omitempty"`
	RecipientUserID string       `json:"recipient_user_id,omitempty"`
	Opaque          string       `json:"biz_opaque_callback_data,omitempty"`
	Pricing         *pricingJSON `json:"pricing,omitempty"`
	Errors          []errorJSON  `json:"errors,omitempty"`
}

type pricingJSON struct {
	Billable bool   `json:"billable"`
	Model    string `json:"pricing_model"`
	Type     string `json:"type"`
	Category string `json:"category"`
}

type errorJSON struct {
	Code    int       `json:"code"`
	Title   string    `json:"title"`
	Message string    `json:"message"`
	Data    errorData `json:"error_data"`
	Href    string    `json:"href,omitempty"`
}

type errorData struct {
	Details string `json:"details"`
}

// change is one value on its way to the webhook. Changes with the same group
// travel in one POST.
type change struct {
	field string
	value value
	group uint64
	mine  []string // messages that the customer sees delivered when the hook answers 200
}

// blank is a value with only the number's metadata.
func (w *World) blank() value {
	return value{Product: "whatsapp", Metadata: metadata{w.o.DisplayPhone, w.o.PhoneNumberID}}
}

// encode writes the bytes that Meta would send, and signs: JSON in which every
// character outside ASCII, and every slash, is escaped.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding a webhook: %w", err)
	}
	return escape(bytes.TrimRight(b.Bytes(), "\n")), nil
}

func escape(raw []byte) []byte {
	out := make([]byte, 0, len(raw)+len(raw)/8)
	for i := 0; i < len(raw); {
		c := raw[i]
		if c < utf8.RuneSelf {
			if c == '/' {
				out = append(out, '\\')
			}
			out = append(out, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(raw[i:])
		if a, b := utf16.EncodeRune(r); a != utf8.RuneError {
			out = fmt.Appendf(out, `\u%04x\u%04x`, a, b)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}

// sign makes the value of X-Hub-Signature-256 for a body.
func sign(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// contact is how a webhook describes a customer.
func (c Customer) contact(username bool) contactJSON {
	out := contactJSON{Profile: profile{Name: c.Name}, UserID: c.UserID}
	if username {
		out.Profile.Username = c.Username
	}
	if !c.Private {
		out.WaID = c.Phone
	}
	return out
}
