// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"fmt"
	"testing"

	"kith/app"
)

func TestTheGate(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	agent := app.Actor{Kind: app.ActorAgent, ID: 77, Role: app.AgentRole}
	for name, do := range map[string]func() error{
		"adding an agent": func() error {
			_, err := w.desk.AddAgent(w.ctx(), agent, app.NewAgent{Email: "b@example.com", Name: "B", Role: app.AgentRole})
			return err
		},
		"connecting an inbox": func() error {
			_, err := w.desk.AddInbox(w.ctx(), agent, app.NewInbox{Kind: "whatsapp", Name: "x", Address: "2"})
			return err
		},
		"erasing a contact": func() error { return w.desk.EraseContact(w.ctx(), agent, w.only().Contact) },
		"reading the audit": func() error { _, err := w.desk.AuditTrail(w.ctx(), agent, 1); return err },
		"nobody replying": func() error {
			_, err := w.desk.Reply(w.ctx(), app.Actor{}, w.only().ID, app.Draft{Text: "x"})
			return err
		},
	} {
		if err := do(); !errors.Is(err, app.ErrForbidden) {
			t.Errorf("%s: %v, want ErrForbidden", name, err)
		}
	}
	if _, err := w.desk.Reply(w.ctx(), agent, w.only().ID, app.Draft{Text: "x"}); err != nil {
		t.Errorf("an agent replying: %v", err)
	}
}

func TestEveryActIsAudited(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	id := w.only().ID
	m := w.reply(id, "x")
	resolved := app.Resolved
	w.must(w.desk.ChangeConversation(w.ctx(), w.agent, id, app.ConversationChange{Status: &resolved}))
	trail, err := w.desk.AuditTrail(w.ctx(), w.agent, 10)
	w.must(err)
	if len(trail) != 4 || trail[0].Kind != app.AuditConversationChanged || trail[1].Kind != app.AuditReplied ||
		trail[1].Message != m.ID.Seq || trail[1].Actor != w.agent {
		t.Fatalf("trail is %+v", trail)
	}
	n, err := w.desk.CheckAudit(w.ctx(), w.agent)
	if n != 4 || err != nil {
		t.Errorf("checked %d entries: %v", n, err)
	}
	before := len(trail)
	if _, err := w.desk.Reply(w.ctx(), w.agent, id, app.Draft{}); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("an empty reply: %v", err)
	}
	if trail, _ = w.desk.AuditTrail(w.ctx(), w.agent, 10); len(trail) != before {
		t.Error("a refused act left an audit entry")
	}
}

func TestListsAndCounts(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		p := app.Person{Name: fmt.Sprint("P", i), Identities: []app.Identity{{Kind: app.IdentityWaID, Value: fmt.Sprint(100 + i)}}}
		w.receive(text(p, fmt.Sprint("wamid.", i), "hi", i))
	}
	lines := w.lines()
	me, resolved := w.agent.Agent(), app.Resolved
	w.must(w.desk.ChangeConversation(w.ctx(), w.agent, lines[0].ID, app.ConversationChange{Assignee: &me}))
	w.must(w.desk.ChangeConversation(w.ctx(), w.agent, lines[1].ID, app.ConversationChange{Status: &resolved}))
	l, err := w.desk.AddLabel(w.ctx(), w.agent, " Urgent ")
	w.must(err)
	again, err := w.desk.AddLabel(w.ctx(), w.agent, "urgent")
	w.must(err)
	if l.ID != again.ID {
		t.Error("two labels of one name")
	}
	w.must(w.desk.ChangeConversation(w.ctx(), w.agent, lines[2].ID, app.ConversationChange{Labels: []uint32{l.ID}}))
	for range 2 { // before and after a restart
		n, err := w.desk.Counts(w.ctx(), w.agent)
		w.must(err)
		if want := (app.Counts{Mine: 1, Unassigned: 10, All: 11, NeedsReply: 11, Unread: 11, Resolved: 1}); n != want {
			t.Errorf("counts are %+v, want %+v", n, want)
		}
		var nobody app.AgentID
		for name, c := range map[string]struct {
			q    app.ConversationQuery
			want int
		}{
			"mine":       {app.ConversationQuery{Assignee: &me}, 1},
			"unassigned": {app.ConversationQuery{Assignee: &nobody}, 11},
			"resolved":   {app.ConversationQuery{Status: app.Resolved}, 1},
			"label":      {app.ConversationQuery{Label: l.ID}, 1},
			"contact":    {app.ConversationQuery{Contact: lines[3].Contact}, 1},
			"unread":     {app.ConversationQuery{Queue: app.QueueUnread}, 12},
		} {
			c.q.Limit = 100
			got, _, err := w.desk.Conversations(w.ctx(), w.agent, c.q)
			w.must(err)
			if len(got) != c.want {
				t.Errorf("%s: %d conversations, want %d", name, len(got), c.want)
			}
		}
		w.reopen()
	}
	q, seen := app.ConversationQuery{Limit: 5}, 0
	for {
		page, next, err := w.desk.Conversations(w.ctx(), w.agent, q)
		w.must(err)
		seen += len(page)
		if next.ID == 0 {
			break
		}
		q.After = next
	}
	if seen != 12 {
		t.Errorf("pages hold %d conversations, want 12", seen)
	}
}

