// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// testNow is the instant of the tests about days: day 20,000 is 2024-10-04.
var testNow = Day(20_000).Time().Add(12 * time.Hour)

// openAt opens a store whose clocks stand still unless the test moves them.
func openAt(t *testing.T, dir string, clock *machine) *DB {
	t.Helper()
	db := openTest(t, dir, Options{Now: func() time.Time { return clock.wall }})
	db.upFor = func() uptime { return uptime{clock.boot, clock.up} }
	return db
}

type machine struct {
	wall time.Time
	boot string
	up   time.Duration
}

func (c *machine) pass(d time.Duration) { c.wall, c.up = c.wall.Add(d), c.up+d }

func newMachine() *machine { return &machine{testNow, "one", time.Hour} }

// inDays puts something into every kind of partition of each day, about subjects
// 1 and 2.
func inDays(t *testing.T, db *DB, c Class, days ...Day) (refs map[Day][]BlobRef) {
	t.Helper()
	refs = map[Day][]BlobRef{}
	for _, d := range days {
		k := DayKey{c, d}
		for s := Subject(1); s <= 2; s++ {
			ref, meta := blobOf(t, db, s, k)
			refs[d] = append(refs[d], ref)
			update(t, db, func(tx *Tx) error {
				seq := tx.NextID()
				return errors.Join(
					messages.Put(tx, Ref{k, uint64(s), seq}, &message{Subject: s, Text: "hello"}),
					provider.Set(tx, k, "wamid", uint64(s), seq),
					LinkBlob(tx, ref, meta))
			})
		}
	}
	return refs
}

func blobOf(t *testing.T, db *DB, s Subject, k DayKey) (BlobRef, BlobMeta) {
	t.Helper()
	w, err := db.CreateBlob(t.Context(), s, k)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "contents"); err != nil {
		t.Fatal(err)
	}
	ref, meta, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return ref, meta
}

func partitions(t *testing.T, db *DB) (all []DayKey) {
	t.Helper()
	view(t, db, func(tx *Tx) error { all = messages.Days(tx); return nil })
	return all
}

