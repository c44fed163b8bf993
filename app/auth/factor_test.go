// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"errors"
	"testing"
	"time"

	"kith/app"
	"kith/app/auth"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

var visitor = auth.Visitor{Address: "192.0.2.1", Browser: firefox}

// TestTOTPVectors are the test values of RFC 6238, appendix B, in six digits.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := auth.TOTPAt(secret, time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// enrol sets an authenticator app up for the session and returns its secret, the session's new token and the codes.
func (d *door) enrol(t *testing.T, token string) (secret, next string, codes []string) {
	t.Helper()
	n, err := d.BeginTOTP(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	next, codes, err = d.ConfirmTOTP(t.Context(), token, auth.CodeAt(n.Secret, d.clock()), visitor)
	if err != nil {
		t.Fatal(err)
	}
	return n.Secret, next, codes
}

func (d *door) stage(t *testing.T, token string) auth.Stage {
	t.Helper()
	_, s, err := d.Holder(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return s.Stage
}

func TestTOTPIsAskedForAndUsedOnce(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	first := d.signIn(t)
	other := d.signIn(t)
	secret, whole, _ := d.enrol(t, first)
	for name, token := range map[string]string{"the session before": first, "another browser": other} {
		if _, _, err := d.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s is still signed in: %v", name, err)
		}
	}
	if _, _, err := d.Authenticate(t.Context(), whole); err != nil {
		t.Fatalf("after setting up: %v", err)
	}

	code := auth.CodeAt(secret, d.clock())
	half := d.signIn(t)
	if _, _, err := d.Authenticate(t.Context(), half); !errors.Is(err, auth.ErrHalfway) || !errors.Is(err, auth.ErrUnauthenticated) {
		t.Fatalf("the password alone: %v", err)
	}
	if err := d.Still(t.Context(), half); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a stream opens with half a session: %v", err)
	}
	if _, err := d.Complete(t.Context(), half, code, visitor); err == nil {
		t.Error("the code that set the app up was used again")
	}
	d.later(30 * time.Second)
	next, err := d.Complete(t.Context(), half, auth.CodeAt(secret, d.clock()), visitor)
	if err != nil || next == half {
		t.Fatalf("the right code: %v, new token %t", err, next != half)
	}
	if _, _, err := d.Holder(t.Context(), half); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the token from before the second factor lives: %v", err)
	}
	again := d.signIn(t)
	if _, err := d.Complete(t.Context(), again, auth.CodeAt(secret, d.clock()), visitor); err == nil {
		t.Error("a code was replayed")
	}
	d.later(30 * time.Second)
	early := auth.CodeAt(secret, d.clock().Add(-30*time.Second))
	if _, err := d.Complete(t.Context(), again, early, visitor); err == nil {
		t.Error("the code before, which was used, was taken")
	}
	for _, wrong := range []string{"", "12345", "abcdef", auth.CodeAt(secret, d.clock().Add(5*time.Minute))} {
		d.later(10 * time.Minute / 20)
		if _, err := d.Complete(t.Context(), again, wrong, visitor); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

// TestFactorIsNotChangedFromHalfway: who knows only the password can neither set up nor replace an app.
func TestFactorIsNotChangedFromHalfway(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	d.enrol(t, d.signIn(t))
	half := d.signIn(t)
	if _, err := d.BeginTOTP(t.Context(), half); !errors.Is(err, auth.ErrHalfway) {
		t.Errorf("BeginTOTP = %v", err)
	}
	if _, _, err := d.ConfirmTOTP(t.Context(), half, "123456", visitor); !errors.Is(err, auth.ErrHalfway) {
		t.Errorf("ConfirmTOTP = %v", err)
	}
	if _, err := d.Prove(t.Context(), half, good, visitor); !errors.Is(err, auth.ErrHalfway) {
		t.Errorf("Prove = %v", err)
	}
	d.later(16 * time.Minute)
	if _, _, err := d.Holder(t.Context(), half); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("half a session lives on: %v", err)
	}
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	_, whole, codes := d.enrol(t, d.signIn(t))
	if len(codes) != 10 {
		t.Fatalf("%d codes", len(codes))
	}
	half := d.signIn(t)
	if _, err := d.Complete(t.Context(), half, " "+codes[3]+" ", visitor); err != nil {
		t.Fatalf("a recovery code: %v", err)
	}
	half = d.signIn(t)
	if _, err := d.Complete(t.Context(), half, codes[3], visitor); err == nil {
		t.Error("a recovery code worked twice")
	}
	f, err := d.Factors(t.Context(), ani)
	if err != nil || f.Recovery != 9 {
		t.Errorf("%d codes are left (%v)", f.Recovery, err)
	}
	by, _, err := d.Authenticate(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := d.NewRecoveryCodes(t.Context(), by)
	if err != nil || len(fresh) != 10 {
		t.Fatalf("new codes: %v", err)
	}
	if _, err := d.Complete(t.Context(), half, codes[4], visitor); err == nil {
		t.Error("a code of the older list works")
	}
	if _, err := d.Complete(t.Context(), half, fresh[4], visitor); err != nil {
		t.Errorf("a code of the new list: %v", err)
	}
	news, err := d.News(t.Context(), ani.ID)
	if err != nil || len(news) == 0 || news[0].Kind != app.AuditRecoveryUsed {
		t.Errorf("the person is told %v (%v)", news, err)
	}
}

// TestOwnersAreMadeToEnrol: where kith insists, an owner can do nothing before a second factor is set up.
func TestOwnersAreMadeToEnrol(t *testing.T) {
	d := newDoor(t)
	d.Insist()
	claim, err := d.NewClaim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, err := d.Claim(t.Context(), claim, auth.NewOwner{Name: "O", Email: "o@example.com", Password: good})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrHalfway) {
		t.Fatalf("an owner without a second factor: %v", err)
	}
	if got := d.stage(t, token); got != auth.MustEnrol {
		t.Errorf("stage %d", got)
	}
	_, whole, _ := d.enrol(t, token)
	by, _, err := d.Authenticate(t.Context(), whole)
	if err != nil || by.Role != app.Owner {
		t.Fatalf("after setting up: %v", err)
	}
	if err := d.RemoveFactors(t.Context(), by, by.Agent(), whole); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("the owner takes it away again: %v", err)
	}
	d.add(t, "ani@example.com")
	if got := d.stage(t, d.signIn(t)); got != auth.Whole {
		t.Errorf("an agent is made to enrol: %d", got)
	}
	if err := d.SavePolicy(t.Context(), by, auth.Policy{Second: auth.DemandEverybody}); err != nil {
		t.Fatal(err)
	}
	if got := d.stage(t, d.signIn(t)); got != auth.MustEnrol {
		t.Errorf("everybody has to, and an agent does not: %d", got)
	}
	admin := app.Actor{Kind: app.ActorAgent, ID: 99, Role: app.Admin}
	if err := d.SavePolicy(t.Context(), admin, auth.Policy{Second: auth.DemandNobody}); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("an admin decides how people sign in: %v", err)
	}
}

