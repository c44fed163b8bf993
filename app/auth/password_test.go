// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

func TestHashOfOtherCostsIsReadAndReplaced(t *testing.T) {
	h := newHasher()
	salt := make([]byte, saltLen)
	key := argon2.IDKey([]byte("old but right"), salt, 2, 19<<10, 1, keyLen)
	old := strings.Replace(phcOf(memory, salt, key), "m=47104,t=1,p=1", "m=19456,t=2,p=1", 1)
	right, outdated, err := h.check(t.Context(), old, "old but right")
	if err != nil || !right || !outdated {
		t.Errorf("check() = %v, %v, %v, want right and outdated", right, outdated, err)
	}
	fresh, err := h.make(t.Context(), "old but right")
	if err != nil {
		t.Fatal(err)
	}
	right, outdated, err = h.check(t.Context(), fresh, "old but right")
	if err != nil || !right || outdated {
		t.Errorf("check(fresh) = %v, %v, %v, want right and current", right, outdated, err)
	}
	if right, _, _ := h.check(t.Context(), "", ""); right {
		t.Error("nobody's password is right")
	}
}

func TestOddHashesAreRefused(t *testing.T) {
	for _, s := range []string{
		"x", "$argon2id$v=19$m=47104,t=1,p=1$$", "$argon2i$v=19$m=47104,t=1,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=47104,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		if _, err := parsePHC(s); err == nil {
			t.Errorf("parsePHC(%q) = nil", s)
		}
	}
}

func TestLimiterForgetsAndStaysSmall(t *testing.T) {
	var l limiter
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 30 {
		if _, err := l.begin(now, "a", "2001:db8::1"); err != nil {
			break
		}
	}
	if _, err := l.begin(now, "a", "2001:db8::2"); err == nil {
		t.Error("a neighbour in the same /64 is somebody else")
	}
	if _, err := l.begin(now.Add(2*quiet), "a", "2001:db8::1"); err != nil {
		t.Errorf("after a quiet time: %v", err)
	}
	for i := range maxTries {
		if _, err := l.begin(now, fmt.Sprint("n", i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.tries) > maxTries+3 {
		t.Errorf("%d names are remembered", len(l.tries))
	}
}
