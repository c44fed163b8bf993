// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/app"
)

func TestReceiveStoresEachMessageOnce(t *testing.T) {
	w := newWorld(t)
	m := text(siti, "wamid.1", "Halo", 0)
	w.receive(m)
	w.receive(m, m)
	w.now = w.now.Add(30 * time.Hour)
	w.receive(m)
	c := w.only()
	got := w.thread(c.ID)
	if len(got) != 1 || got[0].Content.Text != "Halo" || got[0].Direction != app.In {
		t.Fatalf("thread is %+v", got)
	}
	if c.Unread != 1 || !c.NeedsReply || c.Name != "Siti" || c.Last.Content.Text != "Halo" {
		t.Errorf("line is %+v", c)
	}
}

func TestReceiveRecognisesDuplicatesWithImpossibleTimes(t *testing.T) {
	w := newWorld(t)
	m := text(siti, "wamid.1", "From the future", 0)
	m.At = start.AddDate(5, 0, 0)
	w.receive(m)
	w.now = w.now.Add(26 * time.Hour)
	w.receive(m)
	if got := w.thread(w.only().ID); len(got) != 1 {
		t.Fatalf("%d messages, want 1", len(got))
	}
}

func TestThreadFollowsTheNetworksTime(t *testing.T) {
	w := newWorld(t)
	var ms []app.InboundMessage
	for i := range 40 {
		ms = append(ms, text(siti, fmt.Sprint("wamid.", i), fmt.Sprint(i), i*7200))
	}
	w.now = start.Add(90 * time.Hour)
	rand.Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
	for _, m := range ms {
		w.receive(m)
	}
	c := w.only()
	for i, m := range w.thread(c.ID) {
		if m.Content.Text != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, m.Content.Text)
		}
	}
	if c.Last.Content.Text != "39" {
		t.Errorf("the last line is %q", c.Last.Content.Text)
	}
	var all []string
	for before := (app.MessageID{}); ; {
		p, err := w.desk.Messages(w.ctx(), w.agent, c.ID, before, 7)
		w.must(err)
		for _, m := range slices.Backward(p.Messages) {
			all = append(all, m.ID.String())
		}
		if before = p.Older; before.Seq == 0 {
			break
		}
	}
	seen := map[string]bool{}
	for _, id := range all {
		seen[id] = true
	}
	if len(all) != 40 || len(seen) != 40 {
		t.Errorf("pages hold %d messages, %d different, want 40", len(all), len(seen))
	}
}