func TestStepUp(t *testing.T) {
	d := newDoor(t)
	d.add(t, "ani@example.com")
	token := d.signIn(t)
	_, s, err := d.Authenticate(t.Context(), token)
	if err != nil || !d.Fresh(s) {
		t.Fatalf("right after signing in: %v", err)
	}
	d.later(11 * time.Minute)
	if d.Fresh(s) {
		t.Error("fresh after eleven minutes")
	}
	if _, err := d.Prove(t.Context(), token, other, visitor); !errors.Is(err, app.ErrInvalid) {
		t.Errorf("a wrong password: %v", err)
	}
	next, err := d.Prove(t.Context(), token, good, visitor)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the token was not replaced: %v", err)
	}
	if _, s, err = d.Authenticate(t.Context(), next); err != nil || !d.Fresh(s) {
		t.Errorf("after proving: %v", err)
	}
	secret, next, _ := d.enrol(t, next)
	d.later(11 * time.Minute)
	if _, err = d.Prove(t.Context(), next, auth.CodeAt(secret, d.clock()), visitor); err != nil {
		t.Errorf("a code of the app: %v", err)
	}
}

// TestLostPhone: somebody else takes the second factor away, and the person is signed out everywhere.
func TestLostPhone(t *testing.T) {
	d := newDoor(t)
	ani := d.add(t, "ani@example.com")
	_, whole, _ := d.enrol(t, d.signIn(t))
	if err := d.RemoveFactors(t.Context(), app.Host(), ani.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Authenticate(t.Context(), whole); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the session lives: %v", err)
	}
	if got := d.stage(t, d.signIn(t)); got != auth.Whole {
		t.Errorf("stage %d", got)
	}
}
