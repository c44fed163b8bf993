// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// titles are the network's names of its error codes.
var titles = map[int]string{
	0: "AuthException", 1: "API Unknown", 2: "API Service", 3: "API Method", 4: "Application request limit reached",
	10: "Permission Denied", 33: "Parameter value is not valid", 100: "Invalid parameter", 190: "Access token has expired",
	368:    "Temporarily blocked for policies violations",
	80007:  "Rate limit issues",
	130429: "Rate limit hit",
	130472: "User's number is part of an experiment",
	130497: "Business account is restricted from messaging users in this country",
	131000: "Something went wrong",
	131005: "Access denied",
	131008: "Required parameter is missing",
	131009: "Parameter value is not valid",
	131016: "Service unavailable",
	131021: "Recipient cannot be sender",
	131026: "Message undeliverable",
	131031: "Account has been locked",
	131037: "Display name approval needed",
	131042: "Business eligibility payment issue",
	131047: "Re-engagement message",
	131048: "Spam rate limit hit",
	131049: "This message was not delivered to maintain healthy ecosystem engagement.",
	131050: "User has stopped marketing messages",
	131051: "Message type unknown",
	131052: "Media download error",
	131053: "Media upload error",
	131056: "(Business Account, Consumer Account) pair rate limit hit",
	131057: "Account in maintenance mode",
	131062: "Business-scoped user IDs are not supported for this message",
	132000: "Number of parameters does not match the expected number of params",
	132001: "Template name does not exist in the translation",
	132005: "Template hydrated text too long",
	132012: "Parameter format does not match format in the created template",
	132015: "Template is paused",
	132016: "Template is disabled",
	133010: "Phone number not registered",
}

// details are what the network says of a code when there is nothing special to say.
var details = map[int]string{
	130429: "Message failed to send because there were too many messages sent from this phone number in a short period of time",
	131026: "Unable to deliver message. Recipient may not use WhatsApp, may not have accepted the terms, or may use an old version.",
	131047: "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
	131049: "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
	131050: "The recipient has chosen to stop receiving marketing messages on WhatsApp from this business.",
	131053: "The media file could not be processed. Its content does not match its type, or its encoding is not supported.",
	131056: "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.",
	131000: "Message failed to send due to an unknown error.",
	131016: "A service is temporarily unavailable.",
	131042: "Message failed to send because there were one or more errors related to your payment method.",
	368:    "The account has been restricted or disabled for violating a platform policy.",
}

const help = "/documentation/business-messaging/whatsapp/support/error-codes"

// failure is a code as webhooks carry it.
func failure(code int, detail, href string) errorJSON {
	if detail == "" {
		detail = details[code]
	}
	if detail == "" {
		detail = titles[code]
	}
	return errorJSON{Code: code, Title: titles[code], Message: titles[code], Data: errorData{detail}, Href: href}
}

// fault is why a request is refused.
type fault struct {
	code    int
	detail  string
	message string // instead of "(#code) title"
	typ     string // instead of OAuthException
	subcode int
}

func (f *fault) status() int {
	switch f.code {
	case 0, 190:
		return http.StatusUnauthorized
	case 10, 368, 131005, 131031:
		return http.StatusForbidden
	case 4, 80007, 130429, 131048, 131056:
		return http.StatusTooManyRequests
	case 132001:
		return http.StatusNotFound
	case 1, 2, 131000, 131057:
		return http.StatusInternalServerError
	case 131016:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// refuse answers a request with a fault, in the shape of the Graph API.
func (w *World) refuse(rw http.ResponseWriter, f *fault) {
	type inner struct {
		Message string         `json:"message"`
		Type    string         `json:"type"`
		Code    int            `json:"code"`
		Subcode int            `json:"error_subcode,omitempty"`
		Data    map[string]any `json:"error_data,omitempty"`
		Trace   string         `json:"fbtrace_id"`
	}
	e := inner{Message: f.message, Type: f.typ, Code: f.code, Subcode: f.subcode}
	if e.Message == "" {
		e.Message = fmt.Sprintf("(#%d) %s", f.code, titles[f.code])
	}
	if e.Type == "" {
		e.Type = "OAuthException"
	}
	detail := f.detail
	if detail == "" {
		detail = details[f.code]
	}
	if detail != "" {
		e.Data = map[string]any{"messaging_product": "whatsapp", "details": detail}
	}
	w.mu.Lock()
	e.Trace = w.trace()
	w.mu.Unlock()
	reply(rw, f.status(), map[string]any{"error": e})
}

func reply(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json; charset=UTF-8")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v) // a reader that went away is no fault of ours
}
