// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

const (
	passphrase = "a sample passphrase of the tests"
	otherWords = "another passphrase of the tests"
)

// reopen closes the store and opens it with options.
func reopen(t *testing.T, db *DB, o Options) *DB {
	t.Helper()
	dir := db.dir
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, dir, o)
}

// opens tells whether an identity opens the store in dir as it lies on the disk.
func opens(t *testing.T, dir string, id age.Identity) bool {
	t.Helper()
	_, err := openRing(dir, id)
	if err != nil && !errors.Is(err, ErrWrongKey) {
		t.Fatal(err)
	}
	return err == nil
}

func TestRecipientsComeAndGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	if c := db.Custody(); c.Recovery || len(c.Recipients) != 1 || c.Kind != CustodyFile || c.Recipients[0].Kind != RecipientMachine || !c.Recipients[0].InUse {
		t.Errorf("custody at first: %+v", c)
	}
	secret, key, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseHybridIdentity(secret)
	if err != nil {
		t.Fatal(err)
	}
	if opens(t, dir, id) {
		t.Fatal("a key that was never added opens the store")
	}
	if err := db.AddRecipient(key, RecipientRecovery, " the  safe "); err != nil {
		t.Fatal(err)
	}
	if !opens(t, dir, id) {
		t.Fatal("the recovery key does not open the store")
	}
	db = reopen(t, db, Options{})
	c := db.Custody()
	if !c.Recovery || len(c.Recipients) != 2 || c.Recipients[1].Label != "the safe" || c.Recipients[1].Added.IsZero() {
		t.Errorf("custody with a recovery key: %+v", c)
	}
	text, err := os.ReadFile(filepath.Join(dir, recipientFile))
	if err != nil || !strings.Contains(string(text), key) {
		t.Errorf("%s does not name the recipient: %v", recipientFile, err)
	}
	if err := db.RemoveRecipient("the safe"); err != nil {
		t.Fatal(err)
	}
	if opens(t, dir, id) {
		t.Error("a recipient that was removed opens the new anchor")
	}
	checkOneSecret(t, dir)
}

func TestRecipientsThatAreRefused(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "data"), Options{})
	secret, _, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "age1pq1", secret, "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"} {
		if err := db.AddRecipient(key, RecipientOther, ""); !errors.Is(err, ErrRecipients) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("a recipient of %d letters: %v", len(key), err)
		}
	}
	if err := db.AddRecipient(hybrid(t).Recipient().String(), RecipientOther, strings.Repeat("x", 101)); !errors.Is(err, ErrRecipients) {
		t.Errorf("a long label: %v", err)
	}
	if err := db.RemoveRecipient(db.machineKey()); !errors.Is(err, ErrRecipients) {
		t.Errorf("removing the machine: %v", err)
	}
	if err := db.RemoveRecipient("nobody"); !errors.Is(err, ErrRecipients) {
		t.Errorf("removing a stranger: %v", err)
	}
	for range maxRecipients - 1 {
		if err := db.AddRecipient(hybrid(t).Recipient().String(), RecipientOther, "twin"); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.AddRecipient(hybrid(t).Recipient().String(), RecipientOther, ""); !errors.Is(err, ErrRecipients) {
		t.Errorf("one too many: %v", err)
	}
	if err := db.RemoveRecipient("twin"); !errors.Is(err, ErrRecipients) {
		t.Errorf("a label of many: %v", err)
	}
	if err := db.RotateIdentity(""); !errors.Is(err, ErrRecipients) {
		t.Errorf("a new identity without room: %v", err)
	}
	checkOneSecret(t, db.dir)
}

