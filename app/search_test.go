// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"slices"
	"testing"

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
	} {
		f, err := w.desk.SearchMessages(w.ctx(), w.agent, q, 10)
		w.must(err)
		var got []string
		for _, m := range f.Messages {
			got = append(got, m.Content.Text)
		}
		if !slices.Equal(got, want) || !f.Back.IsZero() {
			t.Errorf("%q finds %q, back to %v", q, got, f.Back)
		}
	}
	f, err := w.desk.SearchMessages(w.ctx(), w.agent, "biru", 2)
	if err != nil || len(f.Messages) != 2 || f.Back.IsZero() {
		t.Errorf("two of three: %d, back to %v, %v", len(f.Messages), f.Back, err)
	}
	if _, err := w.desk.SearchMessages(w.ctx(), w.agent, "  ", 2); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("nothing to look for: %v", err)
	}
	if _, err := w.desk.SearchMessages(w.ctx(), app.Actor{}, "biru", 2); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("nobody searching: %v", err)
	}
}
