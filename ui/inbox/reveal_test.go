// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"net/http"
	"strings"
	"testing"

	"kith/app"
	"kith/app/apptest"
)

// TestRevealShowsOnce masks what an owner sees, and shows it by the button.
func TestRevealShowsOnce(t *testing.T) {
	b := newBench(t)
	path, contact := b.path(apptest.Sari), b.line(apptest.Sari).Contact
	c, err := b.Desk.Contact(t.Context(), b.Owner, contact)
	if err != nil || len(c.Phones) == 0 {
		t.Fatal(c, err)
	}
	if strings.Contains(b.get(path), "/reveal") {
		t.Error("there is a button though nothing is masked")
	}
	for _, r := range []app.Role{app.Owner, app.AgentRole} {
		if err := b.Desk.SaveMasks(t.Context(), app.Host(), r, app.Masks{Phones: true}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if page := b.get(path); strings.Contains(page, c.Phones[0]) || !strings.Contains(page, path+"/reveal") {
			t.Error("the page shows the number, or no button")
		}
		b.want(b.post(path+"/reveal", nil), http.StatusOK, c.Phones[0])
		b.want(b.do(http.MethodPost, path+"/reveal", nil, true), http.StatusOK, c.Phones[0], "#side")
	}
}
