// SPDX-License-Identifier: Apache-2.0

// Package channel is the contract between kith and the networks it speaks to. A network lives in a sub-package that
// implements Channel; app/channel/all lists them. A channel holds no state and opens no connection of its own: it is
// given the settings of an inbox and a client for HTTP.
package channel

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"kith/app"
)

// Settings are the named settings of one inbox, as its channel declares them; secrets among them.
type Settings map[string]string

// Setting declares one setting of a channel.
type Setting struct {
	Name     string // such as "phone_number_id"; the API and command line use it
	Secret   bool   // never shown again
	Required bool
	Default  string
}

// Doer makes HTTP requests; app/egress makes the only one in production.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Channel is a network. Its methods are safe for concurrent use.
type Channel interface {
	// Kind is the channel's name in paths and rows, such as "whatsapp".
	Kind() string
	// Settings lists what an inbox of the kind needs.
	Settings() []Setting
	// Check validates settings; the error names the setting and what to do. No network is used.
	Check(s Settings) error
	// Handshake answers the network's request to prove that the webhook is ours; ok is false when it is not.
	Handshake(s Settings, query url.Values) (answer string, ok bool)
	// Verify returns an error wrapping ErrSignature unless body was signed by the network. Constant time.
	Verify(s Settings, h http.Header, body []byte) error
	// Parse reads a verified body. It returns an error only when nothing of it could be read.
	Parse(body []byte) (app.Inbound, error)
	// Limits are the network's limits of sending.
	Limits() Limits
	// Open returns a sender for the inbox.
	Open(s Settings, client Doer) Sender
}

// Sender makes the calls of one inbox. Each makes one attempt and returns a *SendError when it did not succeed.
type Sender interface {
	// Send passes a message on. Files are read through m.Files.
	Send(ctx context.Context, m Outgoing) (Sent, error)
	// MarkRead tells the network that the message with the external id was seen; typing also shows "typing".
	MarkRead(ctx context.Context, externalID string, typing bool) error
	// Fetch opens a file that a customer sent. The caller closes it.
	Fetch(ctx context.Context, providerID string) (*File, error)
	// Templates lists the approved texts of the inbox.
	Templates(ctx context.Context) ([]app.Template, error)
	// Probe asks the network whether the inbox works; the notes are for people ("quality", "GREEN").
	Probe(ctx context.Context) ([]app.Field, error)
}

// Outgoing is a message to be sent.
type Outgoing struct {
	To       []app.Identity // of the recipient, strongest first
	Type     app.MessageType
	Content  app.Content
	Files    []File // at most one in use by WhatsApp
	ReplyTo  string // external id of the quoted message
	React    string // external id of the message reacted to; Content.Text is the emoji, "" removes it
	Callback string // our message id, which the network returns with every status
}

// File is a file on its way. The owner of Body closes it.
type File struct {
	Name string
	MIME string
	Size int64 // -1 when not known
	Body io.ReadCloser
}

// Sent is the network's acceptance.
type Sent struct {
	ExternalID string
	Recipient  []app.Identity // addresses that the network told about the recipient
	Held       bool           // accepted, yet held back by the network for review
}

// Limits are what a network allows. Zero means no limit.
type Limits struct {
	Window       time.Duration // how long after the customer's last message free text is allowed
	PerSecond    int           // messages per inbox and second
	PairInterval time.Duration // sustained interval between messages to one person
	PairBurst    int           // messages to one person that may be sent at once
	TextLength   int           // characters
	CaptionLimit int
	// File returns the largest size in bytes for a file of the type, or an error whose text tells what is allowed.
	File func(t app.MessageType, mime string) (int64, error)
}

// ErrSignature says that a webhook was not signed by the network.
var ErrSignature = errors.New("the signature does not match the app secret of this inbox")

// ErrBody says that a body is not of the network's form.
var ErrBody = errors.New("the body is not what the network sends")

// Class says what to do after an attempt that did not succeed (PROTOCOLS 1.10).
type Class uint8

// The classes of failure.
const (
	Refused  Class = iota + 1 // never retry; tell the agent
	Again                     // retry with backoff
	SlowDown                  // too fast for this inbox: wait, then retry
	SlowPair                  // too fast for this recipient
	Stop                      // the account or token is at fault: pause the inbox, keep the queue
	Suppress                  // the recipient must not be written to in this way
	Unknown                   // the request was written and no answer came: never send again blindly
)

// SendError is why an attempt did not succeed.
type SendError struct {
	Class   Class
	Failure app.Failure
	Wait    time.Duration // the network's own wish; 0 = none
	Tries   int           // at most so many attempts in all; 0 = the default of delivery
	Err     error         // the cause, when it was not the network's answer
}

// Error returns the network's words.
func (e *SendError) Error() string {
	if e.Failure.Title != "" {
		return e.Failure.Title
	}
	if e.Err != nil {
		return e.Err.Error()
	}
	return "the network did not accept the message"
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// Set is the channels of a build, by kind.
type Set map[string]Channel

// NewSet makes a set; two channels of one kind are a programmer's mistake.
func NewSet(cs ...Channel) Set {
	s := make(Set, len(cs))
	for _, c := range cs {
		if _, dup := s[c.Kind()]; dup {
			panic("channel: two channels of kind " + c.Kind())
		}
		s[c.Kind()] = c
	}
	return s
}
