// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"time"

	"kith/store"
)

// ConversationID is the number of a conversation.
type ConversationID uint64

// ConversationStatus says whether a conversation waits for somebody.
type ConversationStatus uint8

// The states of a conversation. Their numbers are stored.
const (
	Open ConversationStatus = iota + 1
	Resolved
)

// String returns "open" or "resolved".
func (s ConversationStatus) String() string { return [...]string{"", "open", "resolved", ""}[s&3] }

// ParseConversationStatus returns the status of that name.
func ParseConversationStatus(name string) (ConversationStatus, error) {
	switch name {
	case "open":
		return Open, nil
	case "resolved":
		return Resolved, nil
	}
	return 0, invalid("status", "problem.status", "The status is open or resolved.")
}

// Conversation is the thread of one contact in one inbox. It holds numbers only and is kept decoded in memory, which
// makes lists of any filter quick.
type Conversation struct {
	ID        ConversationID     `cbor:"-"`
	Contact   ContactID          `cbor:"1,keyasint"`
	Inbox     InboxID            `cbor:"2,keyasint"`
	Status    ConversationStatus `cbor:"3,keyasint"`
	Assignee  AgentID            `cbor:"4,keyasint,omitempty"` // 0 = nobody
	Unread    uint32             `cbor:"5,keyasint,omitempty"` // inbound messages that nobody has opened
	Labels    []uint32           `cbor:"6,keyasint,omitempty"`
	Order     uint64             `cbor:"7,keyasint"` // sequence number of the newest activity
	LastSeq   uint64             `cbor:"8,keyasint"` // the newest message by time
	LastDay   uint32             `cbor:"9,keyasint"`
	LastAt    Instant            `cbor:"10,keyasint"`
	InboundAt Instant            `cbor:"11,keyasint,omitempty"` // the network's time of the newest inbound message
	CreatedAt Instant            `cbor:"12,keyasint"`
	UpdatedAt Instant            `cbor:"13,keyasint"`
	Days      []uint32           `cbor:"14,keyasint"` // days that hold messages, newest first
	// NeedsReply says that the newest message is the customer's.
	NeedsReply bool `cbor:"15,keyasint,omitempty"`
	// Failed says that our newest message did not get through.
	Failed bool `cbor:"16,keyasint,omitempty"`
	// FreeEntryAt is when an advertisement opened the conversation (72 h free entry point).
	FreeEntryAt Instant `cbor:"17,keyasint,omitempty"`
	// Sensitive says that the contact is flagged: only who may see what is sensitive knows of the conversation.
	Sensitive bool `cbor:"18,keyasint,omitempty"`
}

var (
	conversations = store.NewResident("conversations", store.ResidentOptions[Conversation]{
		About: func(c *Conversation) store.Subject { return c.Contact },
		Order: func(c *Conversation) uint64 { return c.Order },
		Tally: tally,
	})
	// threads leads from (contact, inbox) to the conversation.
	threads = store.NewOrdered("threads")
)

// LastMessage returns the id of the newest message by the network's time.
func (c *Conversation) LastMessage() MessageID {
	return MessageID{DayKey: unpackDay(c.LastDay), Group: uint64(c.ID), Seq: c.LastSeq}
}

// addDay keeps the days newest first.
func (c *Conversation) addDay(k store.DayKey) {
	n := packDay(k)
	i, have := slices.BinarySearchFunc(c.Days, n, func(a, b uint32) int { return int(b) - int(a) })
	if !have {
		c.Days = slices.Insert(slices.Clone(c.Days), i, n)
	}
}

func (c *Conversation) days() []store.DayKey {
	out := make([]store.DayKey, len(c.Days))
	for i, n := range c.Days {
		out[i] = unpackDay(n)
	}
	return out
}

// The tallies that the store keeps of conversations: status in the high bits, then what is counted, then a number.
const (
	countAll = iota + 1
	countAssignee
	countNeedsReply
	countFailed
	countUnread
)

func tallyKey(s ConversationStatus, what, n uint64) uint64 { return uint64(s)<<56 | what<<48 | n }

// countSensitive is added to what is counted for conversations that not everybody may know of.
const countSensitive = 1 << 4

func tally(c *Conversation, add func(key uint64)) {
	tallyAs(c, 0, add)
	if c.Sensitive {
		tallyAs(c, countSensitive, add)
	}
}

func tallyAs(c *Conversation, as uint64, add func(key uint64)) {
	add(tallyKey(c.Status, as+countAll, 0))
	add(tallyKey(c.Status, as+countAssignee, uint64(c.Assignee)))
	if c.NeedsReply {
		add(tallyKey(c.Status, as+countNeedsReply, 0))
	}
	if c.Failed {
		add(tallyKey(c.Status, as+countFailed, 0))
	}
	if c.Unread > 0 {
		add(tallyKey(c.Status, as+countUnread, 0))
	}
}

