// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"testing"
	"time"

	"kith/app"
)

func TestReplyWaitsInTheOutboxAndTicksUp(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.in", "Halo", 0))
	c := w.only()
	m := w.reply(c.ID, "Selamat pagi")
	if m.Status != app.StatusQueued {
		t.Fatalf("status is %v", m.Status)
	}
	at := w.attempt()
	if at.Message.Content.Text != "Selamat pagi" || at.To[0] != siti.Identities[0] || w.message(m.ID).Status != app.StatusSending {
		t.Fatalf("attempt is %+v", at)
	}
	w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Sent: true, ExternalID: "wamid.out"}))
	for _, step := range []struct{ news, want app.Status }{
		{app.StatusSent, app.StatusSent},
		{app.StatusRead, app.StatusRead},
		{app.StatusDelivered, app.StatusRead},
		{app.StatusFailed, app.StatusRead},
		{app.StatusSent, app.StatusRead},
	} {
		w.receipt(app.Receipt{ExternalID: "wamid.out", Status: step.news, At: start})
		if got := w.message(m.ID).Status; got != step.want {
			t.Errorf("after %v the status is %v, want %v", step.news, got, step.want)
		}
	}
	if c := w.only(); c.NeedsReply || c.Assignee != w.agent.Agent() {
		t.Errorf("line is %+v", c)
	}
}

func TestStatusThatIsQuickerThanTheAnswer(t *testing.T) {
	t.Run("by callback", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(siti, "wamid.in", "Halo", 0))
		m := w.reply(w.only().ID, "x")
		at := w.attempt()
		w.receipt(app.Receipt{ExternalID: "wamid.out", Callback: m.ID.String(), Status: app.StatusDelivered, At: start})
		w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Unknown: true}))
		if got := w.message(m.ID); got.Status != app.StatusDelivered || got.ExternalID != "wamid.out" {
			t.Errorf("message is %+v", got)
		}
		if n, err := w.desk.OutboxLen(w.ctx()); n != 0 || err != nil {
			t.Errorf("outbox holds %d, %v", n, err)
		}
	})
	t.Run("by id alone", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(siti, "wamid.in", "Halo", 0))
		m := w.reply(w.only().ID, "x")
		at := w.attempt()
		w.receipt(app.Receipt{ExternalID: "wamid.out", Status: app.StatusRead, At: start})
		w.receipt(app.Receipt{ExternalID: "wamid.out", Status: app.StatusDelivered, At: start})
		w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Sent: true, ExternalID: "wamid.out"}))
		if got := w.message(m.ID).Status; got != app.StatusRead {
			t.Errorf("status is %v, want read", got)
		}
	})
}

func TestStatusThatIsQuickerThanTheEcho(t *testing.T) {
	w := newWorld(t)
	w.receipt(app.Receipt{ExternalID: "wamid.phone", Status: app.StatusRead, At: start})
	typed := text(siti, "wamid.phone", "Typed in the phone app", 0)
	typed.Direction, typed.Origin, typed.Status = app.Out, app.FromPhoneApp, app.StatusSent
	w.receive(typed)
	if got := w.thread(w.only().ID); len(got) != 1 || got[0].Status != app.StatusRead {
		t.Errorf("thread is %+v, want one message that was read", got)
	}
}

func TestOrderOfAConversationIsKept(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0), text(noPhone, "wamid.2", "Hi", 0))
	lines := w.lines()
	a, b := lines[1].ID, lines[0].ID
	first, second := w.reply(a, "one"), w.reply(a, "two")
	other := w.reply(b, "other")
	due, _, err := w.desk.DueJobs(w.ctx(), 10)
	w.must(err)
	if len(due) != 2 || due[0].Message != first.ID || due[1].Message != other.ID {
		t.Fatalf("due are %+v", due)
	}
	at, err := w.desk.StartAttempt(w.ctx(), due[0].ID)
	w.must(err)
	if _, err := w.desk.StartAttempt(w.ctx(), due[0].ID); !errors.Is(err, app.ErrNoAttempt) {
		t.Errorf("a second attempt at the same time: %v", err)
	}
	w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Again: w.now.Add(time.Minute)}))
	due, _, err = w.desk.DueJobs(w.ctx(), 10)
	w.must(err)
	if len(due) != 1 || due[0].Message != other.ID {
		t.Fatalf("while the first waits, due are %+v", due)
	}
	w.now = w.now.Add(2 * time.Minute)
	due, _, err = w.desk.DueJobs(w.ctx(), 10)
	w.must(err)
	at, err = w.desk.StartAttempt(w.ctx(), due[1].ID)
	w.must(err)
	if at.Message.ID != first.ID || at.Job.Tries != 2 {
		t.Fatalf("attempt is %+v", at.Job)
	}
	w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Failure: &app.Failure{Code: 131026, Title: "Undeliverable"}}))
	due, _, err = w.desk.DueJobs(w.ctx(), 10)
	w.must(err)
	if len(due) != 2 || due[1].Message != second.ID {
		t.Fatalf("after the first failed, due are %+v", due)
	}
	if m := w.message(first.ID); m.Status != app.StatusFailed || m.Failure.Code != 131026 {
		t.Errorf("the failed message is %+v", m)
	}
}

