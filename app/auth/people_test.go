// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"kith/app"
	"kith/app/auth"
	"kith/store"
	"kith/store/storetest"
)

func TestInvitation(t *testing.T) {
	d := newDoor(t)
	ani, link, err := d.Invite(t.Context(), app.Host(), app.NewAgent{Email: "ani@example.com", Name: "Ani", Role: app.AgentRole})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := d.Invited(t.Context(), link); err != nil || p.ID != ani.ID {
		t.Fatalf("Invited = %v, %v", p, err)
	}
	if _, err := d.Accept(t.Context(), link, "Ani", "short", visitor); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("a short password: %v", err)
	}
	session, err := d.Accept(t.Context(), link, "Ani W.", good, visitor)
	if err != nil {
		t.Fatal(err)
	}
	if a, _, err := d.Authenticate(t.Context(), session); err != nil || a.Agent() != ani.ID {
		t.Errorf("after accepting: %v, %v", a, err)
	}
	if p, err := d.desk.Agent(t.Context(), ani.ID); err != nil || p.Name != "Ani W." {
		t.Errorf("the name is %v (%v)", p, err)
	}
	if _, err := d.Accept(t.Context(), link, "Ani", other, visitor); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("the link works twice: %v", err)
	}
	again, err := d.InviteAgain(t.Context(), app.Host(), ani.ID)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := d.InviteAgain(t.Context(), app.Host(), ani.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", again, newest[:len(newest)-1] + "?", strings.Replace(newest, ".0.", ".1.", 1)} {
		if _, err := d.Invited(t.Context(), wrong); !errors.Is(err, app.ErrNotFound) {
			t.Errorf("%q invites: %v", wrong, err)
		}
	}
	d.later(auth.InviteLasts)
	if _, err := d.Invited(t.Context(), newest); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("an invitation outlives its time: %v", err)
	}
}

// TestInvitationIsNoWayAroundTheSecondFactor: a new link for a lost password still asks for the app.
func TestInvitationIsNoWayAroundTheSecondFactor(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	d.enrol(t, d.signIn(t))
	link, err := d.InviteAgain(t.Context(), app.Host(), ani.ID)
	if err != nil {
		t.Fatal(err)
	}
	session, err := d.Accept(t.Context(), link, "Ani", other, visitor)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.stage(t, session); got != auth.NeedsFactor {
		t.Errorf("stage %d", got)
	}
}

func TestDeactivation(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	token := d.signIn(t)
	revoked := d.Revoked()
	if err := d.DisableAgent(t.Context(), app.Host(), ani.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-revoked:
	default:
		t.Error("the streams were not told")
	}
	if err := d.Still(t.Context(), token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a stream goes on: %v", err)
	}
	if _, err := d.SignIn(t.Context(), "ani@example.com", good, "192.0.2.1"); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("somebody who was shut out comes in: %v", err)
	}
	if err := d.desk.EnableAgent(t.Context(), app.Host(), ani.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the old session came back: %v", err)
	}
	d.later(time.Minute)
	d.signIn(t)
}

