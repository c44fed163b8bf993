// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
)

var errBoom = errors.New("boom")

func hybrid(tb testing.TB) *age.HybridIdentity {
	tb.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// TestARingCommitCutShortAnywhere stops a commit after each step and opens the
// ring again, by the machine and by a second recipient.
func TestARingCommitCutShortAnywhere(t *testing.T) {
	machine, recovery := hybrid(t), hybrid(t)
	for step := range 5 {
		for _, id := range []*age.HybridIdentity{machine, recovery} {
			dir := t.TempDir()
			r, err := createRing(dir, newBody(machine.Recipient().String(), recovery.Recipient().String()))
			if err != nil {
				t.Fatal(err)
			}
			old := r.body.Lookup
			next := r.body
			next.Lookup = random(32)
			r.fault = func(n int) error {
				if n == step {
					return errBoom
				}
				return nil
			}
			renamed, err := r.commit(next)
			if !errors.Is(err, errBoom) || renamed != (step >= 3) {
				t.Fatalf("step %d: renamed %v, %v", step, renamed, err)
			}
			want, gen := old, uint64(1)
			if step >= 3 {
				want, gen = next.Lookup, 2
			}
			for range 2 { // the second time nothing is left to finish
				if r, err = openRing(dir, id); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
				if !bytes.Equal(r.body.Lookup, want) || r.gen != gen {
					t.Errorf("step %d: generation %d with the wrong body", step, r.gen)
				}
			}
			checkOneSecret(t, dir)
			if _, err := r.commit(next); err != nil {
				t.Errorf("step %d: the next commit: %v", step, err)
			}
			checkOneSecret(t, dir)
		}
	}
}

func checkOneSecret(t *testing.T, dir string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, anchorFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(raw, []byte(slotMagic)); n != 1 {
		t.Errorf("the anchor holds %d secrets", n)
	}
	if _, err := os.Stat(filepath.Join(dir, keyringFile+newSuffix)); err == nil {
		t.Error("an unfinished keyring is left")
	}
}

func TestAnOldKeyringDoesNotOpenWithTheNewAnchor(t *testing.T) {
	id, dir := hybrid(t), t.TempDir()
	r, err := createRing(dir, newBody(id.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, keyringFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.commit(r.body); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, keyringFile), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openRing(dir, id); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened: %v", err)
	}
	if _, err := openRing(dir, hybrid(t)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another identity: %v", err)
	}
}