func TestAnAttemptCutShortIsUnknownAndNotRepeated(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	m := w.reply(w.only().ID, "once")
	w.attempt()
	w.reopen()
	n, err := w.desk.RecoverOutbox(w.ctx())
	w.must(err)
	if n != 1 || w.message(m.ID).Status != app.StatusUnknown {
		t.Fatalf("%d recovered, status %v", n, w.message(m.ID).Status)
	}
	if due, _, _ := w.desk.DueJobs(w.ctx(), 10); len(due) != 0 {
		t.Errorf("due are %+v, want none", due)
	}
	if !w.only().Failed {
		t.Error("the conversation does not ask for attention")
	}
	w.receipt(app.Receipt{ExternalID: "wamid.out", Callback: m.ID.String(), Status: app.StatusDelivered, At: start})
	if got := w.message(m.ID); got.Status != app.StatusDelivered {
		t.Errorf("a late status left %v", got.Status)
	}
	if w.only().Failed {
		t.Error("the conversation still asks for attention")
	}
}

func TestUnknownIsSentAgainOnAPersonsWordOnly(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	m := w.reply(w.only().ID, "x")
	w.must(w.desk.Settle(w.ctx(), w.attempt().Job, app.Outcome{Unknown: true}))
	if _, err := w.desk.Resend(w.ctx(), w.agent, m.ID); err != nil {
		t.Fatal(err)
	}
	w.send("wamid.2")
	if _, err := w.desk.Resend(w.ctx(), w.agent, m.ID); !errors.Is(err, app.ErrConflict) {
		t.Errorf("sending a sent message again: %v", err)
	}
}

func TestCancelBeforeSending(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	m := w.reply(w.only().ID, "oops")
	next := w.reply(w.only().ID, "right")
	w.must(w.desk.Cancel(w.ctx(), w.agent, m.ID))
	if at := w.attempt(); at.Message.ID != next.ID {
		t.Errorf("the attempt is for %v", at.Message.ID)
	}
	if err := w.desk.Cancel(w.ctx(), w.agent, next.ID); !errors.Is(err, app.ErrConflict) {
		t.Errorf("cancelling under way: %v", err)
	}
}

func TestWindow(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	c := w.only()
	if want := start.Add(24 * time.Hour); !c.Window.Equal(want) {
		t.Errorf("window ends %v, want %v", c.Window, want)
	}
	queued := w.reply(c.ID, "in time")
	w.now = start.Add(25 * time.Hour)
	if _, err := w.desk.Reply(w.ctx(), w.agent, c.ID, app.Draft{Text: "late"}); !errors.Is(err, app.ErrWindow) {
		t.Errorf("a late reply: %v", err)
	}
	due, _, err := w.desk.DueJobs(w.ctx(), 1)
	w.must(err)
	if _, err := w.desk.StartAttempt(w.ctx(), due[0].ID); !errors.Is(err, app.ErrNoAttempt) {
		t.Fatalf("an attempt after the window: %v", err)
	}
	if m := w.message(queued.ID); m.Status != app.StatusFailed || m.Failure == nil {
		t.Errorf("the message is %+v", m)
	}
	if _, err := w.desk.Reply(w.ctx(), w.agent, c.ID, app.Draft{Note: true, Text: "call her"}); err != nil {
		t.Errorf("a note after the window: %v", err)
	}
}

