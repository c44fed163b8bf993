// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"strings"
)

// MessageType says what a message is made of. Its text form is used by the API and as a key of catalogues.
type MessageType uint8

// The types of messages. Their numbers are stored: append only.
const (
	TypeText MessageType = iota + 1
	TypeImage
	TypeVideo
	TypeAudio
	TypeVoice
	TypeDocument
	TypeSticker
	TypeLocation
	TypeContacts
	TypeChoice      // the customer pressed a button, chose a list row or filled a flow
	TypeOrder       // a shopping cart
	TypeTemplate    // an approved template that we sent
	TypeInteractive // buttons or a list that we sent
	TypeReaction    // a reaction whose message kith does not hold
	TypeEdit        // an edit whose message kith does not hold
	TypeRevoke      // a deletion whose message kith does not hold
	TypeCall
	TypeSystem      // told by the network: number changed, marketing stopped
	TypeUnsupported // the network itself could not pass it on
	TypeNote        // written by an agent for agents; never sent
	TypeDamaged     // stands in for a message whose record cannot be read
)

var messageTypeNames = [...]string{
	TypeText: "text", TypeImage: "image", TypeVideo: "video", TypeAudio: "audio", TypeVoice: "voice",
	TypeDocument: "document", TypeSticker: "sticker", TypeLocation: "location", TypeContacts: "contacts",
	TypeChoice: "choice", TypeOrder: "order", TypeTemplate: "template", TypeInteractive: "interactive",
	TypeReaction: "reaction", TypeEdit: "edit", TypeRevoke: "revoke", TypeCall: "call", TypeSystem: "system",
	TypeUnsupported: "unsupported", TypeNote: "note", TypeDamaged: "damaged",
}

// String returns the lower-case name of the type, such as "image".
func (t MessageType) String() string {
	if int(t) < len(messageTypeNames) && messageTypeNames[t] != "" {
		return messageTypeNames[t]
	}
	return fmt.Sprintf("type-%d", uint8(t))
}

// Media reports whether messages of the type carry a file.
func (t MessageType) Media() bool { return t >= TypeImage && t <= TypeSticker }

// Content is what a message says, in the words of no particular network. Which members are set follows from the
// message's type; every type may carry Text.
type Content struct {
	Text        string       `cbor:"1,keyasint,omitempty"` // body, caption, emoji, or the network's sentence
	Location    *Location    `cbor:"2,keyasint,omitempty"`
	Cards       []Card       `cbor:"3,keyasint,omitempty"`
	Order       *Order       `cbor:"4,keyasint,omitempty"`
	Choice      *Choice      `cbor:"5,keyasint,omitempty"`
	Referral    *Referral    `cbor:"6,keyasint,omitempty"`
	Product     *Product     `cbor:"7,keyasint,omitempty"`
	Template    *TemplateUse `cbor:"8,keyasint,omitempty"`
	Interactive *Interactive `cbor:"9,keyasint,omitempty"`
	Call        *Call        `cbor:"10,keyasint,omitempty"`
	// System names what the network tells, as a key of the catalogues ("user_changed_number"); Text keeps its sentence.
	System string `cbor:"11,keyasint,omitempty"`
	// Code and Detail say why the network could not pass the message on (TypeUnsupported).
	Code   int    `cbor:"12,keyasint,omitempty"`
	Detail string `cbor:"13,keyasint,omitempty"`
}

// Location is a point on the map; Latitude and Longitude are degrees (WGS 84).
type Location struct {
	Latitude  float64 `cbor:"1,keyasint"                      json:"latitude"`
	Longitude float64 `cbor:"2,keyasint"                      json:"longitude"`
	Name      string  `cbor:"3,keyasint,omitempty"            json:"name,omitempty"`
	Address   string  `cbor:"4,keyasint,omitempty"            json:"address,omitempty"`
	URL       string  `cbor:"5,keyasint,omitempty"            json:"url,omitempty"`
}

// Card is a contact card that somebody shared; any part may be missing.
type Card struct {
	Name      string   `cbor:"1,keyasint,omitempty" json:"name,omitempty"`
	Phones    []string `cbor:"2,keyasint,omitempty" json:"phones,omitempty"`
	Emails    []string `cbor:"3,keyasint,omitempty" json:"emails,omitempty"`
	Addresses []string `cbor:"4,keyasint,omitempty" json:"addresses,omitempty"`
	Org       string   `cbor:"5,keyasint,omitempty" json:"org,omitempty"`
	URLs      []string `cbor:"6,keyasint,omitempty" json:"urls,omitempty"`
	Birthday  string   `cbor:"7,keyasint,omitempty" json:"birthday,omitempty"`
	// Requested says that the customer answered our request for contact details.
	Requested bool `cbor:"8,keyasint,omitempty" json:"requested,omitempty"`
}

// Order is a shopping cart sent from a catalogue.
type Order struct {
	Catalog string      `cbor:"1,keyasint,omitempty" json:"catalog,omitempty"`
	Items   []OrderItem `cbor:"2,keyasint,omitempty" json:"items"`
}

