// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/store"
)

const wholeDay = 24 * time.Hour

// preview is what is due of messages at an instant.
func (w *world) preview(run app.RetentionRun) map[string]app.Expiring {
	w.t.Helper()
	all, err := w.desk.RetentionPreview(w.ctx(), w.agent, run)
	w.must(err)
	by := map[string]app.Expiring{}
	for _, e := range all {
		by[e.Class] = e
	}
	return by
}

func TestRetentionDestroysWhatIsOldAndReadersCope(t *testing.T) {
	w := newWorld(t)
	w.must(w.desk.SetRetention(w.ctx(), w.agent, app.Retention{Messages: 30}))
	w.receive(text(siti, "wamid.old", "long ago", 0))
	silent := w.only()
	w.receive(text(noPhone, "wamid.1", "first", 10))
	w.reply(silent.ID, "an answer to the old")
	w.now = w.now.Add(40 * wholeDay)
	w.receive(app.InboundMessage{
		ExternalID: "wamid.2", Person: noPhone, Direction: app.In, At: w.now, Type: app.TypeText, Content: app.Content{Text: "second"},
	})
	due := w.preview(app.RetentionRun{})["messages"]
	if due.Days != 1 || due.Records["messages"] != 3 || due.People != 2 || due.KeptDays != 30 {
		t.Fatalf("due: %+v", due)
	}
	if due := w.preview(app.RetentionRun{Now: start.Add(20 * wholeDay)})["messages"]; due.Days != 0 {
		t.Errorf("due after 20 days: %+v", due)
	}
	done, err := w.desk.RunRetention(w.ctx(), app.System(), app.RetentionRun{})
	w.must(err)
	if diff := cmp.Diff(due.Records, done[0].Records); diff != "" {
		t.Errorf("the run did not do what the preview said:\n%s", diff)
	}
	b, err := os.ReadFile(done[0].Certificate)
	w.must(err)
	if c, err := store.VerifyCertificate(b); err != nil || c.Removed["messages"] != 3 || !maps.Equal(c.Removed, done[0].Records) {
		t.Errorf("the certificate: %+v %v", c, err)
	}
	for range 2 {
		lines := w.lines()
		if len(lines) != 2 || lines[0].Last == nil || lines[0].Last.Content.Text != "second" || lines[1].Last != nil || lines[1].NeedsReply {
			t.Fatalf("the list: %+v", lines)
		}
		for i, want := range []int{1, 0} {
			if n := len(w.thread(lines[i].ID)); n != want {
				t.Errorf("%d messages in conversation %d, want %d", n, i, want)
			}
		}
		_, err := w.desk.Message(w.ctx(), w.agent, silent.LastMessage())
		if !errors.Is(err, app.ErrNotFound) {
			t.Errorf("a message that expired: %v", err)
		}
		w.reopen()
	}
	// Everything goes on: the network repeats, tells of and reacts to what is gone.
	w.receipt(app.Receipt{ExternalID: "wamid.old", Status: app.StatusRead, At: w.now})
	w.receive(text(siti, "wamid.late", "late, with the time of then", 20))
	if n := len(w.thread(silent.ID)); n != 1 {
		t.Errorf("%d messages afterwards", n)
	}
	if _, err := w.desk.CheckAudit(w.ctx(), w.agent); err != nil {
		t.Error(err)
	}
}

func TestRetentionWaitsForAPersonWhenTheClockJumps(t *testing.T) {
	w := newWorld(t)
	w.must(w.desk.SetRetention(w.ctx(), w.agent, app.Retention{Messages: 30}))
	w.receive(text(siti, "wamid.1", "hello", 0))
	if _, err := w.desk.RunRetention(w.ctx(), app.System(), app.RetentionRun{}); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(10 * 365 * wholeDay)
	if _, err := w.desk.RunRetention(w.ctx(), app.System(), app.RetentionRun{}); !errors.Is(err, store.ErrUnconfirmed) {
		t.Fatalf("ten years later: %v", err)
	}
	if n := len(w.thread(w.only().ID)); n != 1 {
		t.Fatalf("%d messages", n)
	}
	if _, err := w.desk.RunRetention(w.ctx(), w.agent, app.RetentionRun{Confirmed: true}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.thread(w.only().ID)); n != 0 {
		t.Errorf("%d messages after a person confirmed it", n)
	}
}

