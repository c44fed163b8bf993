// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestHooksRefuse posts what nobody of the network's would post: it is refused, and leaves nothing behind.
func TestHooksRefuse(t *testing.T) {
	dir := dataDir(t)
	g := newGraph(t, nil)
	in := addInbox(t, dir, "Hooks", "100000000000999", g.URL)
	s := serve(t, dir)
	a := s.api()
	body := textWebhook("100000000000999", "6281200000009", "Mallory", "wamid.FORGED", 1763780000, "never said")
	tampered := bytes.Replace(body, []byte("never said"), []byte("never spoke"), 1)
	large := append(bytes.Clone(body), bytes.Repeat([]byte(" "), 3<<20)...)
	right := sign(appSecret, body)
	for _, c := range []struct {
		name, path, signature string
		body                  []byte
		want                  int
	}{
		{"no signature", in.Path, "", body, http.StatusUnauthorized},
		{"a signature with another secret", in.Path, sign("another secret", body), body, http.StatusUnauthorized},
		{"a signature of another body", in.Path, right, tampered, http.StatusUnauthorized},
		{"a signature without its name", in.Path, strings.TrimPrefix(right, "sha256="), body, http.StatusUnauthorized},
		{"the older kind of signature", in.Path, "sha1=" + strings.TrimPrefix(right, "sha256=")[:40], body, http.StatusUnauthorized},
		{"an empty body", in.Path, right, nil, http.StatusUnauthorized},
		{"an inbox that does not exist", "/hooks/whatsapp/99999999", right, body, http.StatusNotFound},
		{"an inbox that is no number", "/hooks/whatsapp/x", right, body, http.StatusNotFound},
		{"a network that kith does not know", "/hooks/pigeon/" + in.ID.String(), right, body, http.StatusNotFound},
		{"a body over 3 MB", in.Path, sign(appSecret, large), large, http.StatusRequestEntityTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := deliver(http.DefaultClient, s.base+c.path, c.body, c.signature); got != c.want {
				t.Errorf("answered %d, want %d", got, c.want)
			}
		})
	}
	if got := shownIn(a, in); len(got) > 0 {
		t.Errorf("something was kept of what was refused: %q", got)
	}
	if _, people := a.call(http.MethodGet, "/api/v1/contacts?phone=%2B6281200000009", nil); bytes.Contains(people, []byte("Mallory")) {
		t.Errorf("a contact was made: %s", people)
	}
	if got := deliver(http.DefaultClient, s.base+in.Path, body, right); got != http.StatusOK || len(shownIn(a, in)) != 1 {
		t.Errorf("the control, rightly signed, was answered %d and shows %q", got, shownIn(a, in))
	}
}

// TestHooksHandshake proves the address to the network, and to nobody else.
func TestHooksHandshake(t *testing.T) {
	dir := dataDir(t)
	in := addInbox(t, dir, "Hooks", "100000000000999", newGraph(t, nil).URL)
	s := serve(t, dir)
	ask := func(token string) (int, string) {
		q := url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"1158201444"}, "hub.verify_token": {token}}
		res, err := http.Get(s.base + in.Path + "?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	if status, text := ask(verifyToken); status != http.StatusOK || text != "1158201444" {
		t.Errorf("the right token is answered %d %q", status, text)
	}
	if status, text := ask("guessed"); status/100 != 4 || strings.Contains(text, "1158201444") {
		t.Errorf("a wrong token is answered %d %q", status, text)
	}
}

// TestHooksUnreadable posts signed bodies that are not understood: they are answered 200, listed with a reason, and a
// replay says that it did not help.
func TestHooksUnreadable(t *testing.T) {
	dir := dataDir(t)
	in := addInbox(t, dir, "Hooks", "100000000000999", newGraph(t, nil).URL)
	s := serve(t, dir)
	a := s.api()
	for _, body := range []string{"not JSON at all", `{"object":"page","entry":[]}`, `{"object":"whatsapp_business_account","entry":7}`, "\x00\xff\xfe"} {
		for range 2 { // networks repeat themselves
			if got := deliver(http.DefaultClient, s.base+in.Path, []byte(body), sign(appSecret, []byte(body))); got != http.StatusOK {
				t.Errorf("%q was answered %d, want 200", body, got)
			}
		}
	}
	path := "/api/v1/inboxes/" + in.ID.String() + "/unreadable"
	entries := list[struct {
		ID     text   `json:"id"`
		Reason string `json:"reason"`
	}](a, path)
	if len(entries) != 4 {
		t.Fatalf("%d entries, want 4: %+v", len(entries), entries)
	}
	for _, e := range entries {
		if len(e.Reason) < 10 {
			t.Errorf("the reason %q says little", e.Reason)
		}
		status, text := a.call(http.MethodPost, path+"/"+string(e.ID)+"/replay", nil)
		if status/100 != 4 || !bytes.Contains(text, []byte("cannot be read")) {
			t.Errorf("a replay was answered %d %s", status, text)
		}
	}
	if left := list[struct{ ID text }](a, path); len(left) != 4 {
		t.Errorf("%d entries after replays that failed, want 4", len(left))
	}
}
