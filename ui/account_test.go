// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kith/app"
	"kith/app/auth"
)

// TestFixation: whatever token a browser holds before signing in is worth nothing after it.
func TestFixation(t *testing.T) {
	b := newBench(t)
	b.signIn(b.Agent)
	planted := b.cookie
	w := b.do(http.MethodPost, "/sign-in", url.Values{"email": {"tomas@kith.example"}, "password": {sentence}})
	c := cookie(w, "kith-s")
	if c == nil || c.Value == planted {
		t.Fatalf("signing in keeps the token: %d", w.Code)
	}
	if w := b.do(http.MethodGet, "/inbox", nil); w.Code != http.StatusSeeOther {
		t.Errorf("the planted token opens the inbox: %d", w.Code)
	}
	b.cookie = c.Value
	w = b.do(http.MethodPost, "/prove", url.Values{"word": {sentence}, "next": {"/account"}})
	proved := cookie(w, "kith-s")
	if proved == nil || proved.Value == c.Value || w.Header().Get("Location") != "/account" {
		t.Errorf("proving anew keeps the token: %d %q", w.Code, w.Header().Get("Location"))
	}
	if w := b.do(http.MethodGet, "/inbox", nil); w.Code != http.StatusSeeOther {
		t.Errorf("the token from before opens the inbox: %d", w.Code)
	}
}

// TestOwnerSetsUpFirst: where a second factor is demanded, every page leads to setting it up, and nothing else opens.
func TestOwnerSetsUpFirst(t *testing.T) {
	b := newBench(t)
	b.auth.Insist()
	b.signIn(b.Owner)
	for _, page := range []string{"/inbox", "/channels", "/settings/people", "/account", "/marks", "/gallery"} {
		w := b.do(http.MethodGet, page, nil)
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/sign-in?") {
			t.Errorf("%s opens: %d %q", page, w.Code, w.Header().Get("Location"))
		}
	}
	if w := b.do(http.MethodGet, "/live", nil, "Accept", "text/event-stream"); w.Code != http.StatusUnauthorized {
		t.Errorf("a stream opens: %d", w.Code)
	}
	w := b.do(http.MethodGet, "/sign-in?next=%2Finbox", nil)
	if to := w.Header().Get("Location"); to != "/sign-in/set-up?next=%2Finbox" {
		t.Fatalf("the door leads to %q", to)
	}
	page := b.do(http.MethodGet, "/sign-in/set-up?next=%2Finbox", nil).Body.String()
	if !strings.Contains(page, "Your role has to have one.") || !strings.Contains(page, "<path") {
		t.Errorf("the page is %s", page)
	}
	if again := b.do(http.MethodGet, "/sign-in/set-up", nil).Body.String(); secretOf(page) == "" || secretOf(again) != secretOf(page) {
		t.Error("loading the page again makes another secret")
	}
	w = b.do(http.MethodPost, "/sign-in/set-up", url.Values{"code": {"000000x"}})
	if w.Code != http.StatusUnprocessableEntity || cookie(w, "kith-s") != nil {
		t.Errorf("a wrong code: %d", w.Code)
	}
}

func secretOf(page string) string {
	if m := regexp.MustCompile(`id="f-secret" value="([A-Z2-7 ]+)"`).FindStringSubmatch(page); m != nil {
		return m[1]
	}
	return ""
}