func TestTheSameKeyWritesOnce(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0))
	id := w.only().ID
	a, err := w.desk.Reply(w.ctx(), w.agent, id, app.Draft{Text: "x", Key: "k"})
	w.must(err)
	b, err := w.desk.Reply(w.ctx(), w.agent, id, app.Draft{Text: "x", Key: "k"})
	w.must(err)
	if a.ID != b.ID || len(w.thread(id)) != 2 {
		t.Errorf("%v and %v, %d messages", a.ID, b.ID, len(w.thread(id)))
	}
}

func TestSeenTellsTheNetwork(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "Halo", 0), text(siti, "wamid.2", "?", 1))
	id := w.only().ID
	w.must(w.desk.MarkSeen(w.ctx(), w.agent, id))
	w.must(w.desk.MarkSeen(w.ctx(), w.agent, id))
	at := w.attempt()
	if at.Job.Kind != app.JobRead || at.Message.ExternalID != "wamid.2" {
		t.Errorf("attempt is %+v", at)
	}
	w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Sent: true}))
	if n, _ := w.desk.OutboxLen(w.ctx()); n != 0 {
		t.Errorf("outbox holds %d", n)
	}
	if w.only().Unread != 0 {
		t.Error("still unread")
	}
}

func TestLateNewsOfAnEarlierAttempt(t *testing.T) {
	failedOnce := func(t *testing.T) (*world, app.MessageID) {
		t.Helper()
		w := newWorld(t)
		w.receive(text(siti, "wamid.in", "Halo", 0))
		m := w.reply(w.only().ID, "x")
		w.must(w.desk.Settle(w.ctx(), w.attempt().Job, app.Outcome{Sent: true, ExternalID: "wamid.first"}))
		w.receipt(app.Receipt{ExternalID: "wamid.first", Callback: m.ID.String(), Status: app.StatusFailed, At: start})
		_, err := w.desk.Resend(w.ctx(), w.agent, m.ID)
		w.must(err)
		return w, m.ID
	}
	for _, news := range []app.Status{app.StatusSent, app.StatusFailed} {
		t.Run(news.String()+" before the second attempt does not stop it", func(t *testing.T) {
			w, id := failedOnce(t)
			w.receipt(app.Receipt{ExternalID: "wamid.first", Callback: id.String(), Status: news, At: start})
			if got := w.message(id).Status; got != app.StatusQueued {
				t.Fatalf("status is %v, want queued", got)
			}
			w.must(w.desk.Settle(w.ctx(), w.attempt().Job, app.Outcome{Sent: true, ExternalID: "wamid.second"}))
			w.receipt(app.Receipt{ExternalID: "wamid.first", Callback: id.String(), Status: news, At: start})
			if got := w.message(id); got.Status != app.StatusSent || got.ExternalID != "wamid.second" {
				t.Errorf("message is %+v, want sent as wamid.second", got)
			}
		})
	}
	t.Run("delivered after all stops the second attempt", func(t *testing.T) {
		w, id := failedOnce(t)
		w.receipt(app.Receipt{ExternalID: "wamid.first", Callback: id.String(), Status: app.StatusDelivered, At: start})
		n, err := w.desk.OutboxLen(w.ctx())
		w.must(err)
		if got := w.message(id).Status; got != app.StatusDelivered || n != 0 {
			t.Errorf("status is %v, the outbox holds %d", got, n)
		}
	})
	t.Run("an unknown attempt that failed does not hide the one that got through", func(t *testing.T) {
		w := newWorld(t)
		w.receive(text(siti, "wamid.in", "Halo", 0))
		m := w.reply(w.only().ID, "x")
		w.must(w.desk.Settle(w.ctx(), w.attempt().Job, app.Outcome{Unknown: true}))
		_, err := w.desk.Resend(w.ctx(), w.agent, m.ID)
		w.must(err)
		at := w.attempt()
		w.receipt(app.Receipt{ExternalID: "wamid.first", Callback: m.ID.String(), Status: app.StatusFailed, At: start})
		w.must(w.desk.Settle(w.ctx(), at.Job, app.Outcome{Sent: true, ExternalID: "wamid.second"}))
		w.receipt(app.Receipt{ExternalID: "wamid.second", Callback: m.ID.String(), Status: app.StatusRead, At: start})
		if got := w.message(m.ID); got.Status != app.StatusRead || got.Failure != nil {
			t.Errorf("message is %+v, want read", got)
		}
	})
}
