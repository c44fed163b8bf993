// SPDX-License-Identifier: Apache-2.0

package app

import "time"

// Inbound is the meaning of one webhook, as a channel reads it. Desk.Receive stores it whole, in one transaction.
type Inbound struct {
	Messages    []InboundMessage
	Receipts    []Receipt
	Changes     []IdentityChange
	Preferences []Preference
	People      []Person // the network's address book: names for contacts that exist
	Notices     []Notice
	Unreadable  []Unread // parts that were signed but not understood
}

// Empty reports whether there is nothing to store.
func (in *Inbound) Empty() bool {
	return len(in.Messages)+len(in.Receipts)+len(in.Changes)+len(in.Preferences)+len(in.People)+
		len(in.Notices)+len(in.Unreadable) == 0
}

// IdentityKind names a kind of address that a network gives a person.
type IdentityKind string

// The kinds of identity. A WhatsApp customer may have any subset; a phone number may be missing (PROTOCOLS 1.3).
const (
	IdentityWaID       IdentityKind = "wa_id"        // WhatsApp's own form of a phone number, digits only
	IdentityBSUID      IdentityKind = "bsuid"        // business-scoped user id
	IdentityParent     IdentityKind = "parent_bsuid" // the same for a managed group of businesses
	IdentityUsername   IdentityKind = "username"
	IdentityPhone      IdentityKind = "phone" // E.164 with +
	IdentityEmail      IdentityKind = "email"
	IdentityGroup      IdentityKind = "wa_group"
	IdentitySimulation IdentityKind = "simulation"
)

// Identity is one address of a person, normalised by the channel that gives it.
type Identity struct {
	Kind  IdentityKind `cbor:"1,keyasint" json:"kind"`
	Value string       `cbor:"2,keyasint" json:"value"`
}

// Person is who a network says is writing. Identities are ordered: the first is the strongest.
type Person struct {
	Identities []Identity
	Name       string
	Username   string
}

// Direction says which way a message went.
type Direction uint8

// The directions. Their numbers are stored.
const (
	In   Direction = iota + 1 // from the customer
	Out                       // to the customer
	Note                      // among agents
)

// String returns "in", "out" or "note".
func (d Direction) String() string { return [...]string{"", "in", "out", "note"}[d&3] }

// Action says that a message does something to an earlier one.
type Action uint8

// The actions.
const (
	ActNone Action = iota
	ActReact
	ActEdit
	ActRevoke
)

// InboundMessage is a message as a channel read it.
type InboundMessage struct {
	ExternalID string // the network's id, unique for ever; duplicates are recognised by it
	Person     Person // the customer, also when Direction is Out
	Direction  Direction
	At         time.Time // the network's own instant
	Type       MessageType
	Content    Content
	Media      []InboundMedia
	ReplyTo    string // external id of the quoted message
	Forwarded  Forwarded
	Action     Action
	Target     string // external id of the message acted upon; Content.Text is the emoji ("" removes) or the new text
	Origin     Origin
	Status     Status // of outgoing messages that the network tells about
	Past       bool   // history: shown, but nobody is alerted and no window opens
}

// InboundMedia is a file that waits at the network.
type InboundMedia struct {
	ProviderID string
	MIME       string
	Name       string
	SHA256     string // base64, as the network tells it; "" when it does not
	Voice      bool
	Animated   bool
}

// Forwarded says whether a message was passed on by the customer.
type Forwarded uint8

// The degrees of forwarding.
const (
	NotForwarded Forwarded = iota
	ForwardedOnce
	ForwardedOften // more than five times, as the network counts
)

// Origin says where a message was written.
type Origin uint8

// The origins. Their numbers are stored.
const (
	FromCustomer Origin = iota + 1
	FromAgent
	FromAPI
	FromPhoneApp // typed in the business's own phone app
	FromHistory  // told by the network about the time before it was connected
)

// Receipt is news of a message that we sent.
type Receipt struct {
	ExternalID string
	Callback   string // our own message id, when the network returns it
	Status     Status
	At         time.Time
	Failure    *Failure
	Pricing    *Pricing
	Recipient  []Identity
}

// Failure is the network's reason, with what a person can do about it.
type Failure struct {
	Code   int    `cbor:"1,keyasint,omitempty" json:"code"`
	Title  string `cbor:"2,keyasint,omitempty" json:"title"`            // the network's words
	Detail string `cbor:"3,keyasint,omitempty" json:"detail,omitempty"` // the network's details
	Advice string `cbor:"4,keyasint,omitempty" json:"advice,omitempty"` // catalogue key of what to do, such as "advice.template"
	Trace  string `cbor:"5,keyasint,omitempty" json:"trace,omitempty"`  // the network's id of the event
}

// Pricing is what the network says it will charge for.
type Pricing struct {
	Type     string `cbor:"1,keyasint,omitempty" json:"type"`
	Category string `cbor:"2,keyasint,omitempty" json:"category"`
	Model    string `cbor:"3,keyasint,omitempty" json:"model"`
}

// IdentityChange says that a person's address at the network became another.
type IdentityChange struct {
	Old, New Identity
	At       time.Time
}

// Preference is a customer's wish about marketing, told by the network.
type Preference struct {
	Person Person
	Stop   bool // false: may resume
	Detail string
	At     time.Time
}

// Notice is news about the account, number or templates, for those who look after the inbox.
type Notice struct {
	// Topic is the network's field name, such as "message_template_status_update".
	Topic string `cbor:"1,keyasint"`
	// Level is info, warning or alarm.
	Level NoticeLevel `cbor:"2,keyasint"`
	// Event is the network's event name, such as "APPROVED".
	Event string `cbor:"3,keyasint,omitempty"`
	// Fields are the details worth reading, in order.
	Fields []Field   `cbor:"4,keyasint,omitempty"`
	At     time.Time `cbor:"5,keyasint"`
	// Digest recognises a duplicate: a hash of what the network sent.
	Digest [16]byte `cbor:"6,keyasint"`
}

// NoticeLevel says how much a notice matters.
type NoticeLevel uint8

// The levels of a notice.
const (
	LevelInfo NoticeLevel = iota + 1
	LevelWarning
	LevelAlarm
)

// Unread is a signed part of a webhook that the channel did not understand.
type Unread struct {
	Reason string // one sentence, without what the customer wrote
	Raw    []byte
}