// TestADateThatIsNamedIsGoneBy runs retention as of a day to come: even what came
// today goes, and what comes afterwards is kept.
func TestADateThatIsNamedIsGoneBy(t *testing.T) {
	w := newWorld(t)
	w.must(w.desk.SetRetention(w.ctx(), w.agent, app.Retention{Messages: 30, Audit: 30}))
	w.receive(text(siti, "wamid.1", "hello", 0))
	w.must(w.desk.KeepUnreadable(w.ctx(), w.inbox, app.Unread{Raw: []byte("what is this"), Reason: "no idea"}))
	run := app.RetentionRun{Now: w.now.Add(100 * wholeDay)}
	if _, err := w.desk.RunRetention(w.ctx(), w.agent, run); err != nil {
		t.Fatal(err)
	}
	raw, err := w.desk.Unreadable(w.ctx(), w.agent, w.inbox, 10)
	if n := len(w.thread(w.only().ID)); n != 0 || len(raw) != 0 || err != nil {
		t.Fatalf("%d messages and %d raw bodies are left: %v", n, len(raw), err)
	}
	w.receive(text(siti, "wamid.2", "again", 60))
	w.receive(text(siti, "wamid.2", "again", 60))
	w.must(w.desk.KeepUnreadable(w.ctx(), w.inbox, app.Unread{Raw: []byte("and this"), Reason: "no idea"}))
	w.receipt(app.Receipt{ExternalID: "wamid.unknown", Status: app.StatusRead, At: w.now})
	c, err := w.desk.AddContact(w.ctx(), w.agent, app.ContactInput{Phones: []string{"+628777"}, Key: "once"})
	w.must(err)
	if same, err := w.desk.AddContact(w.ctx(), w.agent, app.ContactInput{Phones: []string{"+628777"}, Key: "once"}); err != nil || same.ID != c.ID {
		t.Errorf("the same request again: %+v %v", same, err)
	}
	w.reply(w.only().ID, "an answer")
	raw, err = w.desk.Unreadable(w.ctx(), w.agent, w.inbox, 10)
	if n := len(w.thread(w.only().ID)); n != 2 || len(raw) != 1 || err != nil {
		t.Errorf("%d messages and %d raw bodies that came afterwards: %v", n, len(raw), err)
	}
	if _, err := w.desk.CheckAudit(w.ctx(), w.agent); err != nil {
		t.Error(err)
	}
}

func TestWhoMayRunRetention(t *testing.T) {
	w := newWorld(t)
	a, err := w.desk.AddAgent(w.ctx(), w.agent, app.NewAgent{Email: "sample@example.com", Name: "Sample Agent", Role: app.AgentRole})
	w.must(err)
	other := app.Actor{Kind: app.ActorAgent, ID: uint64(a.ID), Role: app.AgentRole}
	for name, err := range map[string]error{
		"run": second(w.desk.RunRetention(w.ctx(), other, app.RetentionRun{})),
		"set": w.desk.SetRetention(w.ctx(), other, app.Retention{}),
	} {
		if !errors.Is(err, app.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.desk.SetRetention(w.ctx(), w.agent, app.Retention{Messages: 40_000}); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("forty thousand days: %v", err)
	}
	if r, err := w.desk.Retention(w.ctx(), w.agent); r != (app.Retention{}) || err != nil {
		t.Errorf("to begin with: %+v %v", r, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestAHoldStopsRetentionAndErasure keeps one person's messages and destroys
// another's.
func TestAHoldStopsRetentionAndErasure(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "keep this", 0), text(noPhone, "wamid.2", "and not this", 1))
	var kept app.Line
	for _, l := range w.lines() {
		if l.Name == "Siti" {
			kept = l
		}
	}
	desk := app.NewDesk(w.db, app.Options{Held: func(id app.ContactID) bool { return id == kept.Contact }})
	w.must(desk.SetRetention(w.ctx(), w.agent, app.Retention{Messages: 30}))
	w.now = w.now.Add(90 * wholeDay)
	done, err := desk.RunRetention(w.ctx(), w.agent, app.RetentionRun{Confirmed: true})
	w.must(err)
	if done[0].Held != 1 || done[0].Records["messages"] != 1 || done[0].People != 1 {
		t.Errorf("%+v", done[0])
	}
	for range 2 {
		for _, l := range w.lines() {
			want := 0
			if l.Contact == kept.Contact {
				want = 1
			}
			if n := len(w.thread(l.ID)); n != want || (l.Last != nil) != (want == 1) {
				t.Errorf("%d messages of %q, the last one is %+v", n, l.Name, l.Last)
			}
		}
		w.reopen()
	}
	w.receipt(app.Receipt{ExternalID: "wamid.1", Status: app.StatusRead, At: w.now})
	desk = app.NewDesk(w.db, app.Options{Held: func(id app.ContactID) bool { return id == kept.Contact }})
	if _, err := desk.CertifiedErasure(w.ctx(), w.agent, kept.Contact, ""); !errors.Is(err, app.ErrConflict) {
		t.Errorf("erasing somebody under a hold: %v", err)
	}
}