// TestARecipientCutShort stops the keyring after each step of an addition: the
// machine opens the store, and the other one as soon as the keyring says so.
func TestARecipientCutShort(t *testing.T) {
	for step := range 5 {
		db := openTest(t, filepath.Join(t.TempDir(), "data"), Options{})
		id := hybrid(t)
		db.ring.fault = boomAt(step)
		if err := db.AddRecipient(id.Recipient().String(), RecipientOther, ""); !errors.Is(err, errBoom) {
			t.Fatalf("step %d: %v", step, err)
		}
		db.ring.fault = nil
		db = reopen(t, db, Options{})
		if in := opens(t, db.dir, id); in != (step >= 3) || len(db.Custody().Recipients) != 1+btoi(in) {
			t.Errorf("step %d: opens %v", step, in)
		}
		checkOneSecret(t, db.dir)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestTheIdentityIsChanged(t *testing.T) {
	for _, words := range []string{"", passphrase} {
		dir := filepath.Join(t.TempDir(), "data")
		db := openTest(t, dir, Options{Passphrase: words})
		populate(t, db, 1, 3)
		old, err := db.kept.read(words, nil)
		if err != nil {
			t.Fatal(err)
		}
		if words != "" {
			if err := db.RotateIdentity("not these words at all"); !errors.Is(err, ErrWrongKey) {
				t.Errorf("with a wrong passphrase: %v", err)
			}
		}
		if err := db.RotateIdentity(words); err != nil {
			t.Fatal(err)
		}
		if opens(t, dir, old) {
			t.Error("the old identity opens the store")
		}
		db = reopen(t, db, Options{Passphrase: words})
		checkNumbers(t, db, 3)
		if c := db.Custody(); len(c.Recipients) != 1 || !c.Recipients[0].InUse || c.Recipients[0].Key == old.Recipient().String() {
			t.Errorf("custody: %+v", c)
		}
		if _, err := os.Stat(db.kept.path + newSuffix); err == nil {
			t.Error("the new file is left beside the identity")
		}
		if protected, err := IsSealed(dir, Options{}); protected != (words != "") || err != nil {
			t.Errorf("sealed: %v, %v", protected, err)
		}
	}
}

// TestTheChangeOfTheIdentityCutShort stops after each step: the store opens with
// whichever identity is there, and one machine is left.
func TestTheChangeOfTheIdentityCutShort(t *testing.T) {
	// After steps 1 and 3 the keyring is committed: it is stopped within that too.
	for _, at := range [][2]int{{0, -1}, {1, -1}, {2, -1}, {3, -1}, {4, -1}, {1, 0}, {1, 2}, {1, 3}, {3, 0}, {3, 2}, {3, 3}} {
		db := openTest(t, filepath.Join(t.TempDir(), "data"), Options{})
		populate(t, db, 1, 3)
		db.faultIdentity = func(n int) error {
			switch {
			case n != at[0]:
				return nil
			case at[1] < 0:
				return errBoom
			}
			db.ring.fault = boomAt(at[1])
			return nil
		}
		if err := db.RotateIdentity(""); !errors.Is(err, errBoom) {
			t.Fatalf("step %d: %v", at, err)
		}
		db.ring.fault, db.faultIdentity = nil, nil
		db = reopen(t, db, Options{})
		checkNumbers(t, db, 3)
		if c := db.Custody(); len(c.Recipients) != 1 || !c.Recipients[0].InUse {
			t.Errorf("step %d: %+v", at, c.Recipients)
		}
		if _, err := os.Stat(db.kept.path + newSuffix); err == nil {
			t.Errorf("step %d: a file is left", at)
		}
		checkOneSecret(t, db.dir)
		if err := db.RotateIdentity(""); err != nil {
			t.Errorf("step %d: the next change: %v", at, err)
		}
	}
}

// TestTheRecoveryKeyDoesNotPutTheMachineOut starts once with the recovery key in
// the place of the identity.
func TestTheRecoveryKeyDoesNotPutTheMachineOut(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "data"), Options{})
	secret, key, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.AddRecipient(key, RecipientRecovery, ""); err != nil {
		t.Fatal(err)
	}
	paper := filepath.Join(t.TempDir(), "paper")
	if err := os.WriteFile(paper, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db = reopen(t, db, Options{Identity: paper})
	if c := db.Custody(); len(c.Recipients) != 2 || c.Recipients[0].InUse || !c.Recipients[1].InUse {
		t.Errorf("custody: %+v", c.Recipients)
	}
	reopen(t, db, Options{})
}

func TestAPassphraseSealsTheStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	path := db.kept.path
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := ChangePassphrase(dir, Options{}, "too short"); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a short passphrase: %v", err)
	}
	if err := ChangePassphrase(dir, Options{}, passphrase); err != nil {
		t.Fatal(err)
	}
	if c := db.Custody(); c.Kind != CustodyPassphrase {
		t.Errorf("custody says %s", c.Kind)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || bytes.Contains(after, []byte("SECRET-KEY")) {
		t.Errorf("the secret stands in the file: %v", err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrSealed) {
		t.Errorf("without a passphrase: %v", err)
	}
	if _, err := Open(dir, Options{Passphrase: otherWords}); !errors.Is(err, ErrWrongKey) || strings.Contains(err.Error(), otherWords) {
		t.Errorf("with another passphrase: %v", err)
	}
	if err := errors.Join(CheckPassphrase(dir, Options{Passphrase: passphrase})); err != nil {
		t.Error(err)
	}
	if err := ChangePassphrase(dir, Options{Passphrase: passphrase}, otherWords); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{Passphrase: otherWords})
	if err := errors.Join(db.Close(), ChangePassphrase(dir, Options{Passphrase: otherWords}, "")); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file without a passphrase is another one: %v", err)
	}
	openTest(t, dir, Options{})
}

// TestAPassphraseOfAge opens an identity that the age program protected.
func TestAPassphraseOfAge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	text, err := os.ReadFile(db.kept.path)
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(10)
	sealed, err := encryptAge(text, to)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(db.kept.path, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir, Options{Passphrase: passphrase})
}

func TestACredentialIsLeftAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	text, err := os.ReadFile(db.kept.path)
	if err != nil || db.Close() != nil || os.Remove(db.kept.path) != nil {
		t.Fatal(err)
	}
	given := t.TempDir()
	if err := os.WriteFile(filepath.Join(given, credential), text, 0o400); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", given)
	db = openTest(t, dir, Options{})
	if c := db.Custody(); c.Kind != CustodyCredential {
		t.Errorf("custody: %s", c.Kind)
	}
	if err := db.RotateIdentity(""); !errors.Is(err, ErrPassphrase) {
		t.Errorf("rotating a credential: %v", err)
	}
	if err := ChangePassphrase(dir, Options{}, passphrase); !errors.Is(err, ErrPassphrase) {
		t.Errorf("protecting a credential: %v", err)
	}
}

func TestStaticAndAnchorAreChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	populate(t, db, 1, 3)
	gen, static := db.currentRing().Gen, bytes.Clone(db.currentRing().Static)
	if err := errors.Join(db.RotateAnchor(), db.RotateStatic()); err != nil {
		t.Fatal(err)
	}
	if now := db.currentRing(); now.Gen != gen+2 || bytes.Equal(now.Static, static) || !bytes.Equal(db.keys.static[:], now.Static) {
		t.Errorf("generation %d after %d", now.Gen, gen)
	}
	db = reopen(t, db, Options{})
	checkNumbers(t, db, 3)
}
