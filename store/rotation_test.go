// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// numberOf is the identifier of a person: it is derived from the record.
func numberOf(s Subject) string { return fmt.Sprintf("+62%09d", s) }

// listed makes the lookup of the tests one whose identifiers come from people.
func listed(t *testing.T) {
	t.Helper()
	numbers.from = func(tx *Tx, after uint64, yield func(uint64, LookupEntry) error) error {
		return people.Every(tx, Subject(after), func(s Subject, _ uint64, _ *person) error { //nolint:gosec // given by list
			return yield(uint64(s), LookupEntry{Kind: "phone", Ident: numberOf(s), Value: uint64(s)})
		})
	}
	t.Cleanup(func() { numbers.from = nil })
}

func populate(t *testing.T, db *DB, from, to Subject) {
	t.Helper()
	update(t, db, func(tx *Tx) error {
		for s := from; s <= to; s++ {
			if err := errors.Join(people.Put(tx, 1, &person{s, "Sample"}), numbers.Set(tx, "phone", numberOf(s), uint64(s))); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkNumbers looks every person up, and counts generations and entries.
func checkNumbers(t *testing.T, db *DB, to Subject, gone ...Subject) {
	t.Helper()
	away := map[Subject]bool{}
	for _, s := range gone {
		away[s] = true
	}
	view(t, db, func(tx *Tx) error {
		for s := Subject(1); s <= to; s++ {
			v, ok, err := numbers.Get(tx, "phone", numberOf(s))
			if err != nil {
				return err
			}
			if ok == away[s] || (ok && v != uint64(s)) {
				t.Fatalf("%s leads to %d, %v", numberOf(s), v, ok)
			}
		}
		return nil
	})
}

func generations(t *testing.T, db *DB) (gens []uint32, entries int) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		b, err := tx.bucket(&numbers.bin)
		if b == nil || err != nil {
			return err
		}
		c := b.Cursor()
		for name, _ := c.First(); name != nil; name, _ = c.Next() {
			gens = append(gens, binary.BigEndian.Uint32(name))
			in := b.Bucket(name).Cursor()
			for k, _ := in.First(); k != nil; k, _ = in.Next() {
				entries++
			}
		}
		return nil
	})
	return gens, entries
}

func TestTheKeyOfIdentifiersIsChanged(t *testing.T) {
	listed(t)
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	const people = 1300 // three batches
	populate(t, db, 1, people)
	// A number without a record is not written anew; one that was changed by hand keeps its value.
	update(t, db, func(tx *Tx) error {
		return errors.Join(numbers.Set(tx, "phone", "+1", 9), numbers.Set(tx, "phone", numberOf(7), 7))
	})
	old := *db.lookups.Load()
	for range 2 {
		if err := db.RotateLookups(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkNumbers(t, db, people)
	}
	k := db.lookups.Load()
	if k.key == old.key || k.gen != old.gen+2 || k.next != nil || k.prev != nil {
		t.Errorf("the key after two changes: generation %d, next %v, prev %v", k.gen, k.next != nil, k.prev != nil)
	}
	if gens, entries := generations(t, db); len(gens) != 1 || gens[0] != k.gen || entries != people {
		t.Errorf("generations %v with %d entries", gens, entries)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	checkNumbers(t, db, people)
	if c := db.Custody(); c.LookupGeneration != k.gen || c.LookupAt.IsZero() {
		t.Errorf("custody: %+v", c)
	}
}

// TestARotationCutShortGoesOn stops a rotation after every step, of its own and
// of the keyring, and starts the store again.
func TestARotationCutShortGoesOn(t *testing.T) {
	listed(t)
	for step := range 5 {
		for ringStep := -1; ringStep < 5; ringStep++ {
			if ringStep >= 0 && step != 0 && step != 3 {
				continue
			}
			dir := filepath.Join(t.TempDir(), "data")
			db := openTest(t, dir, Options{})
			populate(t, db, 1, 20)
			cutRotation(db, step, ringStep)
			if err := db.RotateLookups(t.Context()); !errors.Is(err, errBoom) {
				t.Fatalf("step %d/%d: %v", step, ringStep, err)
			}
			checkNumbers(t, db, 20)
			populate(t, db, 21, 22) // under both keys, whichever is in force
			update(t, db, func(tx *Tx) error {
				return errors.Join(numbers.Delete(tx, "phone", numberOf(5)), people.Delete(tx, 5, 1))
			})
			db.rotation.fault, db.ring.fault = nil, nil
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = openTest(t, dir, Options{})
			checkNumbers(t, db, 22, 5)
			if err := db.RotateLookups(t.Context()); err != nil {
				t.Fatalf("step %d/%d: %v", step, ringStep, err)
			}
			checkNumbers(t, db, 22, 5)
			if gens, entries := generations(t, db); len(gens) != 1 || entries != 21 {
				t.Errorf("step %d/%d: generations %v with %d entries", step, ringStep, gens, entries)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// cutRotation stops after a step of the rotation, or within it at a step of the
// keyring.
func cutRotation(db *DB, step, ringStep int) {
	db.rotation.fault = func(n int) error {
		if ringStep < 0 && n == step {
			return errBoom
		}
		if n == 2 && step == 3 {
			db.ring.fault = boomAt(ringStep)
		}
		return nil
	}
	if ringStep >= 0 && step == 0 {
		db.ring.fault = boomAt(ringStep)
	}
}

func boomAt(step int) func(int) error {
	return func(n int) error {
		if n == step {
			return errBoom
		}
		return nil
	}
}

// TestViewsAndWritersDuringARotation reads and writes while the key is changed:
// nobody misses what was there.
func TestViewsAndWritersDuringARotation(t *testing.T) {
	listed(t)
	db := openTest(t, filepath.Join(t.TempDir(), "data"), Options{})
	const at = 600
	populate(t, db, 1, at)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				checkNumbers(t, db, at)
			}
		}
	})
	last := Subject(at)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				last++
				populate(t, db, last, last)
			}
		}
	})
	// A view that begins before the change sees its own generation to the end.
	view(t, db, func(tx *Tx) error {
		for range 3 {
			if err := db.RotateLookups(t.Context()); err != nil {
				return err
			}
			if v, ok, err := numbers.Get(tx, "phone", numberOf(3)); v != 3 || !ok || err != nil {
				t.Errorf("the old view finds %d, %v, %v", v, ok, err)
			}
		}
		return nil
	})
	close(stop)
	wg.Wait()
	checkNumbers(t, db, last)
	db.forgetLookups()
	if db.lookups.Load().prev != nil {
		t.Error("an old key is still in memory")
	}
}