func TestNobodyIsAboveAnOwner(t *testing.T) {
	d := newDoor(t)
	boss, err := d.AddAgent(t.Context(), app.Host(), app.NewAgent{Email: "o@example.com", Name: "O", Role: app.Owner}, good)
	if err != nil {
		t.Fatal(err)
	}
	ani := d.add(t, "ani@example.com")
	admin := app.Actor{Kind: app.ActorAgent, ID: uint64(ani.ID), Role: app.Admin}
	owner := app.Owner
	email := "mine@example.com"
	for name, err := range map[string]error{
		"password":  d.SetPassword(t.Context(), admin, boss.ID, other),
		"factors":   d.RemoveFactors(t.Context(), admin, boss.ID, ""),
		"shut out":  d.DisableAgent(t.Context(), admin, boss.ID),
		"sign out":  d.SignOutEverywhere(t.Context(), admin, boss.ID, ""),
		"link":      second(d.InviteAgain(t.Context(), admin, boss.ID)),
		"make one":  second(d.ChangeAgent(t.Context(), admin, ani.ID, app.AgentChange{Role: &owner})),
		"new owner": second(d.AddAgent(t.Context(), admin, app.NewAgent{Email: "x@example.com", Name: "X", Role: app.Owner}, good)),
		"address":   second(d.ChangeAgent(t.Context(), admin, boss.ID, app.AgentChange{Email: &email})),
	} {
		if !errors.Is(err, app.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.DisableAgent(t.Context(), app.Host(), boss.ID); !errors.Is(err, app.ErrConflict) {
		t.Errorf("the last owner is shut out: %v", err)
	}
	lower := app.AgentRole
	if _, err := d.ChangeAgent(t.Context(), app.Host(), boss.ID, app.AgentChange{Role: &lower}); !errors.Is(err, app.ErrConflict) {
		t.Errorf("the last owner is an agent: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRoleChangeEndsSessions(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	token := d.signIn(t)
	role := app.Admin
	if _, err := d.ChangeAgent(t.Context(), app.Host(), ani.ID, app.AgentChange{Role: &role}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a session outlives a change of role: %v", err)
	}
	token = d.signIn(t)
	d.later(auth.StrictIdle + time.Minute)
	if _, _, err := d.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an admin's session lasts as long as an agent's: %v", err)
	}
}

// TestOldSessionEndsWithTheNew: signing in again in a browser leaves nothing of what it held before.
func TestOldSessionEndsWithTheNew(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	before := d.signIn(t)
	after, err := d.Enter(t.Context(), "ani@example.com", good, auth.Visitor{Address: "192.0.2.1", Token: before})
	if err != nil || after == before {
		t.Fatalf("signing in again: %v", err)
	}
	if _, _, err := d.Authenticate(t.Context(), before); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the session before lives: %v", err)
	}
}

func TestStreamsAreNoUse(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	token := d.signIn(t)
	for range 13 {
		d.later(time.Hour)
		_ = d.Still(t.Context(), token)
	}
	if _, _, err := d.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a page that was only left open kept the session: %v", err)
	}
}

func TestNewDevice(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	for range 2 {
		if _, err := d.Enter(t.Context(), "ani@example.com", good, visitor); err != nil {
			t.Fatal(err)
		}
	}
	if news, err := d.News(t.Context(), ani.ID); err != nil || len(news) != 0 {
		t.Fatalf("the first device is news: %v, %v", news, err)
	}
	phone := auth.Visitor{Address: "198.51.100.7", Browser: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile Safari/604.1"}
	token, err := d.Enter(t.Context(), "ani@example.com", good, phone)
	if err != nil {
		t.Fatal(err)
	}
	news, err := d.News(t.Context(), ani.ID)
	if err != nil || len(news) != 1 || news[0].Kind != app.AuditNewDevice || news[0].Device != "Safari · iPhone" || news[0].Address != "198.51.100.7" {
		t.Errorf("news: %+v, %v", news, err)
	}
	by, _, err := d.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.HeardNews(t.Context(), by); err != nil {
		t.Fatal(err)
	}
	if news, err := d.News(t.Context(), ani.ID); err != nil || len(news) != 0 {
		t.Errorf("after reading: %v, %v", news, err)
	}
}

func TestDeviceWords(t *testing.T) {
	for browser, want := range map[string]string{
		firefox: "Firefox · Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0": "Edge · Windows",
		"Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36":     "Chrome · Android",
		"curl/8.5.0": "curl", "": "", "<script>": "",
	} {
		if got := auth.DeviceOf(browser); got != want {
			t.Errorf("%q is %q, want %q", browser, got, want)
		}
	}
}

// TestUnknownAddressesCostTheSame counts the slow hashes and the entries that are written, not the time.
func TestUnknownAddressesCostTheSame(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	cost := func(email string) (hashes int64, entries int) {
		t.Helper()
		before, trail := d.Hashes(), d.trail(t)
		if _, err := d.SignIn(t.Context(), email, other, "192.0.2.1"); !errors.Is(err, app.ErrInvalid) {
			t.Fatalf("%s: %v", email, err)
		}
		return d.Hashes() - before, len(d.trail(t)) - len(trail)
	}
	h1, e1 := cost("ani@example.com")
	h2, e2 := cost("nobody@example.com")
	if h1 != h2 || e1 != e2 || h1 != 1 || e1 != 1 {
		t.Errorf("a wrong password costs %d hashes and %d entries, a wrong address %d and %d", h1, e1, h2, e2)
	}
	for _, e := range d.trail(t)[:2] {
		if e.Kind != app.AuditSignInFailed {
			t.Errorf("entry %+v", e)
		}
	}
}

func (d *door) trail(t *testing.T) []app.AuditEvent {
	t.Helper()
	out, err := d.desk.AuditTrail(t.Context(), app.Host(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFailuresOutliveARestart: guessing goes on where it was.
func TestFailuresOutliveARestart(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return at }
	db := storetest.OpenAt(t, t.TempDir()+"/data", store.Options{Now: clock})
	desk := app.NewDesk(db, app.Options{})
	start := func() *auth.Auth {
		a := auth.New(db, desk, auth.Options{Now: clock})
		a.Cheapen()
		return a
	}
	first := start()
	if _, err := first.AddAgent(t.Context(), app.Host(), app.NewAgent{Email: "ani@example.com", Name: "A", Role: app.AgentRole}, good); err != nil {
		t.Fatal(err)
	}
	for i := range 21 { // from many places, so that only the account counts
		at = at.Add(time.Minute)
		_, err := first.SignIn(t.Context(), "ani@example.com", other, "192.0.2."+string(rune('0'+i%10))+string(rune('0'+i/10)))
		if errors.Is(err, auth.ErrSlow) {
			t.Fatalf("attempt %d was slowed down", i)
		}
	}
	later := start()
	if _, err := later.SignIn(t.Context(), "ani@example.com", good, "198.51.100.1"); !errors.Is(err, auth.ErrSlow) {
		t.Errorf("after a restart: %v", err)
	}
	at = at.Add(31 * time.Second)
	if _, err := later.SignIn(t.Context(), "ani@example.com", good, "198.51.100.1"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	if _, err := start().SignIn(t.Context(), "ani@example.com", good, "198.51.100.1"); err != nil {
		t.Errorf("a success does not clear the count: %v", err)
	}
}

func TestClaimLastsAQuarterOfAnHour(t *testing.T) {
	d := newDoor(t)
	link, err := d.NewClaim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.later(auth.ClaimLasts - time.Second)
	if err := d.CheckClaim(t.Context(), link); err != nil {
		t.Errorf("before its end: %v", err)
	}
	d.later(time.Second)
	if err := d.CheckClaim(t.Context(), link); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("after it: %v", err)
	}
	again, err := d.NewClaim(t.Context())
	if err != nil || d.CheckClaim(t.Context(), again) != nil {
		t.Errorf("a new one: %v", err)
	}
}

// TestCommonPasswords: every word of the list is refused behind the endings that people add.
func TestCommonPasswords(t *testing.T) {
	endings := []string{
		"", "1", "12", "123", "1234", "12345", "123456", "!", "!!", "1!", "123!", "2020", "2021", "2022", "2023", "2024",
		"2025", "2026", "2026!", "@123", "#1", "007", "69", "99", "777", "_1", "-2026", ".123", "?", "*", "01", "11", "22", "88", "786",
		"1990", "1991", "1995", "2000", "2010",
	}
	n := 0
	for line := range bytes.Lines(auth.Common()) {
		word := string(bytes.TrimSpace(line))
		for _, e := range endings {
			if !auth.Refused(word + e) {
				t.Errorf("%q is taken", word+e)
			}
			n++
		}
	}
	if n < 10_000 {
		t.Errorf("only %d passwords were tried", n)
	}
	for _, fine := range []string{good, other, "a calm morning in the shop", "a quiet river in june", "Tr0ub4dor&3-xkcd", "kopi susu gula aren dua"} {
		if auth.Refused(fine) {
			t.Errorf("%q is refused", fine)
		}
	}
}

func TestAccountExport(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	token := d.signIn(t)
	by, _, err := d.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.TakeAccount(t.Context(), by)
	if err != nil || out.Email != ani.Email || len(out.Sessions) != 1 || out.Password == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	if e := d.trail(t)[0]; e.Kind != app.AuditAccountTaken || e.Subject != ani.ID {
		t.Errorf("the audit says %+v", e)
	}
}
