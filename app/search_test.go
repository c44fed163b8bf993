// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"kith/app"
)

func TestSearchMessages(t *testing.T) {
	w := newWorld(t)
	w.receive(
		text(siti, "wamid.1", "Apakah baju BIRU masih ada?", -3*86400), text(noPhone, "wamid.2", "Straße 5", 0),
		text(siti, "wamid.3", "yang biru muda", 60), text(siti, "wamid.4", "merah", 61),
	)
	gone := text(siti, "wamid.5", "biru yang dihapus", 62)
	w.receive(gone, act(app.ActRevoke, app.TypeRevoke, "wamid.6", "wamid.5", "", 63))
	_, err := w.desk.Reply(w.ctx(), w.agent, w.lines()[0].ID, app.Draft{Note: true, Text: "suka warna biru"})
	w.must(err)
	for q, want := range map[string][]string{
		"biru": {"suka warna biru", "yang biru muda", "Apakah baju BIRU masih ada?"}, "STRASSE": {"Straße 5"}, "hijau": nil,
		"bi":          {"suka warna biru", "yang biru muda", "Apakah baju BIRU masih ada?"},
		"bi ":         nil,
		"ru":          nil,
		"mu* bi":      {"yang biru muda"},
		`"biru muda"`: {"yang biru muda"}, `"muda biru"`: nil, `"baju biru masih"`: {"Apakah baju BIRU masih ada?"},
		"biru is:note": {"suka warna biru"}, "is:note": {"suka warna biru"}, "biru has:file": nil,
		`biru inbox:"front desk"`: {"suka warna biru", "yang biru muda", "Apakah baju BIRU masih ada?"},
		"biru to:" + day(w, -1):   {"Apakah baju BIRU masih ada?"},
		"biru from:" + day(w, -1): {"suka warna biru", "yang biru muda"},
	} {
		f, err := w.desk.SearchMessages(w.ctx(), w.agent, app.SearchQuery{Text: q, Limit: 10})
		w.must(err)
		if got := texts(f.Messages); !slices.Equal(got, want) || !f.Back.IsZero() || f.Building {
			t.Errorf("%q finds %q, back to %v, %v", q, got, f.Back, f.Building)
		}
	}
	f, err := w.desk.SearchMessages(w.ctx(), w.agent, app.SearchQuery{Text: "biru", Limit: 2})
	if err != nil || len(f.Messages) != 2 || f.Back.IsZero() {
		t.Errorf("two of three: %d, back to %v, %v", len(f.Messages), f.Back, err)
	}
	f, err = w.desk.SearchMessages(w.ctx(), w.agent, app.SearchQuery{Text: "biru", Limit: 2, After: f.Next})
	if err != nil || len(f.Messages) != 1 || f.Next.Seq != 0 || f.Messages[0].Content.Text != "Apakah baju BIRU masih ada?" {
		t.Errorf("the third of three: %+v, %v", f, err)
	}
	for _, q := range []string{"  ", `""`, "?!", "from:yesterday", "inbox:nowhere", "agent:nobody-of-this-name", "has:nothing", "contact:x"} {
		if _, err := w.desk.SearchMessages(w.ctx(), w.agent, app.SearchQuery{Text: q, Limit: 2}); !errors.Is(err, app.ErrInvalid) {
			t.Errorf("%q: %v", q, err)
		}
	}
	if _, err := w.desk.SearchMessages(w.ctx(), app.Actor{}, app.SearchQuery{Text: "biru", Limit: 2}); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("nobody searching: %v", err)
	}
}

func texts(list []app.Message) (all []string) {
	for _, m := range list {
		all = append(all, m.Content.Text)
	}
	return all
}

// day is a day before or after the newest message, as people type it.
func day(w *world, days int) string {
	return w.now.UTC().AddDate(0, 0, days).Format(time.DateOnly)
}

// TestSearchFollows finds what a message says now, not what it said, and nobody who was erased.
func TestSearchFollows(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "warna biru", 0), text(noPhone, "wamid.2", "biru juga", 1))
	find := func(q string) int {
		f, err := w.desk.SearchMessages(w.ctx(), w.agent, app.SearchQuery{Text: q, Limit: 10})
		w.must(err)
		return len(f.Messages)
	}
	if n := find("biru"); n != 2 {
		t.Fatalf("biru: %d", n)
	}
	w.receive(act(app.ActEdit, app.TypeEdit, "wamid.3", "wamid.1", "warna jingga", 2))
	if b, j := find("biru"), find("jingga"); b != 1 || j != 1 {
		t.Errorf("after an edit biru finds %d and jingga %d", b, j)
	}
	w.receive(act(app.ActRevoke, app.TypeRevoke, "wamid.4", "wamid.1", "", 3))
	if n := find("jingga"); n != 0 {
		t.Errorf("a message that was taken back is found %d times", n)
	}
	f, err := w.desk.SearchMessages(w.ctx(), w.agent, app.SearchQuery{Text: "biru", Limit: 10})
	w.must(err)
	if err := w.desk.EraseContact(w.ctx(), w.agent, f.Messages[0].Contact); err != nil {
		t.Fatal(err)
	}
	if n := find("biru"); n != 0 {
		t.Errorf("somebody who was erased is found %d times", n)
	}
}

// TestSearchContacts finds people by any word of their name, part of a number, and the beginning of an address.
func TestSearchContacts(t *testing.T) {
	w := newWorld(t)
	name := "Sample Customer Ñandú"
	c, err := w.desk.AddContact(w.ctx(), w.agent, app.ContactInput{
		Name: &name, Phones: []string{"+62 812-3456-7890"}, Emails: []string{"first.last@example.com"},
	})
	w.must(err)
	for q, want := range map[string]bool{
		"sample": true, "cust sam": true, "nandu": true, "ÑAN": true, "+6281234567890": true, "0812 3456 7890": true, "0812": true,
		"4567890": true, "62812": true, "first": true, "last@exa": true, "firstlast": true, "first.last@example.com": true,
		"ample": false, "567": false, "sample nobody": false, "": false, "@": false,
	} {
		got, err := w.desk.SearchContacts(w.ctx(), w.agent, q, 10)
		if found := len(got) == 1 && got[0].ID == c.ID; err != nil || found != want || len(got) > 1 {
			t.Errorf("%q finds %d, %v", q, len(got), err)
		}
	}
}
