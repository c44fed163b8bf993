// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kith/app"
)

// peopled is a world in which addresses moved, passed on and belong to two
// records.
func peopled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "old owner", 0), text(noPhone, "wamid.2", "no phone", 1))
	// Siti's number changes, and the old one turns up with somebody else.
	moved := app.IdentityChange{Old: siti.Identities[1], New: app.Identity{Kind: app.IdentityWaID, Value: "628222"}, At: start}
	w.must(w.desk.Receive(w.ctx(), w.inbox, app.Inbound{Changes: []app.IdentityChange{moved}}))
	w.receive(text(app.Person{Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: "ID.77"}, moved.Old}}, "wamid.3", "new owner", 2))
	// Two contacts turn out to be one person.
	late := app.Person{Identities: []app.Identity{{Kind: app.IdentityPhone, Value: "+628999"}}}
	w.receive(text(late, "wamid.4", "by phone", 3))
	w.receive(text(app.Person{Identities: append(slices.Clone(noPhone.Identities), late.Identities...)}, "wamid.5", "both", 4))
	_, err := w.desk.AddContact(w.ctx(), w.agent, app.ContactInput{Phones: []string{"+62 877 0000"}, Emails: []string{"Sample@Example.com"}})
	w.must(err)
	_, err = w.desk.AddLabel(w.ctx(), w.agent, "Wholesale")
	w.must(err)
	return w
}

// found says what every identifier leads to.
func (w *world) found() map[string]uint64 {
	w.t.Helper()
	out := map[string]uint64{}
	for _, q := range []app.ContactQuery{{Phone: "+628111000"}, {Phone: "+628999"}, {Phone: "+628770000"}, {Email: "sample@example.com"}, {Phone: "+1555000"}} {
		q.Limit = 5
		list, _, err := w.desk.Contacts(w.ctx(), w.agent, q)
		w.must(err)
		for _, c := range list {
			out[q.Phone+q.Email] = uint64(c.ID)
		}
	}
	a, err := w.desk.AgentByEmail(w.ctx(), "ani@example.com")
	w.must(err)
	in, err := w.desk.InboxByAddress(w.ctx(), "whatsapp", "1")
	w.must(err)
	l, err := w.desk.AddLabel(w.ctx(), w.agent, "wholesale")
	w.must(err)
	out["agent"], out["inbox"], out["label"] = uint64(a.ID), uint64(in.ID), uint64(l.ID)
	return out
}

// TestIdentifiersSurviveTheChangeOfTheirKey covers a rotation, and data that is
// restored beside a newer keyring.
func TestIdentifiersSurviveTheChangeOfTheirKey(t *testing.T) {
	for _, how := range []string{"rotation", "older data"} {
		t.Run(how, func(t *testing.T) {
			w := peopled(t)
			want := w.found()
			if len(want) != 7 {
				t.Fatalf("to begin with: %v", want)
			}
			if how == "older data" {
				w.must(w.db.Close())
				path := filepath.Join(w.dir, "data.db")
				old, err := os.ReadFile(path)
				w.must(err)
				w.open()
				w.must(w.db.RotateLookups(w.ctx()))
				w.must(w.db.Close())
				w.must(os.WriteFile(path, old, 0o600))
				w.open()
			} else {
				w.must(w.db.RotateLookups(w.ctx()))
			}
			got := w.found()
			for what, id := range want {
				if got[what] != id {
					t.Errorf("%s leads to %d, want %d", what, got[what], id)
				}
			}
			// The old number is the new owner's still, and Siti's new one hers.
			w.receive(text(app.Person{Identities: []app.Identity{siti.Identities[1]}}, "wamid.6", "new owner again", 5))
			w.receive(text(app.Person{Identities: []app.Identity{{Kind: app.IdentityWaID, Value: "628222"}}}, "wamid.7", "siti again", 6))
			lengths := map[string]int{}
			for _, l := range w.lines() {
				for _, m := range w.thread(l.ID) {
					lengths[m.Content.Text] = len(w.thread(l.ID))
				}
			}
			if len(w.lines()) != 3 && len(w.lines()) != 4 || lengths["new owner"] != 2 || lengths["siti again"] != 2 {
				t.Errorf("%d conversations, messages beside each text: %v", len(w.lines()), lengths)
			}
		})
	}
}

// TestNobodyErasedIsListed erases a contact while the key is changed.
func TestNobodyErasedIsListed(t *testing.T) {
	w := peopled(t)
	id := app.ContactID(w.found()["+628770000"]) //nolint:gosec // a contact's
	w.must(w.desk.EraseContact(w.ctx(), w.agent, id))
	w.must(w.db.RotateLookups(w.ctx()))
	if got := w.found(); got["+628770000"] != 0 || got["sample@example.com"] != 0 || len(got) != 5 {
		t.Errorf("found after the erasure: %v", got)
	}
}