func TestPeoplePages(t *testing.T) {
	b := newBench(t)
	b.signIn(b.Owner)
	w := b.do(http.MethodPost, "/settings/people", url.Values{"name": {"Sample"}, "email": {"no address"}, "role": {"agent"}})
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "Enter an e-mail address") {
		t.Errorf("a wrong address: %d", w.Code)
	}
	w = b.do(http.MethodPost, "/settings/people", url.Values{"name": {"Sample"}, "email": {"new@kith.example"}, "role": {"agent"}})
	link := regexp.MustCompile(`https://chat\.example\.com(/invite/[^"]+)"`).FindStringSubmatch(w.Body.String())
	if w.Code != http.StatusOK || link == nil {
		t.Fatalf("an invitation: %d %s", w.Code, w.Body)
	}
	tomas := "/settings/people/" + strconv.FormatUint(b.Agent.ID, 10)
	if w = b.do(http.MethodPost, tomas+"/role", url.Values{"role": {"manager"}}); w.Code != http.StatusSeeOther {
		t.Errorf("a new role: %d %s", w.Code, w.Body)
	}
	if p, err := b.Desk.Agent(t.Context(), b.Agent.Agent()); err != nil || p.Role != app.Manager {
		t.Errorf("the role is %v, %v", p.Role, err)
	}
	if w = b.do(http.MethodPost, tomas+"/disable", nil); w.Code != http.StatusSeeOther {
		t.Errorf("shutting out: %d", w.Code)
	}
	if page := b.do(http.MethodGet, tomas, nil).Body.String(); !strings.Contains(page, "Shut out") || !strings.Contains(page, "Let in again") {
		t.Error("the page does not say so")
	}
	if w = b.do(http.MethodPost, "/settings/teams", url.Values{"team": {"Evening"}}); w.Code != http.StatusSeeOther {
		t.Errorf("a team: %d", w.Code)
	}
	if w = b.do(http.MethodPost, "/settings/teams", url.Values{"team": {"evening"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a team of the same name: %d", w.Code)
	}
	w = b.do(http.MethodPost, "/settings/sign-in", url.Values{"second": {"2"}, "idle": {"8"}, "absolute": {""}})
	if p, err := b.auth.Policy(t.Context()); err != nil || w.Code != http.StatusSeeOther || p != (auth.Policy{Second: auth.DemandEverybody, Idle: 480}) {
		t.Errorf("the policy is %+v, %v: %d", p, err, w.Code)
	}
	b.cookie = ""
	w = b.do(http.MethodPost, link[1], url.Values{"name": {"Sample"}, "password": {sentence}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sign-in/set-up?next=%2Finbox" {
		t.Errorf("accepting: %d %q", w.Code, w.Header().Get("Location"))
	}
	if w = b.do(http.MethodGet, link[1], nil); w.Code != http.StatusNotFound {
		t.Errorf("the link works twice: %d", w.Code)
	}
}

func TestOwnAccount(t *testing.T) {
	b := newBench(t)
	b.signIn(b.Agent)
	w := b.do(http.MethodPost, "/account", url.Values{"name": {"Tomas B."}, "phone": {"+62 21 555"}, "lang": {"id"}, "zone": {"Asia/Jakarta"}})
	if w.Code != http.StatusSeeOther || cookie(w, "zone").Value != "Asia/Jakarta" || cookie(w, "lang").Value != "id" {
		t.Errorf("the profile: %d", w.Code)
	}
	w = b.do(http.MethodPost, "/account", url.Values{"name": {"Tomas"}, "zone": {"../etc"}})
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "Choose a time zone") {
		t.Errorf("a wrong zone: %d", w.Code)
	}
	w = b.do(http.MethodPost, "/account/export", nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"phone": "+62 21 555"`) || strings.Contains(w.Body.String(), "argon2") {
		t.Errorf("the export: %d %s", w.Code, w.Body)
	}
	if w = b.do(http.MethodPost, "/account/leave", url.Values{"leave": {"true"}}); w.Code != http.StatusSeeOther {
		t.Errorf("asking for deletion: %d", w.Code)
	}
	if p, err := b.Desk.Agent(t.Context(), b.Agent.Agent()); err != nil || p.LeaveAt == 0 {
		t.Errorf("nobody sees it: %v", err)
	}
	if w = b.do(http.MethodGet, "/settings/people", nil); w.Code != http.StatusForbidden {
		t.Errorf("an agent looks after people: %d", w.Code)
	}
}