func TestIdentities(t *testing.T) {
	t.Run("a person without a phone number is a contact", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(noPhone, "wamid.1", "Hi", 0))
		if c := w.only(); c.Name != "@kopi" {
			t.Errorf("name is %q", c.Name)
		}
	})
	t.Run("the number that comes later joins the same contact", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(noPhone, "wamid.1", "Hi", 0))
		p := noPhone
		p.Identities = append(p.Identities[:1:1], app.Identity{Kind: app.IdentityWaID, Value: "4930"})
		w.receive(text(p, "wamid.2", "It is me", 1))
		w.receive(text(app.Person{Identities: p.Identities[1:]}, "wamid.3", "Again", 2))
		if got := w.thread(w.only().ID); len(got) != 3 {
			t.Errorf("%d messages, want 3", len(got))
		}
	})
	t.Run("two contacts that turn out to be one are merged", func(t *testing.T) {
		w := newWorld(t)
		byID := app.Person{Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: "ID.9"}}}
		byNumber := app.Person{Name: "Budi", Identities: []app.Identity{{Kind: app.IdentityWaID, Value: "629"}}}
		w.receive(text(byID, "wamid.1", "one", 0), text(byNumber, "wamid.2", "two", 1))
		both := app.Person{Identities: append(byID.Identities[:1:1], byNumber.Identities...)}
		w.receive(text(both, "wamid.3", "three", 2))
		lines := w.lines()
		first, err := w.desk.Contact(w.ctx(), w.agent, lines[0].Contact)
		w.must(err)
		second, err := w.desk.Contact(w.ctx(), w.agent, lines[1].Contact)
		w.must(err)
		if first.ID != second.ID || first.Name != "Budi" || len(first.Merged) != 1 {
			t.Errorf("contacts are %+v and %+v", first, second)
		}
		list, _, err := w.desk.Contacts(w.ctx(), w.agent, app.ContactQuery{Limit: 10})
		w.must(err)
		if len(list) != 1 {
			t.Errorf("%d contacts listed, want 1", len(list))
		}
	})
	t.Run("a changed number leads to the same contact", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(siti, "wamid.1", "old", 0))
		next := app.Identity{Kind: app.IdentityWaID, Value: "628222"}
		w.must(w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Changes: []app.IdentityChange{{Old: siti.Identities[1], New: next, At: start}}}))
		w.receive(text(app.Person{Identities: []app.Identity{next}}, "wamid.2", "new", 1))
		if got := w.thread(w.only().ID); len(got) != 2 {
			t.Errorf("%d messages, want 2", len(got))
		}
	})
	t.Run("a number that passed on leads to its new owner", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(siti, "wamid.1", "old owner", 0))
		change := app.IdentityChange{Old: siti.Identities[1], New: app.Identity{Kind: app.IdentityWaID, Value: "628222"}, At: start}
		for range 2 {
			w.must(w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Changes: []app.IdentityChange{change}}))
		}
		w.receive(text(app.Person{Identities: []app.Identity{change.Old}}, "wamid.2", "late", 1))
		w.only()
		next := app.Person{Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: "ID.77"}, change.Old}}
		w.receive(text(next, "wamid.3", "new owner", 2))
		w.receive(text(app.Person{Identities: []app.Identity{change.Old}}, "wamid.4", "new owner again", 3))
		lines := w.lines()
		if len(lines) != 2 || len(w.thread(lines[0].ID)) != 2 || len(w.thread(lines[1].ID)) != 2 {
			t.Errorf("lines are %+v", lines)
		}
	})
	t.Run("an agent's name for a contact stays", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(siti, "wamid.1", "Halo", 0))
		name := "Ibu Siti, room 4"
		_, err := w.desk.ChangeContact(w.ctx(), w.agent, w.only().Contact, app.ContactInput{Name: &name})
		w.must(err)
		p := siti
		p.Name = "siti_92"
		w.receive(text(p, "wamid.2", "Halo", 1))
		if c := w.only(); c.Name != name {
			t.Errorf("name is %q", c.Name)
		}
	})
}

// act is an inbound reaction, edit or deletion of the message target.
func act(a app.Action, typ app.MessageType, id, target, body string, seconds int) app.InboundMessage {
	m := text(siti, id, body, seconds)
	m.Action, m.Type, m.Target = a, typ, target
	return m
}

func TestActionsFindTheirMessageInAnyOrder(t *testing.T) {
	base := text(siti, "wamid.1", "Fisrt", 0)
	for _, c := range []struct {
		name  string
		act   app.InboundMessage
		check func(m app.Message) bool
	}{
		{"reaction", act(app.ActReact, app.TypeReaction, "wamid.2", "wamid.1", "❤", 5), func(m app.Message) bool {
			return len(m.Reactions) == 1 && m.Reactions[0].Emoji == "❤"
		}},
		{"edit", act(app.ActEdit, app.TypeEdit, "wamid.2", "wamid.1", "First", 5), func(m app.Message) bool {
			return m.Content.Text == "First" && len(m.Versions) == 1 && m.Versions[0].Text == "Fisrt"
		}},
		{"deletion", act(app.ActRevoke, app.TypeRevoke, "wamid.2", "wamid.1", "", 5), func(m app.Message) bool {
			return m.RevokedAt != 0
		}},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/late=%v", c.name, late), func(t *testing.T) {
				w := newWorld(t)
				order := []app.InboundMessage{base, c.act, c.act, base}
				if late {
					order = []app.InboundMessage{c.act, base, c.act, base}
				}
				for _, m := range order {
					w.receive(m)
				}
				found := 0
				for _, m := range w.thread(w.only().ID) {
					if m.ExternalID == "wamid.1" {
						found++
						if !c.check(m) {
							t.Errorf("the message is %+v", m)
						}
					}
				}
				if found != 1 {
					t.Errorf("the message is there %d times", found)
				}
			})
		}
	}
}

