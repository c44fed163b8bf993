// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // as authenticator apps do
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// appCode is what an authenticator app with the secret shows some half minutes from now.
func appCode(tb testing.TB, secret string, ahead int64) string {
	tb.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+ahead) // a hash takes everything
	h := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(h[h[len(h)-1]&0xf:])&0x7fffffff%1_000_000)
}

// TestBrowserAccount is the first day of a new colleague: invitation, password, authenticator app, another browser, and
// out of it again.
func TestBrowserAccount(t *testing.T) {
	b := openBrowser(t)
	dir := dataDir(t)
	run(t, dir, ownerPassword+"\n", "user", "add", "--email", ownerEmail, "--name", "Olivia Owner", "--role", "owner", "--password-stdin")
	s := serve(t, dir)
	owner := b.tab(t, 1440, 900)
	owner.signIn(s)
	owner.open(s.base + "/settings/people")
	owner.fill(`#invite input[name="name"]`, "Sample Agent")
	owner.fill(`#invite input[name="email"]`, "agent@shop.example")
	owner.click(`#invite button[type="submit"]`)
	owner.until("the link", `document.querySelector("#invite-link")`)
	owner.sound("people")
	link := eval[string](owner, `document.querySelector("#invite-link").value`)

	agent := b.tab(t, 1440, 900)
	agent.open(link)
	agent.fill(`input[name="password"]`, "a lamp under the old stairs")
	agent.click(`form.signin button[type="submit"]`)
	agent.until("the inbox", `location.pathname === "/inbox"`)
	agent.open(s.base + "/account")
	agent.sound("account")
	agent.click(`a[href^="/sign-in/set-up"]`)
	agent.until("the square", `document.querySelector("svg.square path")`)
	agent.sound("set-up")
	secret := eval[string](agent, `document.querySelector("#f-secret").value`)
	used := appCode(t, secret, 0)
	agent.fill(`input[name="code"]`, used)
	agent.click(`form.signin button[type="submit"]`)
	agent.until("ten recovery codes", `document.querySelectorAll(".codes li").length === 10`)
	agent.sound("codes")
	recovery := eval[string](agent, `document.querySelector(".codes li").innerText`)
	agent.click(`a.btn-primary`)
	agent.until("the account", `location.pathname === "/account"`)

	other := b.tab(t, 390, 844)
	other.signInAs(s, "agent@shop.example", "a lamp under the old stairs")
	other.expect("422")
	other.fill(`input[name="code"]`, used)
	other.click(`form.signin button[type="submit"]`)
	other.sees(".help-error", "was used already")
	other.fill(`input[name="code"]`, recovery)
	other.click(`form.signin button[type="submit"]`)
	other.until("the inbox", `location.pathname === "/inbox"`)
	other.open(s.base + "/account")
	other.sound("account-phone")

	agent.open(s.base + "/account")
	agent.until("two sessions", `document.querySelectorAll("#sessions li").length === 2`)
	agent.click(`form[action="/account/sessions/end"] button`)
	agent.until("one session", `document.querySelectorAll("#sessions li").length === 1`)
	agent.calm("the account")
	other.expect("401")
	other.open(s.base + "/inbox")
	other.until("to be asked to sign in", `location.pathname === "/sign-in"`)
	other.signInAs(s, "agent@shop.example", "a lamp under the old stairs")
	other.fill(`input[name="code"]`, appCode(t, secret, 1))
	other.click(`form.signin button[type="submit"]`)
	other.until("the inbox", `location.pathname === "/inbox"`)
}

// sound looks at the page as it is: nothing too wide, nothing that axe calls serious.
func (t *tab) sound(name string) {
	t.tb.Helper()
	t.shot(name)
	for _, v := range append(t.violations(), t.overflow()...) {
		t.tb.Errorf("%s: %s", name, v)
	}
	t.calm(name)
}

// signInAs signs somebody in up to the second factor.
func (t *tab) signInAs(s *server, email, password string) {
	t.tb.Helper()
	t.open(s.base + "/sign-in")
	t.fill(`input[name="email"]`, email)
	t.fill(`input[name="password"]`, password)
	t.click(`form.signin button[type="submit"]`)
	t.until("the second factor", `location.pathname === "/sign-in/second"`)
}