func TestExpireDestroysADayAndNothingElse(t *testing.T) {
	clock, dir := newMachine(), filepath.Join(t.TempDir(), "data")
	db := openAt(t, dir, clock)
	today := DayOf(clock.wall)
	refs := inDays(t, db, Default, today-3, today-2, today-1, today)
	inDays(t, db, Ingress, today-3)

	o := Expiry{Class: Default, Before: today - 1}
	due, err := db.Due(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := Due{
		Days:        []Day{today - 3, today - 2},
		Records:     map[string]int{"t.messages": 4, "t.provider": 2},
		Attachments: 4, People: 2,
	}
	if diff := cmp.Diff(want, due); diff != "" {
		t.Errorf("the preview (-want +got):\n%s", diff)
	}
	copied := filepath.Join(t.TempDir(), "old.db")
	copyFile(t, db.path(dataFile), copied)
	d, err := db.Expire(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"t.messages": 4, "t.provider": 2, "attachments": 4}, d.Removed); diff != "" {
		t.Errorf("it did not do what the preview said:\n%s", diff)
	}
	if c, _, err := db.Certify(t.Context(), d, ""); err != nil || c.Before != "2024-10-03" || c.Kind != "days" {
		t.Errorf("the certificate: %+v %v", c, err)
	}
	left := []DayKey{{Default, today - 1}, {Default, today}, {Ingress, today - 3}}
	for range 2 {
		if diff := cmp.Diff(left, partitions(t, db)); diff != "" || heaps(t, db) != 0 {
			t.Errorf("what is left, with %d heaps:\n%s", heaps(t, db), diff)
		}
		for day, all := range refs {
			_, err := os.Stat(db.blobPath(all[0].ID))
			if gone := errors.Is(err, os.ErrNotExist); gone != (day < today-1) {
				t.Errorf("the file of day %d: %v", day, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openAt(t, dir, clock)
	}
	if n, m := opensIn(t, db, copied, today-2), opensIn(t, db, copied, today-1); n != 0 || m != 2 {
		t.Errorf("of the old copy of the file %d values of a destroyed day open, and %d of another", n, m)
	}
	again, err := db.Expire(t.Context(), o)
	if err != nil || !again.Nothing() {
		t.Errorf("the second time: %+v %v", again, err)
	}
}

// opensIn counts the messages of a day in a raw copy that the keys of db open.
func opensIn(t *testing.T, db *DB, path string, day Day) (n int) {
	t.Helper()
	old, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	name := DayKey{Default, day}.bytes()
	err = old.View(func(tx *bolt.Tx) error {
		return tx.Bucket(messages.name).Bucket(name[:]).ForEach(func(k, v []byte) error {
			where := append(append([]byte(nil), messages.where...), append(name[:], k...)...)
			if _, _, err := open(nil, db.keys, v, where); err == nil {
				n++
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatComesLateIsFiledInADayThatLives writes to days that are gone.
func TestWhatComesLateIsFiledInADayThatLives(t *testing.T) {
	clock := newMachine()
	db := openAt(t, filepath.Join(t.TempDir(), "data"), clock)
	today := DayOf(clock.wall)
	gone, lives := DayKey{Default, today - 5}, DayKey{Default, today + 1}
	inDays(t, db, Default, today-5, today)
	if _, err := db.Expire(t.Context(), Expiry{Class: Default, Before: today + 1, Confirmed: true}); err != nil {
		t.Fatal(err)
	}
	if got := db.Living(gone); got != lives {
		t.Errorf("%v is filed under %v", gone, got)
	}
	if got := db.Living(DayKey{Ingress, today}); got != (DayKey{Ingress, today}) {
		t.Errorf("another class is filed under %v", got)
	}
	update(t, db, func(tx *Tx) error {
		if _, err := journal.Append(tx, Entry{Kind: 1}); err != nil {
			return err
		}
		return messages.Put(tx, Ref{tx.Living(gone), 1, tx.NextID()}, &message{Subject: 1, Text: "late"})
	})
	for _, err := range []error{
		db.Update(t.Context(), func(tx *Tx) error { return messages.Put(tx, Ref{gone, 1, 1}, &message{Subject: 1}) }),
		db.Update(t.Context(), func(tx *Tx) error { return provider.Set(tx, gone, "a", 1, 1) }),
	} {
		if !errors.Is(err, ErrErased) {
			t.Errorf("a write to a day that is gone: %v", err)
		}
	}
	view(t, db, func(tx *Tx) error {
		if _, ok, err := provider.Find(tx, Default, today, 10, "wamid"); ok || err != nil {
			t.Errorf("an identifier of a day that is gone: %v %v", ok, err)
		}
		n := 0
		days := []DayKey{lives, {Default, today}, gone}
		err := messages.Back(tx, 1, days, 0, func(Ref, *message) error { n++; return nil })
		if n != 1 || err != nil || len(messages.Days(tx)) != 1 {
			t.Errorf("%d messages over days of which most are gone, %d days: %v", n, len(messages.Days(tx)), err)
		}
		es, err := journal.Read(tx, 0, 10)
		if len(es) != 1 || err != nil {
			t.Errorf("the journal: %v %v", es, err)
		}
		return nil
	})
	update(t, db, func(tx *Tx) error { return provider.Delete(tx, gone, "wamid") })
}

// TestAnExpiryCutShortIsCompleted stops the keyring after each step.
func TestAnExpiryCutShortIsCompleted(t *testing.T) {
	for step := range 5 {
		clock, dir := newMachine(), filepath.Join(t.TempDir(), "data")
		db := openAt(t, dir, clock)
		today := DayOf(clock.wall)
		inDays(t, db, Default, today-2, today)
		broken := errors.New("broken")
		db.ring.fault = func(n int) error {
			if n == step {
				return broken
			}
			return nil
		}
		if _, err := db.Expire(t.Context(), Expiry{Class: Default, Before: today - 1}); !errors.Is(err, broken) {
			t.Fatalf("step %d: %v", step, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openAt(t, dir, clock)
		db.resume(t.Context())
		if diff := cmp.Diff([]DayKey{{Default, today}}, partitions(t, db)); diff != "" || db.keys.anyDay(DayKey{Default, 0}, DayKey{Default, today - 1}) {
			t.Errorf("after step %d:\n%s", step, diff)
		}
	}
}

func TestWhatIsHeldIsFoundWhereItWas(t *testing.T) {
	clock, dir := newMachine(), filepath.Join(t.TempDir(), "data")
	db := openAt(t, dir, clock)
	today := DayOf(clock.wall)
	old := DayKey{Default, today - 3}
	refs := inDays(t, db, Default, today-3, today)
	held := func(s Subject) bool { return s == 2 }
	o := Expiry{Class: Default, Before: today, Held: held}
	due, err := db.Due(t.Context(), o)
	if err != nil || due.Held != 2 || due.People != 1 || due.Records["t.messages"] != 1 || due.Attachments != 1 {
		t.Errorf("the preview: %+v %v", due, err)
	}
	for range 2 {
		if _, err := db.Expire(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		o.Before++ // a night later
		clock.pass(24 * time.Hour)
	}
	check := func(s Subject, there bool) {
		t.Helper()
		n := 0
		view(t, db, func(tx *Tx) error {
			for _, days := range [][]DayKey{{old}, {old, {Ingress, old.Day}}} {
				n = 0
				err := messages.Back(tx, uint64(s), days, 0, func(ref Ref, m *message) error {
					n++
					got, err := messages.Get(tx, ref)
					if ref.DayKey != old || err != nil || got.Text != "hello" || m.Text != "hello" {
						t.Errorf("%v: %v %v", ref, got, err)
					}
					return nil
				})
				if err != nil || (n == 1) != there {
					t.Errorf("%d messages about %d: %v", n, s, err)
				}
			}
			_, err := BlobInfo(tx, refs[old.Day][s-1])
			if (err == nil) != there {
				t.Errorf("the attachment about %d: %v", s, err)
			}
			return nil
		})
		f, err := db.OpenBlob(refs[old.Day][s-1])
		if (err == nil) != there {
			t.Errorf("the file about %d: %v", s, err)
		}
		if err != nil {
			return
		}
		b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if string(b) != "contents" || errors.Join(err, f.Close()) != nil {
			t.Errorf("the file about %d says %q: %v", s, b, err)
		}
	}
	check(1, false)
	check(2, true)
	update(t, db, func(tx *Tx) error { // what is held can be changed where it was
		var ref Ref
		err := messages.Back(tx, 2, []DayKey{old}, 0, func(r Ref, _ *message) error { ref = r; return ErrStop })
		return errors.Join(err, messages.Put(tx, ref, &message{Subject: 2, Text: "hello"}))
	})
	check(2, true)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openAt(t, dir, clock)
	check(2, true)
	if err := db.Erase(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	check(2, false)
	if traces(t, db, 2) != 0 {
		t.Errorf("%d traces of 2", traces(t, db, 2))
	}
	if _, err := db.Expire(t.Context(), Expiry{Class: Hold, Before: 1, Confirmed: true}); err == nil {
		t.Error("class Hold expired")
	}
	if _, err := db.Expire(t.Context(), Expiry{Class: Permanent, Before: 1, Confirmed: true}); err == nil {
		t.Error("class Permanent expired")
	}
}

// fuseCase is a night that follows the first one.
type fuseCase struct {
	move    func(*machine)
	refused bool
}

func TestAClockThatJumpsDestroysNothing(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, c := range map[string]fuseCase{
		"a day later":                   {func(c *machine) { c.pass(24 * time.Hour) }, false},
		"five days later":               {func(c *machine) { c.pass(5 * 24 * time.Hour) }, false},
		"two months later":              {func(c *machine) { c.pass(60 * 24 * time.Hour) }, true}, // too much at once
		"ten years forward":             {func(c *machine) { c.wall = c.wall.Add(10 * year) }, true},
		"two days forward":              {func(c *machine) { c.wall = c.wall.Add(48 * time.Hour) }, true},
		"a year back":                   {func(c *machine) { c.wall = c.wall.Add(-year) }, false},
		"started anew after an hour":    {func(c *machine) { c.wall, c.boot, c.up = c.wall.Add(time.Hour), "two", 0 }, false},
		"started anew after three days": {func(c *machine) { c.wall, c.boot, c.up = c.wall.Add(72*time.Hour), "two", 0 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newMachine()
			db := openAt(t, filepath.Join(t.TempDir(), "data"), clock)
			first := DayOf(clock.wall)
			var days []Day
			for d := first - 30; d <= first; d++ {
				days = append(days, d)
			}
			inDays(t, db, Default, days...)
			if _, _, err := db.TrustedNow(t.Context()); err != nil { // the first look
				t.Fatal(err)
			}
			c.move(clock)
			cut := DayOf(clock.wall) - 30
			before := partitions(t, db)
			_, err := db.Expire(t.Context(), Expiry{Class: Default, Before: cut})
			if errors.Is(err, ErrUnconfirmed) != c.refused || (err != nil && !c.refused) {
				t.Fatalf("%v", err)
			}
			after := partitions(t, db)
			for _, k := range before {
				if gone := k.Day < first-30 || (!c.refused && k.Day < cut); gone == slices.Contains(after, k) {
					t.Errorf("day %d, %d before the first night: there %v", k.Day, first-k.Day, !gone)
				}
			}
			if !c.refused {
				return
			}
			if _, err := db.Expire(t.Context(), Expiry{Class: Default, Before: cut, Confirmed: true}); err != nil {
				t.Errorf("confirmed by a person: %v", err)
			}
			if _, doubt, err := db.TrustedNow(t.Context()); doubt != "" || err != nil {
				t.Errorf("afterwards: %s %v", doubt, err)
			}
		})
	}
}

// TestASlowDriftIsFollowed lets the clock run ahead by more than the machine's
// uptime tells, a little at a time.
func TestASlowDriftIsFollowed(t *testing.T) {
	clock := newMachine()
	db := openAt(t, filepath.Join(t.TempDir(), "data"), clock)
	for range 30 {
		clock.pass(10 * time.Hour)
		clock.wall = clock.wall.Add(3 * time.Hour)
		now, doubt, err := db.TrustedNow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ahead := clock.wall.Sub(now); doubt == "" && ahead > clockJump {
			t.Fatalf("trusted %s behind the wall", ahead)
		}
		if now.After(clock.wall) || now.Sub(testNow) > clock.up+31*clockDrift {
			t.Fatalf("%s is trusted after %s", now, clock.up)
		}
	}
}