// OrderItem is one line of an order. Price is a decimal number in Currency (ISO 4217) as the network wrote it.
type OrderItem struct {
	Product  string `cbor:"1,keyasint,omitempty" json:"product"`
	Quantity int    `cbor:"2,keyasint,omitempty" json:"quantity"`
	Price    string `cbor:"3,keyasint,omitempty" json:"price"`
	Currency string `cbor:"4,keyasint,omitempty" json:"currency"`
}

// Choice is what the customer picked or filled in; Kind is button, list, template, flow, call_permission or payment.
type Choice struct {
	Kind        string  `cbor:"1,keyasint,omitempty" json:"kind"`
	ID          string  `cbor:"2,keyasint,omitempty" json:"id,omitempty"`
	Title       string  `cbor:"3,keyasint,omitempty" json:"title,omitempty"`
	Description string  `cbor:"4,keyasint,omitempty" json:"description,omitempty"`
	Fields      []Field `cbor:"5,keyasint,omitempty" json:"fields,omitempty"` // answers of a flow, in order
}

// Field is a named value.
type Field struct {
	Name  string `cbor:"1,keyasint" json:"name"`
	Value string `cbor:"2,keyasint" json:"value"`
}

// Referral is the advertisement or post that led the customer here.
type Referral struct {
	URL      string `cbor:"1,keyasint,omitempty" json:"url,omitempty"`
	ID       string `cbor:"2,keyasint,omitempty" json:"id,omitempty"`
	Kind     string `cbor:"3,keyasint,omitempty" json:"kind,omitempty"` // ad or post
	Headline string `cbor:"4,keyasint,omitempty" json:"headline,omitempty"`
	Body     string `cbor:"5,keyasint,omitempty" json:"body,omitempty"`
	Click    string `cbor:"6,keyasint,omitempty" json:"click,omitempty"` // ctwa_clid
}

// Product is the catalogue item that a message asks about.
type Product struct {
	Catalog string `cbor:"1,keyasint,omitempty" json:"catalog,omitempty"`
	ID      string `cbor:"2,keyasint,omitempty" json:"id,omitempty"`
}

// TemplateUse is a template with its variables filled in; Body is what the customer reads.
type TemplateUse struct {
	Name     string   `cbor:"1,keyasint"           json:"name"`
	Language string   `cbor:"2,keyasint"           json:"language"`
	Header   []Field  `cbor:"3,keyasint,omitempty" json:"header,omitempty"` // Name is empty for positional variables
	Body     []Field  `cbor:"4,keyasint,omitempty" json:"body,omitempty"`
	Buttons  []Field  `cbor:"5,keyasint,omitempty" json:"buttons,omitempty"` // Name = index "0".."9", Value = suffix or payload
	Text     string   `cbor:"6,keyasint,omitempty" json:"text,omitempty"`    // the filled-in body
	Footer   string   `cbor:"7,keyasint,omitempty" json:"footer,omitempty"`
	Title    string   `cbor:"8,keyasint,omitempty" json:"title,omitempty"`  // the filled-in text header
	Labels   []string `cbor:"9,keyasint,omitempty" json:"labels,omitempty"` // captions of its buttons
}

// Interactive is a message with buttons or a list. Exactly one of Buttons and Rows is set.
type Interactive struct {
	Header  string   `cbor:"1,keyasint,omitempty" json:"header,omitempty"`
	Footer  string   `cbor:"2,keyasint,omitempty" json:"footer,omitempty"`
	Buttons []Option `cbor:"3,keyasint,omitempty" json:"buttons,omitempty"`
	Button  string   `cbor:"4,keyasint,omitempty" json:"button,omitempty"` // opens the list
	Rows    []Option `cbor:"5,keyasint,omitempty" json:"rows,omitempty"`
}

// Option is a button or a row of a list.
type Option struct {
	ID          string `cbor:"1,keyasint"           json:"id"`
	Title       string `cbor:"2,keyasint"           json:"title"`
	Description string `cbor:"3,keyasint,omitempty" json:"description,omitempty"`
}

// Call is a voice call at the network; kith shows it and does not answer it.
type Call struct {
	ID       string `cbor:"1,keyasint"           json:"id"`
	Event    string `cbor:"2,keyasint"           json:"event"` // connect, terminate ...
	Outgoing bool   `cbor:"3,keyasint,omitempty" json:"outgoing,omitempty"`
	Status   string `cbor:"4,keyasint,omitempty" json:"status,omitempty"`
	Seconds  int    `cbor:"5,keyasint,omitempty" json:"seconds,omitempty"`
}

// Line returns the content as one short line for lists and notifications, or "" when only its type can be named.
func (c *Content) Line() string {
	switch {
	case c.Text != "":
		return oneLine(c.Text)
	case c.Template != nil:
		return oneLine(c.Template.Text)
	case c.Choice != nil:
		return oneLine(c.Choice.Title)
	case c.Location != nil:
		return oneLine(c.Location.Name)
	case len(c.Cards) > 0:
		return oneLine(c.Cards[0].Name)
	}
	return oneLine(c.Detail)
}

// oneLine folds white space and cuts at 120 characters, which is more than any list shows.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	for i, n := 0, 0; i < len(s); n++ {
		if n == 120 {
			return s[:i] + "…"
		}
		for i++; i < len(s) && s[i]&0xC0 == 0x80; i++ { //nolint:revive // skip the rest of the character
		}
	}
	return s
}