func TestPreferenceStopsMarketing(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	stop := app.Preference{Person: siti, Stop: true, At: start.Add(time.Minute), Detail: "User requested to stop marketing messages"}
	for range 2 {
		w.must(w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Preferences: []app.Preference{stop}}))
	}
	c := w.only()
	if got := w.thread(c.ID); len(got) != 2 || got[1].Content.System != "marketing_stopped" {
		t.Fatalf("thread is %+v", got)
	}
	w.must(w.desk.SaveTemplates(w.ctx(), w.inbox, []app.Template{
		{Name: "sale", Language: "en", Category: "MARKETING", Status: "APPROVED", Body: "Sale"},
		{Name: "ready", Language: "en", Category: "UTILITY", Status: "APPROVED", Body: "Ready"},
	}))
	_, err := w.desk.Reply(w.ctx(), w.agent, c.ID, app.Draft{Template: &app.TemplateUse{Name: "sale", Language: "en"}})
	if err == nil || !strings.Contains(err.Error(), "marketing") {
		t.Errorf("sending marketing: %v", err)
	}
	_, err = w.desk.Reply(w.ctx(), w.agent, c.ID, app.Draft{Template: &app.TemplateUse{Name: "ready", Language: "en"}})
	w.must(err)
}

func TestHistoryWakesNobody(t *testing.T) {
	w := newWorld(t)
	m := text(siti, "wamid.1", "long ago", -90*86400)
	m.Past, m.Origin = true, app.FromHistory
	w.receive(m)
	if c := w.only(); c.Unread != 0 || c.NeedsReply || c.InboundAt != 0 {
		t.Errorf("line is %+v", c)
	}
}

func TestReceiveIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	bad := text(app.Person{Identities: []app.Identity{{Kind: app.IdentityWaID, Value: "1"}}}, "wamid.2", "x", 1)
	w.must(w.db.Close())
	err := w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Messages: []app.InboundMessage{text(siti, "wamid.1", "x", 0), bad}})
	if err == nil {
		t.Fatal("a closed store took a message")
	}
	w.open()
	if n := len(w.lines()); n != 0 {
		t.Errorf("%d conversations after a refusal, want 0", n)
	}
}

func TestNoticesAndUnreadable(t *testing.T) {
	w := newWorld(t)
	n := app.Notice{Topic: "account_update", Level: app.LevelAlarm, Event: "DISABLED_UPDATE", At: start, Digest: [16]byte{1}}
	u := app.Unread{Reason: "no entry", Raw: []byte(`{"x":1}`)}
	for range 2 {
		w.must(w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Notices: []app.Notice{n}, Unreadable: []app.Unread{u}}))
	}
	ns, err := w.desk.Notices(w.ctx(), w.agent, w.inbox, 10)
	w.must(err)
	us, err := w.desk.Unreadable(w.ctx(), w.agent, w.inbox, 10)
	w.must(err)
	if len(ns) != 1 || len(us) != 1 || string(us[0].Raw) != `{"x":1}` {
		t.Fatalf("notices %+v, unreadable %+v", ns, us)
	}
	err = w.desk.Replay(w.ctx(), w.agent, us[0].ID, func([]byte) (app.Inbound, error) { return app.Inbound{}, fmt.Errorf("no entry") })
	if err == nil {
		t.Error("a replay that could not be read succeeded")
	}
	w.must(w.desk.Replay(w.ctx(), w.agent, us[0].ID, func([]byte) (app.Inbound, error) {
		return app.Inbound{Messages: []app.InboundMessage{text(siti, "wamid.1", "read at last", 0)}}, nil
	}))
	us, err = w.desk.Unreadable(w.ctx(), w.agent, w.inbox, 10)
	w.must(err)
	if len(us) != 0 || len(w.thread(w.only().ID)) != 1 {
		t.Errorf("after the replay: %d unreadable", len(us))
	}
}