// Queue narrows a list to what wants attention.
type Queue string

// The queues.
const (
	QueueAll        Queue = ""
	QueueNeedsReply Queue = "needs_reply"
	QueueClosing    Queue = "closing" // the reply window closes within two hours
	QueueFailed     Queue = "failed"
	QueueUnread     Queue = "unread"
)

// ConversationQuery selects conversations. Zero members select everything; Assignee points to 0 for "unassigned".
type ConversationQuery struct {
	Status   ConversationStatus
	Inbox    InboxID
	Assignee *AgentID
	Contact  ContactID
	Label    uint32
	Queue    Queue
	After    store.Mark // the cursor of the last page
	Limit    int
	// Watched says that the list is fetched again whenever something changes: it may end as soon as the tallies, which
	// can be a commit ahead of what is read, say that everything was found.
	Watched bool
}

// Line is a conversation with what a list shows of it.
type Line struct {
	Conversation
	Name   string // of the contact, "" when the network tells none
	Last   *Message
	Window time.Time // when free text ends; zero = no limit or never open
}

// Counts are the numbers on the tabs and queues of the inbox.
type Counts struct {
	Mine, Unassigned, All, NeedsReply, Failed, Unread, Resolved int
}

// Counts returns the numbers for the actor.
func (d *Desk) Counts(ctx context.Context, a Actor) (n Counts, err error) {
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		if !g.everywhere() {
			n = g.walkCounts(tx)
			return nil
		}
		count := func(s ConversationStatus, what, of uint64) int {
			n := conversations.Count(tx, tallyKey(s, what, of))
			if !g.May(MaySensitive) {
				n -= conversations.Count(tx, tallyKey(s, countSensitive+what, of))
			}
			return max(n, 0)
		}
		n = Counts{
			Unassigned: count(Open, countAssignee, 0), All: count(Open, countAll, 0),
			NeedsReply: count(Open, countNeedsReply, 0), Failed: count(Open, countFailed, 0),
			Unread: count(Open, countUnread, 0), Resolved: count(Resolved, countAll, 0),
		}
		if id := a.Agent(); id != 0 {
			n.Mine = count(Open, countAssignee, uint64(id))
		}
		return nil
	})
	return n, err
}

// walkCounts counts for somebody who does not see everything.
func (g *Grant) walkCounts(tx *store.Tx) (n Counts) {
	conversations.Walk(tx, store.Mark{}, func(_ uint64, c *Conversation) bool {
		if g.sees(c) {
			n.add(c, g.agent)
		}
		return true
	})
	return n
}

func (n *Counts) add(c *Conversation, me AgentID) {
	if c.Status == Resolved {
		n.Resolved++
		return
	}
	n.All++
	for _, one := range [...]struct {
		is bool
		to *int
	}{
		{me != 0 && c.Assignee == me, &n.Mine},
		{c.Assignee == 0, &n.Unassigned},
		{c.NeedsReply, &n.NeedsReply},
		{c.Failed, &n.Failed},
		{c.Unread > 0, &n.Unread},
	} {
		if one.is {
			*one.to++
		}
	}
}

// Conversations returns the page of lines that q selects, newest activity first; next is zero on the last page.
func (d *Desk) Conversations(ctx context.Context, a Actor, q ConversationQuery) (lines []Line, next store.Mark, err error) {
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		rows, more := q.walk(tx, g)
		if more {
			last := rows[len(rows)-1]
			next = store.Mark{Order: last.Order, ID: uint64(last.ID)}
		}
		for _, c := range rows {
			l, err := d.line(tx, c, g.masks)
			if err != nil {
				return err
			}
			lines = append(lines, l)
		}
		return nil
	})
	return lines, next, err
}

// Conversation returns one line.
func (d *Desk) Conversation(ctx context.Context, a Actor, id ConversationID) (l Line, err error) {
	err = d.look(ctx, a, MayRead, func(tx *store.Tx) error {
		c, err := d.seen(tx, a, id)
		if err != nil {
			return err
		}
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		l, err = d.line(tx, c, g.masks)
		return err
	})
	return l, err
}

func (q *ConversationQuery) walk(tx *store.Tx, g *Grant) (rows []Conversation, more bool) {
	now, all := tx.Now(), q.most(tx)
	if all == 0 {
		return nil, false
	}
	conversations.Walk(tx, q.After, func(id uint64, c *Conversation) bool {
		if !g.sees(c) || !q.selects(c, now) {
			return true
		}
		if len(rows) == q.Limit {
			more = true
			return false
		}
		row := *c
		row.ID = ConversationID(id)
		rows = append(rows, row)
		return len(rows) != all
	})
	return rows, more && len(rows) > 0
}

