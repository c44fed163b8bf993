// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"testing"

	"kith/app"
)

func TestNothingGoesOutByItselfAfterARestore(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.in", "Halo", 0))
	c := w.only()
	sent := w.reply(c.ID, "sent before the backup")
	w.must(w.desk.Settle(w.ctx(), w.attempt().Job, app.Outcome{Sent: true, ExternalID: "wamid.out"}))
	begun := w.reply(c.ID, "under way at the backup")
	w.attempt()
	waiting := w.reply(c.ID, "queued at the backup")

	n, err := w.desk.DoubtOutbox(w.ctx())
	if n != 2 || err != nil {
		t.Errorf("%d messages are in doubt, want 2: %v", n, err)
	}
	for id, want := range map[app.MessageID]app.Status{
		sent.ID: app.StatusSent, begun.ID: app.StatusUnknown, waiting.ID: app.StatusUnknown,
	} {
		m := w.message(id)
		if m.Status != want || (want == app.StatusUnknown) != (m.Failure != nil) {
			t.Errorf("%q is %v with %+v, want %v", m.Content.Text, m.Status, m.Failure, want)
		}
	}
	if n, err := w.desk.OutboxLen(w.ctx()); n != 0 || err != nil {
		t.Errorf("the outbox holds %d, %v", n, err)
	}
	fresh := w.reply(c.ID, "written afterwards")
	if got := w.attempt(); got.Message.ID != fresh.ID {
		t.Errorf("the next attempt is for %q", got.Message.Content.Text)
	}
	if _, err := w.desk.StartAttempt(w.ctx(), 1<<40); !errors.Is(err, app.ErrNoAttempt) {
		t.Error(err)
	}
}