func TestReceiveRecognisesDuplicatesAcrossAClockThatWasWrong(t *testing.T) {
	for name, jump := range map[string]time.Duration{"set right": 30 * time.Hour, "set back": -30 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := text(siti, "wamid.1", "Halo", 0)
			if m.At = start; jump > 0 {
				m.At = start.Add(29 * time.Hour)
			}
			w.receive(m)
			w.now = w.now.Add(jump)
			w.receive(m)
			if got := w.thread(w.only().ID); len(got) != 1 {
				t.Fatalf("%d messages, want 1", len(got))
			}
		})
	}
}

func TestAMessageFromTheFarFutureDoesNotStayTheNewest(t *testing.T) {
	w := newWorld(t)
	m := text(siti, "wamid.1", "From the future", 0)
	m.At = start.AddDate(200, 0, 0)
	w.receive(m)
	w.now = w.now.Add(time.Hour)
	w.receive(text(siti, "wamid.2", "Now", 3600))
	c := w.only()
	if c.Last.Content.Text != "Now" || c.Window.After(w.now.Add(24*time.Hour)) {
		t.Errorf("the last line is %q, the window closes %v", c.Last.Content.Text, c.Window)
	}
}

func TestEditsAndReactionsInAnyOrder(t *testing.T) {
	act := func(id string, a app.Action, what string, second int) app.InboundMessage {
		m := text(siti, id, what, second)
		m.Type, m.Action, m.Target = app.TypeEdit, a, "wamid.1"
		if a == app.ActReact {
			m.Type = app.TypeReaction
		}
		return m
	}
	w := newWorld(t)
	w.now = start.Add(time.Hour)
	w.receive(text(siti, "wamid.1", "one", 0))
	w.receive(act("wamid.3", app.ActEdit, "three", 3))
	w.receive(act("wamid.2", app.ActEdit, "two", 2))
	w.receive(act("wamid.5", app.ActReact, "", 5))
	w.receive(act("wamid.4", app.ActReact, "👍", 4))
	m := w.thread(w.only().ID)[0]
	if m.Content.Text != "three" || len(m.Reactions) != 0 {
		t.Errorf("text is %q, reactions are %v", m.Content.Text, m.Reactions)
	}
	var versions []string
	for _, v := range m.Versions {
		versions = append(versions, v.Text)
	}
	if fmt.Sprint(versions) != "[one two]" {
		t.Errorf("earlier texts are %v", versions)
	}
}

func TestAnIdIsOneMessageWheneverItWasWritten(t *testing.T) {
	w := newWorld(t)
	for _, days := range []int{-600, -500, -600, -400} {
		m := text(siti, "wamid.1", "Recorded", 0)
		m.At = start.AddDate(0, 0, days)
		w.receive(m)
	}
	if got := w.thread(w.only().ID); len(got) != 1 {
		t.Fatalf("%d messages, want 1", len(got))
	}
}

func TestNewsOfAReactionIsNotNewsOfItsMessage(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.in", "Halo", 0))
	m := w.reply(w.only().ID, "x")
	w.must(w.desk.Settle(w.ctx(), w.attempt().Job, app.Outcome{Sent: true, ExternalID: "wamid.out"}))
	like := text(siti, "wamid.like", "👍", 1)
	like.Type, like.Action, like.Target = app.TypeReaction, app.ActReact, "wamid.out"
	w.receive(like, like)
	w.receipt(app.Receipt{ExternalID: "wamid.like", Status: app.StatusFailed, At: start})
	if got := w.message(m.ID); got.Status != app.StatusSent || len(got.Reactions) != 1 {
		t.Errorf("message is %+v", got)
	}
}
