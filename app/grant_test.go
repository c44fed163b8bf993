// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"slices"
	"testing"

	"kith/app"
	"kith/app/apptest"
	"kith/store"
)

// limited is a desk with a second inbox that holds one conversation, and somebody who sees only that.
type limited struct {
	*apptest.Sample
	t     *testing.T
	other app.InboxID
	mine  app.ConversationID
	who   app.Actor
}

func newLimited(t *testing.T) *limited {
	t.Helper()
	s := apptest.NewDesk(t)
	in, err := s.Desk.AddInbox(t.Context(), s.Owner, app.NewInbox{Kind: "whatsapp", Name: "Second", Address: "2064"})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Desk.Receive(t.Context(), in.ID, app.Inbound{Messages: []app.InboundMessage{{
		ExternalID: "second-1", Direction: app.In, Type: app.TypeText, At: apptest.Start, Content: app.Content{Text: "only here"},
		Person: app.Person{Name: "Second Customer", Identities: []app.Identity{
			{Kind: app.IdentityPhone, Value: "+628125550199"}, {Kind: app.IdentityWaID, Value: "628125550199"},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	l := &limited{Sample: s, t: t, other: in.ID}
	lines, _, err := s.Desk.Conversations(t.Context(), s.Owner, app.ConversationQuery{Inbox: in.ID, Limit: 10})
	if err != nil || len(lines) != 1 {
		t.Fatalf("%d conversations in the second inbox: %v", len(lines), err)
	}
	l.mine = lines[0].ID
	p, err := s.Desk.AddAgent(t.Context(), s.Owner, app.NewAgent{Email: "second@kith.example", Name: "Sample Agent", Role: app.AgentRole})
	if err != nil {
		t.Fatal(err)
	}
	l.who = app.Actor{Kind: app.ActorAgent, ID: uint64(p.ID), Role: app.AgentRole}
	l.limit(app.Scope{Inboxes: []app.InboxID{in.ID}})
	return l
}

func (l *limited) limit(s app.Scope) {
	l.t.Helper()
	if err := l.Desk.SetScope(l.t.Context(), l.Owner, l.who.Agent(), 0, s); err != nil {
		l.t.Fatal(err)
	}
}

func (l *limited) sees() []app.ConversationID {
	l.t.Helper()
	lines, _, err := l.Desk.Conversations(l.t.Context(), l.who, app.ConversationQuery{Limit: 100})
	if err != nil {
		l.t.Fatal(err)
	}
	var ids []app.ConversationID
	for i := range lines {
		ids = append(ids, lines[i].ID)
	}
	return ids
}

func TestAScopeHoldsEverywhere(t *testing.T) {
	l := newLimited(t)
	ctx := t.Context()
	if got := l.sees(); !slices.Equal(got, []app.ConversationID{l.mine}) {
		t.Errorf("the list holds %v, want only %d", got, l.mine)
	}
	if n, err := l.Desk.Counts(ctx, l.who); err != nil || n.All != 1 || n.Unread != 1 {
		t.Errorf("counts %+v, %v", n, err)
	}
	var hidden app.ConversationID
	for _, id := range l.Threads {
		hidden = id
	}
	line, err := l.Desk.Conversation(ctx, l.Owner, hidden)
	if err != nil {
		t.Fatal(err)
	}
	page, err := l.Desk.Messages(ctx, l.Owner, hidden, app.MessageID{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	text := "x"
	for name, do := range map[string]func() error{
		"conversation": func() error { _, err := l.Desk.Conversation(ctx, l.who, hidden); return err },
		"messages":     func() error { _, err := l.Desk.Messages(ctx, l.who, hidden, app.MessageID{}, 5); return err },
		"message":      func() error { _, err := l.Desk.Message(ctx, l.who, page.Messages[0].ID); return err },
		"file":         func() error { _, _, err := l.Desk.Attachment(ctx, l.who, page.Messages[0].ID, 0); return err },
		"reply":        func() error { _, err := l.Desk.Reply(ctx, l.who, hidden, app.Draft{Text: text}); return err },
		"react":        func() error { return l.Desk.React(ctx, l.who, page.Messages[0].ID, "👍") },
		"resend":       func() error { _, err := l.Desk.Resend(ctx, l.who, page.Messages[0].ID); return err },
		"cancel":       func() error { return l.Desk.Cancel(ctx, l.who, page.Messages[0].ID) },
		"seen":         func() error { return l.Desk.MarkSeen(ctx, l.who, hidden) },
		"upload":       func() error { _, err := l.Desk.CreateUpload(ctx, l.who, hidden); return err },
		"change":       func() error { return l.Desk.ChangeConversation(ctx, l.who, hidden, app.ConversationChange{}) },
		"contact":      func() error { _, err := l.Desk.Contact(ctx, l.who, line.Contact); return err },
		"reveal":       func() error { _, err := l.Desk.Reveal(ctx, l.who, line.Contact); return err },
		"change contact": func() error {
			_, err := l.Desk.ChangeContact(ctx, l.who, line.Contact, app.ContactInput{Name: &text})
			return err
		},
		"templates": func() error { _, _, err := l.Desk.Templates(ctx, l.who, l.Inbox); return err },
		"inbox":     func() error { _, err := l.Desk.InboxOf(ctx, l.who, l.Inbox); return err },
	} {
		if err := do(); !errors.Is(err, app.ErrNotFound) {
			t.Errorf("%s out of scope: %v", name, err)
		}
	}
	if list, _, err := l.Desk.Contacts(ctx, l.who, app.ContactQuery{Limit: 100}); err != nil || len(list) != 1 {
		t.Errorf("%d contacts, %v", len(list), err)
	}
	for _, q := range []app.ContactQuery{{Prefix: "Si", Limit: 9}, {Phone: "+6281234567890", Limit: 9}} {
		if list, _, err := l.Desk.Contacts(ctx, l.who, q); err != nil || len(list) != 0 {
			t.Errorf("%+v found %d contacts, %v", q, len(list), err)
		}
	}
	events, err := l.Desk.Events(ctx, 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	heard, err := l.Desk.Sight(ctx, l.who, events)
	if err != nil || len(heard) == 0 || len(heard) >= len(events) {
		t.Fatalf("hears %d of %d events, %v", len(heard), len(events), err)
	}
	for _, e := range heard {
		if e.Conversation != 0 && e.Conversation != l.mine {
			t.Errorf("hears of conversation %d", e.Conversation)
		}
	}
	l.limit(app.Scope{})
	if got := l.sees(); len(got) != len(l.Threads)+1 {
		t.Errorf("after the limit was lifted %d conversations, want %d", len(got), len(l.Threads)+1)
	}
}

func TestOwnReach(t *testing.T) {
	l := newLimited(t)
	l.limit(app.Scope{Reach: app.ReachOwn})
	before := len(l.sees())
	to := l.Owner.Agent()
	if err := l.Desk.ChangeConversation(t.Context(), l.Owner, l.mine, app.ConversationChange{Assignee: &to}); err != nil {
		t.Fatal(err)
	}
	if got := l.sees(); len(got) != before-1 || slices.Contains(got, l.mine) {
		t.Errorf("somebody else's conversation is seen: %v", got)
	}
	to = l.who.Agent()
	if err := l.Desk.ChangeConversation(t.Context(), l.Owner, l.mine, app.ConversationChange{Assignee: &to}); err != nil {
		t.Fatal(err)
	}
	if got := l.sees(); !slices.Contains(got, l.mine) {
		t.Errorf("the own conversation is not seen: %v", got)
	}
}

func TestSensitiveIsNeedToKnow(t *testing.T) {
	l := newLimited(t)
	l.limit(app.Scope{})
	ctx := t.Context()
	line, err := l.Desk.Conversation(ctx, l.Owner, l.mine)
	if err != nil {
		t.Fatal(err)
	}
	before, err := l.Desk.Counts(ctx, l.who)
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	if _, err := l.Desk.ChangeContact(ctx, l.who, line.Contact, app.ContactInput{Sensitive: &yes}); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(l.sees(), l.mine) {
		t.Error("a sensitive conversation is in the list of an agent")
	}
	if after, err := l.Desk.Counts(ctx, l.who); err != nil || after.All != before.All-1 || after.Unread != before.Unread-1 {
		t.Errorf("counts %+v, before %+v, %v", after, before, err)
	}
	if _, err := l.Desk.Contact(ctx, l.who, line.Contact); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("the contact: %v", err)
	}
	if _, err := l.Desk.ChangeContact(ctx, l.who, line.Contact, app.ContactInput{Sensitive: &no}); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("taking the flag away: %v", err)
	}
	officer := app.Actor{Kind: app.ActorAgent, ID: 99, Role: app.PrivacyOfficer}
	if _, err := l.Desk.Conversation(ctx, officer, l.mine); err != nil {
		t.Errorf("the privacy officer: %v", err)
	}
	if _, err := l.Desk.ChangeContact(ctx, officer, line.Contact, app.ContactInput{Sensitive: &no}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(l.sees(), l.mine) {
		t.Error("without the flag it is not seen")
	}
}

func TestCustomRole(t *testing.T) {
	l := newLimited(t)
	ctx := t.Context()
	r, err := l.Desk.SaveRole(ctx, l.Owner, app.CustomRole{
		Name: "Second desk", May: []string{"read", "own_account"}, Scope: app.Scope{Inboxes: []app.InboxID{l.other}},
	})
	if err != nil {
		t.Fatal(err)
	}
	who, err := l.Desk.Admit(ctx, app.Actor{Kind: app.ActorAgent, ID: l.who.ID, Role: r.ID})
	if err != nil || !who.May(app.MayRead) || who.May(app.MayConverse) {
		t.Fatalf("read %v, converse %v, %v", who.May(app.MayRead), who.May(app.MayConverse), err)
	}
	if (app.Actor{Kind: app.ActorAgent, ID: l.who.ID, Role: r.ID}).May(app.MayRead) {
		t.Error("an actor who was not admitted may something by a role that is not in the table")
	}
	if _, err := l.Desk.Conversation(ctx, who, l.mine); err != nil {
		t.Error(err)
	}
	if _, err := l.Desk.Reply(ctx, who, l.mine, app.Draft{Note: true, Text: "x"}); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("writing: %v", err)
	}
	admin := app.Actor{Kind: app.ActorAgent, ID: 98, Role: app.Admin}
	if _, err := l.Desk.SaveRole(ctx, admin, app.CustomRole{Name: "Crown", May: []string{"own"}}); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("an admin made a role that may more: %v", err)
	}
	r.May = []string{"own_account"}
	if _, err := l.Desk.SaveRole(ctx, l.Owner, *r); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Desk.Conversation(ctx, who, l.mine); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("a role that may read no more: %v", err)
	}
	if err := l.Desk.RemoveRole(ctx, l.Owner, r.ID); err != nil {
		t.Fatal(err)
	}
	if again, err := l.Desk.Admit(ctx, app.Actor{Kind: app.ActorAgent, ID: l.who.ID, Role: r.ID}); err != nil || again.May(app.MayOwnAccount) {
		t.Errorf("a role that is gone still may: %v", err)
	}
}

func TestNobodyGivesAwayMoreThanTheyHave(t *testing.T) {
	s := apptest.NewDesk(t)
	admin := app.Actor{Kind: app.ActorAgent, ID: 98, Role: app.Admin}
	for role, ok := range map[app.Role]bool{app.Owner: false, app.Admin: true, app.Auditor: true, 0: false, 77: false} {
		err := s.Desk.CheckRole(t.Context(), admin, role)
		if (err == nil) != ok {
			t.Errorf("an admin gives %q: %v", role, err)
		}
	}
}

func TestMasks(t *testing.T) {
	l := newLimited(t)
	l.limit(app.Scope{})
	ctx := t.Context()
	all := app.Masks{Phones: true, Emails: true, Names: true}
	if err := l.Desk.SaveMasks(ctx, l.Owner, app.AgentRole, all); err != nil {
		t.Fatal(err)
	}
	line, err := l.Desk.Conversation(ctx, l.who, l.mine)
	if err != nil || line.Name != "S••• C•••" || line.Last.ExternalID == "second-1" {
		t.Fatalf("the list shows %q, %q, %v", line.Name, line.Last.ExternalID, err)
	}
	c, err := l.Desk.Contact(ctx, l.who, line.Contact)
	if err != nil || !c.Masked || !slices.Equal(c.Phones, []string{"+62 ••• ••99"}) {
		t.Fatalf("the contact shows %q, %v", c.Phones, err)
	}
	for _, id := range c.Identities {
		if id.Value == "628125550199" || id.Value == "+628125550199" {
			t.Errorf("the identity %s is not masked", id.Kind)
		}
	}
	// A form that is sent as it was shown changes nothing but what was typed.
	emails := []string{"sample.customer@kith.example"}
	changed, err := l.Desk.ChangeContact(ctx, l.who, c.ID, app.ContactInput{Name: &c.Name, Phones: c.Phones, Emails: emails})
	if err != nil || changed.Emails[0] != "s•••@•••.example" {
		t.Fatalf("the answer to a change shows %q, %v", changed.Emails, err)
	}
	if _, err := l.Desk.ChangeContact(ctx, l.who, c.ID, app.ContactInput{Phones: []string{"+62 ••• ••98"}}); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("a masked value of nobody was taken: %v", err)
	}
	open, err := l.Desk.Reveal(ctx, l.who, c.ID)
	if err != nil || open.Phones[0] != "+628125550199" || open.Name != "Second Customer" || open.Emails[0] != emails[0] {
		t.Fatalf("revealed %q %q %q, %v", open.Name, open.Phones, open.Emails, err)
	}
	trail, err := l.Desk.AuditTrail(ctx, l.Owner, 1)
	if err != nil || trail[0].Kind != app.AuditRevealed || trail[0].Subject != c.ID || trail[0].Actor.ID != l.who.ID {
		t.Errorf("the newest entry is %+v, %v", trail, err)
	}
	for _, q := range []string{"Cust", "62812", "0199", "sample.c"} {
		if list, _, err := l.Desk.Contacts(ctx, l.who, app.ContactQuery{Prefix: q, Limit: 9}); err != nil || len(list) != 0 {
			t.Errorf("%q tells of %d masked contacts, %v", q, len(list), err)
		}
	}
	if list, _, err := l.Desk.Contacts(ctx, l.who, app.ContactQuery{Phone: "+628125550199", Limit: 9}); err != nil || len(list) != 1 {
		t.Errorf("who knows the whole number finds %d, %v", len(list), err)
	}
	if c, err := l.Desk.Contact(ctx, l.Owner, c.ID); err != nil || c.Masked || c.Phones[0] != "+628125550199" {
		t.Errorf("the owner sees %q, %v", c.Phones, err)
	}
}

func TestReadsAreAuditedOncePerHour(t *testing.T) {
	l := newLimited(t)
	l.limit(app.Scope{})
	ctx := t.Context()
	count := func(kind app.AuditKind) (n int) {
		trail, err := l.Desk.AuditTrail(ctx, l.Owner, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range trail {
			if trail[i].Kind == kind && trail[i].Actor.ID == l.who.ID {
				n++
			}
		}
		return n
	}
	for range 3 {
		if _, err := l.Desk.Messages(ctx, l.who, l.mine, app.MessageID{}, 5); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(app.AuditConversationRead); n != 1 {
		t.Errorf("%d entries for one conversation in one hour", n)
	}
	if _, err := l.Desk.AuditTrail(ctx, l.who, 5); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("an agent reads the trail: %v", err)
	}
	if n := count(app.AuditRefused); n != 1 {
		t.Errorf("%d entries for a refusal", n)
	}
	if err := l.DB.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Desk.Messages(ctx, l.who, l.mine, app.MessageID{}, 5); !errors.Is(err, store.ErrClosed) {
		t.Errorf("reading without a store: %v", err)
	}
}
