// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/store"
)

func TestAnErasureIsCertified(t *testing.T) {
	w := newWorld(t)
	w.receive(text(siti, "wamid.1", "hello", 0), text(siti, "wamid.2", "it is me", 1), text(noPhone, "wamid.3", "somebody else", 2))
	var who app.ContactID
	for _, l := range w.lines() {
		if l.Name == "Siti" {
			who = l.Contact
			w.reply(l.ID, "an answer that waits to be sent")
		}
	}
	did, err := w.desk.CertifiedErasure(w.ctx(), w.agent, who, "request-7")
	w.must(err)
	want := map[string]int{"contacts": 1, "conversations": 1, "messages": 3, "outbox": 1}
	if diff := cmp.Diff(want, did.Removed); diff != "" || did.Request != "request-7" {
		t.Errorf("removed for %s:\n%s", did.Request, diff)
	}
	b, err := os.ReadFile(did.Certificate)
	w.must(err)
	c, err := store.VerifyCertificate(b)
	if err != nil || len(c.Subjects) != 1 || c.Subjects[0] != who || c.Request != "request-7" {
		t.Errorf("%+v %v", c, err)
	}
	for _, personal := range []string{"Siti", "628111", "hello"} {
		if strings.Contains(string(b), personal) {
			t.Errorf("the certificate holds %q", personal)
		}
	}
	for range 2 {
		if l := w.only(); l.Contact == who {
			t.Errorf("%+v is left", l)
		}
		if _, err := w.desk.CertifiedErasure(w.ctx(), w.agent, who, ""); !errors.Is(err, app.ErrNotFound) {
			t.Errorf("a second time: %v", err)
		}
		w.reopen()
	}
}
