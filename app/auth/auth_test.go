// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/app"
	"kith/app/auth"
	"kith/store"
	"kith/store/storetest"
)

const (
	good  = "four random words here"
	other = "another set of random words"
)

// door is a doorkeeper with a clock of its own.
type door struct {
	*auth.Auth
	desk *app.Desk
	dir  string

	mu  sync.Mutex
	now time.Time
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), dir: filepath.Join(t.TempDir(), "data")}
	db := storetest.OpenAt(t, d.dir, store.Options{Now: d.clock})
	d.desk = app.NewDesk(db, app.Options{})
	d.Auth = auth.New(db, d.desk, auth.Options{Now: d.clock})
	d.Cheapen()
	return d
}

func (d *door) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *door) later(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

// add makes an agent with the good password.
func (d *door) add(t *testing.T, email string) *app.Agent {
	t.Helper()
	a, err := d.AddAgent(t.Context(), app.Host(), app.NewAgent{Email: email, Name: "Somebody", Role: app.AgentRole}, good)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (d *door) signIn(t *testing.T) string {
	t.Helper()
	token, err := d.SignIn(t.Context(), "ani@example.com", good, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestClaimHasOneWinner(t *testing.T) {
	d := newDoor(t)
	link, err := d.NewClaim(t.Context())
	if err != nil || link == "" {
		t.Fatalf("NewClaim() = %q, %v", link, err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []string
	for i := range 12 {
		wg.Go(func() {
			token, err := d.Claim(t.Context(), link, auth.NewOwner{Name: "N", Email: fmt.Sprintf("n%d@example.com", i), Password: good})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, token)
			case !errors.Is(err, app.ErrConflict) && !errors.Is(err, app.ErrNotFound):
				t.Errorf("a loser was told %v", err)
			}
		})
	}
	wg.Wait()
	people, err := d.desk.Agents(t.Context())
	if err != nil || len(people) != 1 || len(winners) != 1 {
		t.Fatalf("%d agents and %d winners after the race, want 1 each (%v)", len(people), len(winners), err)
	}
	if a, _, err := d.Authenticate(t.Context(), winners[0]); err != nil || a.Role != app.Owner {
		t.Errorf("the winner is %v, %v", a, err)
	}
	if err := d.CheckClaim(t.Context(), link); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("the link still works: %v", err)
	}
	if again, err := d.NewClaim(t.Context()); err != nil || again != "" {
		t.Errorf("NewClaim() with an owner = %q, %v", again, err)
	}
}

func TestClaimOfAnEarlierStartIsWorthless(t *testing.T) {
	d := newDoor(t)
	first, err := d.NewClaim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.NewClaim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.CheckClaim(t.Context(), first); !errors.Is(err, app.ErrNotFound) {
		t.Errorf("CheckClaim(first) = %v, want not found", err)
	}
	for _, wrong := range []string{"", second + "x", strings.ToUpper(second)} {
		if err := d.CheckClaim(t.Context(), wrong); err == nil {
			t.Errorf("CheckClaim(%q) = nil", wrong)
		}
	}
	if err := d.CheckClaim(t.Context(), second); err != nil {
		t.Errorf("CheckClaim(second) = %v", err)
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	d := newDoor(t)
	for pw, key := range map[string]string{
		"short":                            "problem.password_short",
		strings.Repeat("ä", 11):            "problem.password_short",
		strings.Repeat("a long one ", 100): "problem.password_long",
		"aaaaaaaaaaaaaaaa":                 "problem.password_common",
		"123456789012":                     "problem.password_common",
		"Password2026!":                    "problem.password_common",
		"iloveyouforever99":                "problem.password_common",
		"correct horse battery staple":     "problem.password_common",
		"Sample.Owner-2026!":               "problem.password_common",
		"P@ssw0rdP@ssw0rd":                 "problem.password_common",
		"Welcome-Dragon-77":                "problem.password_common",
		"abcabcabcabcabc":                  "problem.password_common",
		"qwertyadmin2024":                  "problem.password_common",
		"aniani aniani":                    "problem.password_common",
		"passwordpassword":                 "problem.password_common",
	} {
		_, err := d.AddAgent(t.Context(), app.Host(), app.NewAgent{Email: "a@example.com", Name: "Sample Owner", Role: app.AgentRole}, pw)
		var p *app.Problem
		if !errors.As(err, &p) || p.Key != key || p.Field != "password" {
			t.Errorf("%q: %v, want %s", pw, err, key)
		}
	}
	people, err := d.desk.Agents(t.Context())
	if err != nil || len(people) != 0 {
		t.Errorf("%d agents were added with refused passwords (%v)", len(people), err)
	}
}

func TestSignInTellsNothingAboutWhoWorksHere(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	_, wrong := d.SignIn(t.Context(), "ani@example.com", other, "192.0.2.1")
	_, nobody := d.SignIn(t.Context(), "budi@example.com", other, "192.0.2.2")
	if wrong == nil || nobody == nil || wrong.Error() != nobody.Error() {
		t.Errorf("a wrong password says %v, a wrong address says %v", wrong, nobody)
	}
	if _, err := d.AddAgent(t.Context(), app.Host(), app.NewAgent{Email: "c@example.com", Name: "C", Role: app.AgentRole}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignIn(t.Context(), "c@example.com", "", "192.0.2.3"); err == nil || err.Error() != wrong.Error() {
		t.Errorf("somebody without a password signs in with none: %v", err)
	}
}

func TestSessionsEnd(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	in := func(token string) bool {
		_, _, err := d.Authenticate(t.Context(), token)
		if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatal(err)
		}
		return err == nil
	}
	idle := d.signIn(t)
	d.later(auth.Idle - time.Minute)
	if !in(idle) {
		t.Fatal("a session ended before its time")
	}
	d.later(auth.Idle - time.Minute)
	if !in(idle) {
		t.Error("the use of a session was not counted")
	}
	d.later(auth.Idle + time.Minute)
	if in(idle) {
		t.Error("a session that nobody used for half a day lives")
	}
	used := d.signIn(t)
	for range 71 {
		if d.later(10 * time.Hour); !in(used) {
			t.Fatal("a session that is used ended")
		}
	}
	if d.later(10*time.Hour + time.Minute); in(used) {
		t.Error("a session lives for more than thirty days")
	}
	for _, token := range []string{"", "1.2.3", "..", used + "x", strings.Repeat("z", 60)} {
		if in(token) {
			t.Errorf("%q is taken for a session", token)
		}
	}
}

func TestSignOutReachesWhatIsRemembered(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	first, second := d.signIn(t), d.signIn(t)
	for range 3 { // the second time from memory
		if _, _, err := d.Authenticate(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SignOut(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Authenticate(t.Context(), first); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("after sign-out: %v", err)
	}
	if _, _, err := d.Authenticate(t.Context(), second); err != nil {
		t.Errorf("the other browser was signed out, too: %v", err)
	}
	if err := d.SetPassword(t.Context(), app.Host(), ani.ID, other); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Authenticate(t.Context(), second); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a session outlives a change of the password: %v", err)
	}
	if _, err := d.SignIn(t.Context(), "ani@example.com", good, "192.0.2.9"); err == nil {
		t.Error("the old password still works")
	}
	if err := d.SignOut(t.Context(), "no.such.token"); err != nil {
		t.Errorf("signing out of no session: %v", err)
	}
}

func TestOthersAccountsAreTheirs(t *testing.T) {
	d := newDoor(t)
	ani, budi := d.add(t, "ani@example.com"), d.add(t, "budi@example.com")
	by := app.Actor{Kind: app.ActorAgent, ID: uint64(ani.ID), Role: app.AgentRole}
	if err := d.SetPassword(t.Context(), by, budi.ID, other); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("SetPassword of somebody else = %v", err)
	}
	if _, err := d.Sessions(t.Context(), by, budi.ID); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("Sessions of somebody else = %v", err)
	}
	key := app.Actor{Kind: app.ActorKey, ID: uint64(budi.ID), Role: app.AgentRole}
	if err := d.SignOutEverywhere(t.Context(), key, budi.ID, ""); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("a key signs a person out: %v", err)
	}
}

func TestKeys(t *testing.T) {
	d := newDoor(t)
	text, k, err := d.AddKey(t.Context(), app.Host(), auth.NewKey{Name: "shop", Role: app.Manager, Lasts: 24 * time.Hour})
	if err != nil || !strings.HasPrefix(text, "kith_") {
		t.Fatalf("AddKey() = %q, %v", text, err)
	}
	a, err := d.Key(t.Context(), text)
	if want := (app.Actor{Kind: app.ActorKey, ID: k.ID, Role: app.Manager}); err != nil || a != want {
		t.Errorf("Key() = %v, %v, want %v", a, err, want)
	}
	for _, wrong := range []string{"", "kith_", text[:len(text)-1], text + "A", strings.Replace(text, "kith_", "KITH_", 1), strings.ToUpper(text)} {
		if _, err := d.Key(t.Context(), wrong); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("Key(%q) = %v", wrong, err)
		}
	}
	manager := app.Actor{Kind: app.ActorAgent, ID: 9, Role: app.Admin}
	if _, _, err := d.AddKey(t.Context(), manager, auth.NewKey{Name: "more", Role: app.Owner}); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("an admin makes an owner's key: %v", err)
	}
	d.later(24 * time.Hour)
	if _, err := d.Key(t.Context(), text); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a key outlives its time: %v", err)
	}
	forever, k, err := d.AddKey(t.Context(), app.Host(), auth.NewKey{Name: "x", Role: app.AgentRole})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveKey(t.Context(), app.Host(), k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Key(t.Context(), forever); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a removed key opens: %v", err)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	try := func(pw, from string) error {
		_, err := d.SignIn(t.Context(), "ani@example.com", pw, from)
		return err
	}
	for i := range 4 {
		if err := try(other, "192.0.2.1"); errors.Is(err, auth.ErrSlow) {
			t.Fatalf("attempt %d was slowed down", i)
		}
	}
	var slow *auth.SlowDown
	if err := try(good, "192.0.2.1"); !errors.As(err, &slow) || slow.Wait > time.Second {
		t.Fatalf("the fifth attempt at once: %v", err)
	}
	if err := try(good, "192.0.2.77"); err != nil {
		t.Errorf("the owner of the account is kept out elsewhere: %v", err)
	}
	d.later(time.Second)
	if err := try(good, "192.0.2.1"); err != nil {
		t.Errorf("the right password after the wait: %v", err)
	}
	if err := try(other, "192.0.2.1"); errors.Is(err, auth.ErrSlow) {
		t.Error("a success does not clear the count")
	}
}

func TestGuessingAtOnceGainsNothing(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	var wg sync.WaitGroup
	var looked sync.Map
	for i := range 40 {
		wg.Go(func() {
			_, err := d.SignIn(t.Context(), "ani@example.com", other, "192.0.2.1")
			if !errors.Is(err, auth.ErrSlow) {
				looked.Store(i, true)
			}
		})
	}
	wg.Wait()
	n := 0
	looked.Range(func(any, any) bool { n++; return true })
	if n > 4 {
		t.Errorf("%d passwords were tried at the same moment, want at most 4", n)
	}
}

func TestSignInStopsWithItsCaller(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.SignIn(ctx, "ani@example.com", good, "192.0.2.1"); err == nil {
		t.Error("a caller who went away was signed in")
	}
}

func TestNoSecretLiesOnDisk(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	token := d.signIn(t)
	key, _, err := d.AddKey(t.Context(), app.Host(), auth.NewKey{Name: "shop", Role: app.Manager})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(d.dir, "data.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{good, token, key, "ani@example.com", "argon2id"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("%q is readable in data.db", secret)
		}
	}
}
