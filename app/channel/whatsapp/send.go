// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"kith/app"
	"kith/app/channel"
)

// callTimeout bounds every call that does not carry a file.
const callTimeout = 40 * time.Second

// sender makes the calls of one inbox.
type sender struct {
	client   channel.Doer
	base     string // "https://graph.facebook.com/v25.0"
	origin   *url.URL
	number   string
	waba     string
	token    string
	numberID string // escaped for paths
}

// Open returns a sender for the inbox.
func (Channel) Open(s channel.Settings, client channel.Doer) channel.Sender {
	base := apiBase(s)
	origin, err := url.Parse(base)
	if err != nil {
		origin = &url.URL{} // Check refuses such a setting; calls fail with the client's words
	}
	return &sender{
		client: client, base: base + "/" + apiVersion(s), origin: origin, number: s[SettingPhoneNumberID],
		waba: s[SettingWABA], token: strings.TrimSpace(s[SettingAccessToken]), numberID: url.PathEscape(s[SettingPhoneNumberID]),
	}
}

// Send passes a message on in one attempt. WhatsApp has no idempotency key: when the connection breaks after the
// request was written, the class is Unknown, and a status with the callback settles it (PROTOCOLS 1.7).
func (s *sender) Send(ctx context.Context, m channel.Outgoing) (channel.Sent, error) {
	if err := check(&m); err != nil {
		return channel.Sent{}, err
	}
	body, err := compose(&m)
	if err != nil {
		return channel.Sent{}, err
	}
	if len(m.Files) == 1 {
		id, err := s.upload(ctx, fileType(&m), &m.Files[0])
		if err != nil {
			return channel.Sent{}, err
		}
		attach(body, &m, id)
	}
	return s.message(ctx, body)
}

// message posts a body to the messages endpoint and reads the acceptance.
func (s *sender) message(ctx context.Context, body object) (channel.Sent, error) {
	raw, err := encode(body)
	if err != nil {
		return channel.Sent{}, err
	}
	answer, err := s.call(ctx, request{
		method: "POST", url: s.base + "/" + s.numberID + "/messages", contentType: "application/json",
		body: bytes.NewReader(raw), effect: true,
	})
	if err != nil {
		return channel.Sent{}, err
	}
	var a struct {
		Contacts []wireContact `json:"contacts"`
		Messages []struct {
			ID     text `json:"id"`
			Status text `json:"message_status"`
		} `json:"messages"`
	}
	if json.Unmarshal(answer, &a) != nil || len(a.Messages) == 0 || a.Messages[0].ID == "" {
		return channel.Sent{}, unknown("WhatsApp answered without an id of the message", nil)
	}
	sent := channel.Sent{ExternalID: a.Messages[0].ID.cut(maxID)}
	switch a.Messages[0].Status {
	case "held_for_quality_assessment", "paused":
		sent.Held = true
	}
	if len(a.Contacts) > 0 {
		c := a.Contacts[0]
		sent.Recipient = newPerson(c.UserID, c.ParentUserID, c.WaID, "", "").Identities
	}
	return sent, nil
}

// MarkRead tells WhatsApp that the message, and all before it, was seen; typing shows "typing" for up to 25 seconds.
func (s *sender) MarkRead(ctx context.Context, externalID string, typing bool) error {
	body := object{"messaging_product": "whatsapp", "status": "read", "message_id": externalID}
	if typing {
		body["typing_indicator"] = object{"type": "text"}
	}
	raw, err := encode(body)
	if err != nil {
		return err
	}
	_, err = s.call(ctx, request{
		method: "POST", url: s.base + "/" + s.numberID + "/messages", contentType: "application/json", body: bytes.NewReader(raw),
	})
	return err
}

// object is a JSON object; its members are written in the order of their names.
type object map[string]any

// encode writes JSON without turning & < > into escapes, as people type them.
func encode(body object) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, &channel.SendError{Class: channel.Refused, Err: err, Failure: app.Failure{
			Title: "The message cannot be written as JSON.", Advice: AdviceRequest,
		}}
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