// most is how many conversations the query can select, as the tallies tell: a walk that has found them all ends there
// and does not go on to the oldest conversation. -1 is unknown.
func (q *ConversationQuery) most(tx *store.Tx) int {
	if !q.Watched || q.Status == 0 || q.After != (store.Mark{}) {
		return -1
	}
	n := conversations.Count(tx, tallyKey(q.Status, countAll, 0))
	if q.Assignee != nil {
		n = min(n, conversations.Count(tx, tallyKey(q.Status, countAssignee, uint64(*q.Assignee))))
	}
	what := map[Queue]uint64{QueueNeedsReply: countNeedsReply, QueueFailed: countFailed, QueueUnread: countUnread}
	if of, ok := what[q.Queue]; ok {
		n = min(n, conversations.Count(tx, tallyKey(q.Status, of, 0)))
	}
	return n
}

func (q *ConversationQuery) selects(c *Conversation, now time.Time) bool {
	switch {
	case q.Status != 0 && c.Status != q.Status,
		q.Inbox != 0 && c.Inbox != q.Inbox,
		q.Contact != 0 && c.Contact != q.Contact,
		q.Assignee != nil && c.Assignee != *q.Assignee,
		q.Label != 0 && !slices.Contains(c.Labels, q.Label):
		return false
	}
	switch q.Queue {
	case QueueNeedsReply:
		return c.NeedsReply
	case QueueFailed:
		return c.Failed
	case QueueUnread:
		return c.Unread > 0
	case QueueAll:
	case QueueClosing:
		left := c.InboundAt.Time().Add(24 * time.Hour).Sub(now)
		return c.NeedsReply && left > 0 && left <= 2*time.Hour
	}
	return true
}

// line opens what a list shows of a conversation. A message that this transaction cannot see yet is left out.
func (d *Desk) line(tx *store.Tx, c Conversation, masks Masks) (Line, error) {
	l := Line{Conversation: c}
	card, err := contactOf(tx, c.Contact)
	if err == nil {
		masks.contact(card)
		l.Name = card.DisplayName()
	} else if err = ignoreMissing(err); err != nil {
		return l, err
	}
	if c.LastSeq != 0 {
		if l.Last, err = messageOf(tx, c.LastMessage()); ignoreMissing(err) != nil {
			return l, err
		}
		masks.message(l.Last)
	}
	kind, err := d.kindOf(tx, c.Inbox)
	if err != nil {
		return l, ignoreMissing(err)
	}
	l.Window = d.windowOf(kind, &c)
	return l, nil
}

// windowOf returns when free text to the contact ends: zero when the kind of inbox has no window; the Unix epoch when
// the customer has never written.
func (d *Desk) windowOf(kind string, c *Conversation) time.Time {
	w := d.rules[kind].Window
	switch {
	case w == 0:
		return time.Time{}
	case c.InboundAt == 0:
		return time.Unix(0, 0).UTC()
	}
	return c.InboundAt.Time().Add(w)
}

func conversationOf(tx *store.Tx, id ConversationID) (Conversation, error) {
	c, ok := conversations.Get(tx, uint64(id))
	if !ok {
		return c, conversationMissing()
	}
	c.ID = id
	return c, nil
}

func conversationMissing() error {
	return missing("problem.conversation_missing", "This conversation does not exist or was deleted.")
}

// conversationsOf calls fn with every conversation of a contact.
func conversationsOf(tx *store.Tx, s ContactID, fn func(ConversationID) error) error {
	return threads.Scan(tx, []uint64{uint64(s)}, 0, func(_ []uint64, v uint64) error { return fn(ConversationID(v)) })
}

// conversationFor returns the conversation of a contact in an inbox and makes it when there is none.
func conversationFor(tx *store.Tx, in InboxID, c *Contact) (Conversation, error) {
	for _, s := range append([]ContactID{c.ID}, c.Merged...) {
		if n, ok := threads.Get(tx, []uint64{uint64(s), uint64(in)}); ok {
			if conv, err := conversationOf(tx, ConversationID(n)); err == nil {
				return conv, nil
			}
		}
	}
	now := InstantOf(tx.Now())
	conv := Conversation{
		ID: ConversationID(tx.NextID()), Contact: c.ID, Inbox: in, Status: Open, CreatedAt: now, UpdatedAt: now,
		Sensitive: c.Sensitive,
	}
	if err := threads.Put(tx, []uint64{uint64(c.ID), uint64(in)}, uint64(conv.ID)); err != nil {
		return conv, err
	}
	return conv, emit(tx, Event{Kind: ConversationOpened, Conversation: conv.ID, Contact: c.ID, Inbox: in})
}

func saveConversation(tx *store.Tx, c *Conversation) error {
	c.UpdatedAt = InstantOf(tx.Now())
	return conversations.Put(tx, uint64(c.ID), *c)
}
