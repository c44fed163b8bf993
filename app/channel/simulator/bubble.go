// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"slices"
	"time"
)

// Ticks is how far a customer's own message has come, as the phone shows it.
type Ticks int

// The ticks: a clock, one grey, two grey, two blue.
const (
	TicksWaiting   Ticks = iota // the phone is offline
	TicksSent                   // the network has it
	TicksDelivered              // the business's hook answered 200
	TicksRead                   // the business marked it as read
)

// Bubble is one message as the phone shows it. Kind is text, image, video,
// audio, document, sticker, location, contact, order, template, interactive,
// system or unsupported.
type Bubble struct {
	ID        string
	Mine      bool // written on this phone
	At        time.Time
	Kind      string
	Text      string // body or caption
	Header    string
	Footer    string
	Media     *Attachment
	Location  *Location
	Contact   *Contact
	Order     *Order
	Choices   []Choice // what can be tapped
	ListTitle string   // of the button that opens a list
	Asks      string   // location or contact: what the business asks for
	Quote     *Quote
	Mood      string // the customer's reaction to it
	Reaction  string // the business's reaction to it
	Ticks     Ticks  // of an own message
	Edited    bool
	Revoked   bool
	Forwarded bool
	Ad        string // headline of the advertisement it came from
}

// Attachment names the media of a bubble. World.Blob has its bytes, except of
// a link.
type Attachment struct {
	ID, MIME, Filename, Link string
	Size                     int
	Length                   time.Duration // of a voice message, where it can be told
	Voice, Animated          bool
}

// Choice is a button or a row of a list that the customer may tap.
type Choice struct {
	ID, Title, Description, Section string
	URL                             string // opens a page and answers nothing
	List                            bool
}

// Quote is the message that another one answers.
type Quote struct {
	ID, Text string
	Mine     bool
}

// message is a bubble with what the network knows of it.
type message struct {
	Bubble
	owner    *person // nil when the recipient is unknown
	input    string  // the recipient as the business wrote it
	byUserID bool
	opaque   string
	category string
	pricing  string
	template bool
	rank     int
	priced   int // how many statuses carried the price
	fails    int // the code to fail with instead of being delivered
	silent   bool
	body     map[string]any // of an own message: what an edit repeats
}

// The ranks of a message from the business.
const (
	rankAccepted = iota
	rankSent
	rankDelivered
	rankRead
	rankPlayed
	rankFailed
)

// onPhone reports whether the phone shows the message yet.
func (m *message) onPhone() bool {
	return m.Mine || m.rank == rankDelivered || m.rank == rankRead || m.rank == rankPlayed
}

func (m *message) copied() Bubble {
	b := m.Bubble
	b.Choices = slices.Clone(b.Choices)
	return b
}

// Thread returns the messages that a customer's phone shows, oldest first.
func (w *World) Thread(customer string) []Bubble {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(customer)
	if p == nil {
		return nil
	}
	out := make([]Bubble, 0, len(p.thread))
	for _, m := range p.thread {
		if m.onPhone() {
			out = append(out, m.copied())
		}
	}
	return out
}

// maxThread bounds a phone's memory; the oldest messages go.
const maxThread = 2000

func (w *World) keep(p *person, m *message) {
	m.owner = p
	w.byID[m.ID] = m
	if p == nil {
		return
	}
	p.thread = append(p.thread, m)
	if len(p.thread) > maxThread {
		delete(w.byID, p.thread[0].ID)
		p.thread = slices.Delete(p.thread, 0, 1)
	}
}

// quoted makes the quote of a message on p's phone; nil when it is not there.
func (w *World) quoted(p *person, id string) *Quote {
	m := w.byID[id]
	if m == nil || m.owner != p {
		return nil
	}
	text := m.Text
	if text == "" {
		text = m.Kind
	}
	return &Quote{ID: id, Text: text, Mine: m.Mine}
}