// TestDataAndKeyringOfDifferentAges restores data that is older than the keyring.
func TestDataAndKeyringOfDifferentAges(t *testing.T) {
	listed(t)
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	populate(t, db, 1, 30)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, dataFile))
	if err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	if err := errors.Join(db.RotateLookups(t.Context()), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, dataFile), old, 0o600); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	checkNumbers(t, db, 30)
	if gens, entries := generations(t, db); len(gens) != 1 || entries != 30 {
		t.Errorf("generations %v with %d entries", gens, entries)
	}
}

func TestARotationNeedsToKnowEveryIdentifier(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "data"), Options{})
	populate(t, db, 1, 3)
	before := db.currentRing().Gen
	if err := db.RotateLookups(t.Context()); err == nil {
		t.Fatal("identifiers that nobody lists were given up")
	}
	checkNumbers(t, db, 3)
	if db.currentRing().Gen != before {
		t.Error("the keyring was changed")
	}
}

// TestAnErasureMakesARotationDue holds also when the process ended before it.
func TestAnErasureMakesARotationDue(t *testing.T) {
	listed(t)
	db := openTest(t, filepath.Join(t.TempDir(), "data"), Options{})
	populate(t, db, 1, 3)
	if db.lookupDue(t.Context()) {
		t.Fatal("due from the beginning")
	}
	update(t, db, func(tx *Tx) error { return numbers.Delete(tx, "phone", numberOf(2)) })
	if err := db.Erase(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	old := db.lookups.Load().gen
	if !db.lookupDue(t.Context()) && old == 1 {
		t.Error("an erasure makes no new key due")
	}
	if err := db.RotateLookups(t.Context()); err != nil {
		t.Fatal(err)
	}
	if db.lookupDue(t.Context()) {
		t.Error("still due after the change")
	}
	checkNumbers(t, db, 3, 2)
}
