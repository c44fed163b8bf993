// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kith/app"
	"kith/store"
)

type card struct {
	About store.Subject `cbor:"1,keyasint"`
	Name  string        `cbor:"2,keyasint"`
}

var cards = store.NewTable("backup test cards", func(c *card) store.Subject { return c.About })

// world is an installation with people in it and a clock of its own.
type world struct {
	*Service
	dir   string
	clock atomic.Int64
	s3    *storage
	bkt   *Bucket
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: filepath.Join(t.TempDir(), "data")}
	w.clock.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	now := func() time.Time { return time.Unix(0, w.clock.Load()).UTC() }
	db, err := store.Open(w.dir, store.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.s3, w.bkt = newStorage(t)
	client := func(S3) Doer { return w.bkt.http }
	w.Service = New(db, app.NewDesk(db, app.Options{}), Options{Client: client, Now: now})
	for range 10 {
		w.person(t)
	}
	return w
}

func (w *world) person(t *testing.T) (about store.Subject) {
	t.Helper()
	err := w.db.Update(t.Context(), func(tx *store.Tx) error {
		about = tx.NextSubject()
		return cards.Put(tx, 1, &card{about, "Sample Customer"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return about
}

func (w *world) save(t *testing.T, where string, change func(*Place)) Place {
	t.Helper()
	p, err := At(where)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&p)
	}
	if p, err = w.Save(t.Context(), app.Host(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// place reads what is known of the only place.
func (w *world) place(t *testing.T) Place {
	t.Helper()
	all, err := w.Places(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d places: %v", len(all), err)
	}
	return all[0]
}

// restore restores what lies in a place under the machine's own identity.
func (w *world) restore(t *testing.T, p Place, file string) (*store.DB, error) {
	t.Helper()
	b, err := Fetch(t.Context(), p.Target(w.client), file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.File.Close() }()
	identity, err := os.ReadFile(w.dir + ".identity")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	_, err = store.Restore(t.Context(), dir, b.File, store.RestoreOptions{Identities: [][]byte{identity}, Keys: b.Keys, Ledger: b.Ledger})
	if err != nil {
		return nil, err
	}
	db, err := store.Open(dir, store.Options{})
	if err == nil {
		t.Cleanup(func() { _ = db.Close() })
	}
	return db, err
}

func readable(t *testing.T, db *store.DB, about store.Subject) bool {
	t.Helper()
	err := db.View(t.Context(), func(tx *store.Tx) error {
		_, err := cards.Get(tx, about, 1)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrErased) && !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	return err == nil
}

func TestBackupToEveryPlaceAndBack(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	for _, c := range []struct {
		where  string
		change func(*Place)
	}{
		{dir, nil},
		{filepath.Join(dir, "mine.age"), nil},
		{"s3://copies/of kith", func(p *Place) { *p.S3 = w.s3.keys }},
	} {
		t.Run(c.where, func(t *testing.T) {
			p := w.save(t, c.where, c.change)
			out, err := w.Make(t.Context(), &p)
			if err != nil {
				t.Fatal(err)
			}
			db, err := w.restore(t, p, out.Name)
			if err != nil {
				t.Fatal(err)
			}
			for about := range store.Subject(10) {
				if !readable(t, db, about+1) {
					t.Errorf("subject %d is not there", about+1)
				}
			}
			all, _ := w.Places(t.Context())
			got := all[len(all)-1]
			if got.Last != out || got.Verified != out || got.Pending(w.db.Generation()) || got.Failed != "" || out.Records == 0 {
				t.Errorf("noted: %+v", got)
			}
		})
	}
}

// TestKeysFollowAnErasure erases somebody after a backup: the copy of the keys in the place is brought to date, its
// old bytes are overwritten, and the person is gone from the backup.
func TestKeysFollowAnErasure(t *testing.T) {
	const gone, control = store.Subject(3), store.Subject(4)
	w := newWorld(t)
	dir := t.TempDir()
	p := w.save(t, dir, nil)
	out, err := w.Make(t.Context(), &p)
	if err != nil {
		t.Fatal(err)
	}
	if db, err := w.restore(t, p, out.Name); err != nil || !readable(t, db, gone) {
		t.Fatalf("before the erasure the person must be in the backup: %v", err)
	}
	keys := filepath.Join(dir, series(w.db.Instance())+keysSuffix)
	old, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	blocks := filepath.Join(t.TempDir(), "blocks") // another name of the same file: where its old bytes lie
	if err := os.Link(keys, blocks); err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(t.TempDir(), "crashed") // and what a crash left of an earlier attempt
	if err := errors.Join(os.WriteFile(keys+partSuffix, old, 0o600), os.Link(keys+partSuffix, crashed)); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Erase(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if got := w.place(t); !got.Pending(w.db.Generation()) {
		t.Error("the copy of the keys is not shown as pending")
	}
	if names := w.pending(w.db.Generation()); len(names) != 0 {
		t.Errorf("pending after an attempt: %v", names)
	}
	if now, err := os.ReadFile(blocks); err != nil || len(now) != len(old) || bytes.Equal(now, old) {
		t.Errorf("the old bytes of the copy are still there: %v", err)
	}
	if now, err := os.ReadFile(crashed); err != nil || bytes.Contains(now, old[:64]) {
		t.Errorf("the old bytes of the attempt are still there: %v", err)
	}
	db, err := w.restore(t, p, out.Name)
	if err != nil {
		t.Fatal(err)
	}
	if readable(t, db, gone) || !readable(t, db, control) {
		t.Errorf("the erased person is readable: %v, the control person: %v", readable(t, db, gone), readable(t, db, control))
	}
}

func TestPendingUntilThePlaceIsThereAgain(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := w.save(t, dir, nil)
	if _, err := w.Make(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+" unmounted"); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if names := w.pending(w.db.Generation()); len(names) != 1 || !strings.Contains(names[0], dir) {
		t.Errorf("pending: %v", names)
	}
	if got := w.place(t); got.Refused == "" {
		t.Error("nothing says why")
	}
	if err := os.Rename(dir+" unmounted", dir); err != nil {
		t.Fatal(err)
	}
	if err := w.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.place(t); got.Pending(w.db.Generation()) || got.Refused != "" {
		t.Errorf("still pending: %+v", got)
	}
}

func TestAFileThatWasTakenAwayIsForgotten(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "mine.age")
	p := w.save(t, file, nil)
	if _, err := w.Make(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + keysSuffix, file + ledgerSuffix} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.db.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := w.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Places(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d places: %v", len(all), err)
	}
	if _, err := os.Stat(file + keysSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("keys were put where no backup is: %v", err)
	}
}

func TestDailyBackups(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.save(t, dir, func(p *Place) { p.Daily, p.Keep, p.KeepDays = "03:15", 3, 30 })
	other := filepath.Join(dir, "kith-00000000-20200101T000000Z.age")
	if err := os.WriteFile(other, []byte("of another installation"), 0o600); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		files, err := Directory(dir).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(w.ours(files))
	}
	for day := range 6 {
		w.runDue(t.Context())
		w.runDue(t.Context()) // again: nothing more is due
		if want := min(day+1, 3); count() != want {
			t.Errorf("day %d: %d backups, want %d; %s", day, count(), want, w.place(t).Failed)
		}
		w.clock.Add(int64(24 * time.Hour))
	}
	w.clock.Add(int64(40 * 24 * time.Hour))
	w.runDue(t.Context())
	if count() != 1 {
		t.Errorf("%d backups after forty days, want the newest alone", count())
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("a backup of another installation was removed")
	}
}

func TestABackupByHandLeavesTheSchedule(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	first := w.save(t, dir, func(p *Place) { p.Daily, p.Keep = "03:15", 3 })
	again := w.save(t, dir, nil)
	if got := w.place(t); again.ID != first.ID || got.Daily != "03:15" || got.Keep != 3 {
		t.Errorf("the place is %+v", got)
	}
	w.save(t, dir, func(p *Place) { p.Daily, p.Keep = "04:15", 5 })
	if got := w.place(t); got.Daily != "04:15" || got.Keep != 5 {
		t.Errorf("the place is %+v", got)
	}
}

func TestADailyBackupThatFailsIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w.save(t, dir, func(p *Place) { p.Daily = "03:15" })
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	w.runDue(t.Context())
	if got := w.place(t); got.Failed == "" || !got.Last.At.IsZero() {
		t.Fatalf("a backup to a disk that is not there: %+v", got)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w.runDue(t.Context())
	if got := w.place(t); !got.Last.At.IsZero() {
		t.Error("tried again at once")
	}
	w.clock.Add(int64(retryAfter))
	w.runDue(t.Context())
	if got := w.place(t); got.Failed != "" || got.Verified.At.IsZero() {
		t.Errorf("not made when it was tried again: %+v", got)
	}
}

// rotten is a target that changes a bit on the way.
type rotten struct{ Target }

// Open implements Target.
func (r rotten) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	f, err := r.Target.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	b[len(b)/2] ^= 1
	return io.NopCloser(bytes.NewReader(b)), nil
}

func TestATestRestoreFindsRot(t *testing.T) {
	w := newWorld(t)
	d := Directory(t.TempDir())
	r, err := Write(t.Context(), w.db, d, datedNames(w.db.Instance(), w.now()), store.BackupOptions{Witness: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.verify(t.Context(), d, &r, Outcome{}); err != nil {
		t.Errorf("the control: %v", err)
	}
	if _, err := w.verify(t.Context(), rotten{d}, &r, Outcome{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("with a bit changed: %v", err)
	}
}

func TestSpooledIsTheSameBackup(t *testing.T) {
	w := newWorld(t)
	d := Directory(t.TempDir())
	r, err := Write(t.Context(), Spooled(w.db, w.dir), d, datedNames(w.db.Instance(), w.now()), store.BackupOptions{Witness: true})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := w.verify(t.Context(), d, &r, Outcome{}); err != nil || out.Damaged != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	left, err := filepath.Glob(filepath.Join(w.dir, "backup-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

func TestCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	text := strings.Repeat("backup ", 100_000)
	send := func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	for _, c := range []struct {
		command string
		write   func(io.Writer) error
		want    string
	}{
		{"cat > " + file, send, ""},
		{"cat > /dev/null; echo no room >&2; exit 3", send, "no room"},
		{"exit 0", send, "ended before"},
		{"head -c 10 > /dev/null; exit 9", send, "exit status 9"},
		{"cat > /dev/null; sleep 100", func(io.Writer) error { return io.ErrNoProgress }, io.ErrNoProgress.Error()},
	} {
		err := Command(t.Context(), c.command, io.Discard, c.write)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.command, err, c.want)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != text {
		t.Errorf("the command took %d bytes: %v", len(got), err)
	}
}

func TestPlacesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	for _, where := range []string{"", "s3://", "s3://a b/c", dir + "/none/", dir + "/none/x.age"} {
		if p, err := At(where); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %+v, %v", where, p, err)
		}
	}
	w := newWorld(t)
	for i, p := range []Place{
		{Where: dir, Daily: "3:15"},
		{Where: dir, Daily: "25:00"},
		{Where: dir, File: true, Daily: "03:15"},
		{Where: dir, Daily: "03:15", KeepDays: 91},
		{Where: dir, Daily: "03:15", Keep: -1},
		{Where: dir, Recipients: []string{"somebody"}},
		{Where: "s3://x", S3: &S3{Bucket: "x"}},
	} {
		if _, err := w.Save(t.Context(), app.Host(), p); err == nil {
			t.Errorf("%d: %+v was taken", i, p)
		}
	}
	if err := w.Forget(t.Context(), app.Host(), fmt.Sprint(dir, "/never")); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// TestAnOlderCopyDoesNotTakeOverThePlace restores a backup beside the installation that goes on and erases somebody:
// the restored one must not put its keys, which still have that person's, in the place of the newer ones.
func TestAnOlderCopyDoesNotTakeOverThePlace(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	p := w.save(t, dir, nil)
	out, err := w.Make(t.Context(), &p)
	if err != nil {
		t.Fatal(err)
	}
	older, err := w.restore(t, p, out.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.Erase(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if err := w.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(dir, series(w.db.Instance())+keysSuffix)
	want, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Beside(t.Context(), older, Directory(dir), datedNames(older.Instance(), w.now())); !errors.Is(err, ErrOlder) {
		t.Errorf("the older copy took over: %v", err)
	}
	if got, err := os.ReadFile(keys); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the keys were changed: %v", err)
	}
	if n, err := ForgetAll(t.Context(), older); n != 1 || err != nil {
		t.Errorf("%d places forgotten: %v", n, err)
	}
}