func TestContacts(t *testing.T) {
	w := newWorld(t)
	name := "Dewi Lestari"
	c, err := w.desk.AddContact(w.ctx(), w.agent, app.ContactInput{
		Name: &name, Phones: []string{"+62 812-3456"}, Emails: []string{"Dewi@Example.com"}, Fields: map[string]string{"city": "Bandung"},
	})
	w.must(err)
	if c.Phones[0] != "+628123456" || c.Emails[0] != "dewi@example.com" {
		t.Errorf("contact is %+v", c)
	}
	if _, err := w.desk.AddContact(w.ctx(), w.agent, app.ContactInput{Phones: []string{"628123456"}}); !errors.Is(err, app.ErrConflict) {
		t.Errorf("the same number again: %v", err)
	}
	for _, in := range []app.ContactInput{{}, {Phones: []string{"call me"}}, {Emails: []string{"no"}}} {
		if _, err := w.desk.AddContact(w.ctx(), w.agent, in); !errors.Is(err, app.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", in, err)
		}
	}
	for _, q := range []app.ContactQuery{{Phone: "628123456"}, {Phone: "+62 8123456"}, {Email: "DEWI@example.com"}, {Prefix: "les"}, {Prefix: "Dewi"}} {
		q.Limit = 10
		got, _, err := w.desk.Contacts(w.ctx(), w.agent, q)
		if err != nil || len(got) != 1 || got[0].ID != c.ID {
			t.Errorf("%+v finds %+v, %v", q, got, err)
		}
	}
	renamed := "Dewi Anggraini"
	_, err = w.desk.ChangeContact(w.ctx(), w.agent, c.ID, app.ContactInput{Name: &renamed})
	w.must(err)
	for prefix, want := range map[string]int{"les": 0, "ANG": 1, "ewi": 0} {
		got, _, err := w.desk.Contacts(w.ctx(), w.agent, app.ContactQuery{Prefix: prefix, Limit: 10})
		if err != nil || len(got) != want {
			t.Errorf("after the new name %q finds %d, want %d, %v", prefix, len(got), want, err)
		}
	}
	w.must(w.desk.EraseContact(w.ctx(), w.agent, c.ID))
	if got, _, _ := w.desk.Contacts(w.ctx(), w.agent, app.ContactQuery{Prefix: "ang", Limit: 10}); len(got) != 0 {
		t.Errorf("an erased contact is found by its name: %+v", got)
	}
	if _, err := w.desk.Contact(w.ctx(), w.agent, c.ID); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("an erased contact: %v", err)
	}
	if got, _, _ := w.desk.Contacts(w.ctx(), w.agent, app.ContactQuery{Phone: "628123456", Limit: 1}); len(got) != 0 {
		t.Errorf("an erased contact is found by its number: %+v", got)
	}
}

func TestErasedPersonWhoWritesAgainIsNew(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "secret", 0))
	old := w.only()
	w.must(w.desk.EraseContact(w.ctx(), w.agent, old.Contact))
	if n := len(w.lines()); n != 0 {
		t.Fatalf("%d conversations after the erasure", n)
	}
	w.receive(text(siti, "wamid.2", "hello again", 60))
	c := w.only()
	if c.Contact == old.Contact || len(w.thread(c.ID)) != 1 {
		t.Errorf("the new conversation is %+v", c)
	}
}
