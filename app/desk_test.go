// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"kith/app"
	"kith/store"
)

// start is when tests begin; the clock moves only when a test moves it.
var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// world is a desk with one agent, one inbox and a clock of its own.
type world struct {
	t     *testing.T
	now   time.Time
	dir   string
	db    *store.DB
	desk  *app.Desk
	agent app.Actor
	inbox app.InboxID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: start, dir: t.TempDir() + "/data"}
	w.open()
	ctx := t.Context()
	a, err := w.desk.AddAgent(ctx, app.Host(), app.NewAgent{Email: "ani@example.com", Name: "Ani", Role: app.Owner})
	w.must(err)
	w.agent = app.Actor{Kind: app.ActorAgent, ID: uint64(a.ID), Role: app.Owner}
	in, err := w.desk.AddInbox(ctx, w.agent, app.NewInbox{Kind: "whatsapp", Name: "Front desk", Address: "1", Settings: map[string]string{}})
	w.must(err)
	w.inbox = in.ID
	t.Cleanup(func() { w.must(w.db.Close()) })
	return w
}

func (w *world) open() {
	w.t.Helper()
	db, err := store.Open(w.dir, store.Options{Now: func() time.Time { return w.now }})
	w.must(err)
	w.db = db
	w.desk = app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"whatsapp": {
		Window: 24 * time.Hour, TextLength: 4096, CaptionLimit: 1024,
		File: func(typ app.MessageType, mime string) (int64, error) {
			if typ == app.TypeSticker {
				return 0, fmt.Errorf("stickers of type %s are not allowed", mime)
			}
			return 1 << 20, nil
		},
	}}})
}

// reopen stops and starts the store, as a restart does.
func (w *world) reopen() {
	w.t.Helper()
	w.must(w.db.Close())
	w.open()
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ctx() context.Context { return w.t.Context() }

// siti and others are sample customers: with a phone, without one.
var (
	siti = app.Person{Name: "Siti", Identities: []app.Identity{
		{Kind: app.IdentityBSUID, Value: "ID.1"}, {Kind: app.IdentityWaID, Value: "628111"}, {Kind: app.IdentityPhone, Value: "+628111000"},
	}}
	noPhone = app.Person{Username: "kopi", Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: "ID.2"}}}
)

// text is an inbound text of somebody, at seconds after start.
func text(p app.Person, id, body string, seconds int) app.InboundMessage {
	return app.InboundMessage{
		ExternalID: id, Person: p, Direction: app.In, At: start.Add(time.Duration(seconds) * time.Second),
		Type: app.TypeText, Content: app.Content{Text: body},
	}
}

func (w *world) receive(ms ...app.InboundMessage) {
	w.t.Helper()
	w.must(w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Messages: ms}))
}

func (w *world) receipt(r app.Receipt) {
	w.t.Helper()
	w.must(w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Receipts: []app.Receipt{r}}))
}

// lines are all conversations, newest activity first.
func (w *world) lines() []app.Line {
	w.t.Helper()
	l, _, err := w.desk.Conversations(w.ctx(), w.agent, app.ConversationQuery{Limit: 100})
	w.must(err)
	return l
}

// only returns the one conversation that there must be.
func (w *world) only() app.Line {
	w.t.Helper()
	l := w.lines()
	if len(l) != 1 {
		w.t.Fatalf("%d conversations, want 1", len(l))
	}
	return l[0]
}

// thread is the whole conversation, oldest first.
func (w *world) thread(id app.ConversationID) []app.Message {
	w.t.Helper()
	p, err := w.desk.Messages(w.ctx(), w.agent, id, app.MessageID{}, 1000)
	w.must(err)
	return p.Messages
}

// reply writes text as the agent.
func (w *world) reply(id app.ConversationID, body string) *app.Message {
	w.t.Helper()
	m, err := w.desk.Reply(w.ctx(), w.agent, id, app.Draft{Text: body})
	w.must(err)
	return m
}

// send takes the next due job and settles it as sent under the network's id.
func (w *world) send(external string) {
	w.t.Helper()
	at := w.attempt()
	w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Sent: true, ExternalID: external}))
}

func (w *world) attempt() *app.Attempt {
	w.t.Helper()
	due, _, err := w.desk.DueJobs(w.ctx(), 10)
	w.must(err)
	if len(due) == 0 {
		w.t.Fatal("no job is due")
	}
	at, err := w.desk.StartAttempt(w.ctx(), due[0].ID)
	w.must(err)
	return at
}

func (w *world) message(id app.MessageID) *app.Message {
	w.t.Helper()
	m, err := w.desk.Message(w.ctx(), w.agent, id)
	w.must(err)
	return m
}
