// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The work of the crash oracles. Each writer counts versions upwards; version v
// puts something into every kind of table in one Update, so that any state shows
// by itself whether a transaction was torn. What was begun and what was promised
// is said in lines of a verb, the writer and the version:
//
//	begin 1 7    about to write        done 1 7    it was acknowledged
//	refused 1 7  nothing of it is kept  unknown 1 7 nobody knows
//
// A victim is a person who is made and then erased: "made 100", "erase 100"
// (begun) and "erased 100" (acknowledged).
const (
	workWriters = 3
	workSteps   = 12
	workLives   = 3
	victimsAt   = 100
)

// workEnv names the directory in which a child process works; what follows a
// blank are words that change how.
const workEnv = "KITH_CRASH_WORK"

var errOnPurpose = errors.New("on purpose")

// speaker says lines to the disk.
type speaker struct {
	mu sync.Mutex
	f  io.Writer
}

func (s *speaker) say(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.f, format+"\n", a...); err != nil {
		panic(err) // the oracle itself is broken
	}
}

// workText is what version v of writer w holds.
func workText(w, v uint64) string {
	n := int(v*37%400) + 1 //nolint:gosec // small
	if v%11 == 10 {
		n = maxChunk + 5000
	}
	return fmt.Sprintf("%d/%d/", w, v) + strings.Repeat(string(rune('a'+v%26)), n) //nolint:gosec // a letter
}

func workName(w, v uint64) string { return fmt.Sprintf("w%d-v%d", w, v) }

func workDay(v uint64) DayKey { return DayKey{Default, DayOf(epoch) + Day(v%3)} } //nolint:gosec // small

// writeVersion is the transaction of version v.
func writeVersion(tx *Tx, w, v uint64, text string, blob *BlobRef, m BlobMeta) error {
	s := Subject(w) //nolint:gosec // small
	day, name := workDay(v), workName(w, v)
	errs := []error{
		people.Put(tx, 1, &person{s, text}),
		messages.Put(tx, Ref{day, w, v}, &message{s, text, epoch}),
		numbers.Set(tx, "v", name, v),
		provider.Set(tx, day, name, w, v),
		byNumber.Put(tx, []uint64{w, v % 7}, v),
		threads.Put(tx, w, thread{s, v, v % 3, text, nil}),
	}
	if v > 2 {
		errs = append(errs, numbers.Delete(tx, "v", workName(w, v-2)), dropJob(tx, w, v-2))
	}
	if v%5 == 3 {
		errs = append(errs, messages.Delete(tx, Ref{workDay(v - 2), w, v - 2}))
	}
	seq, err := journal.Append(tx, Entry{Kind: uint16(w), A: v}) //nolint:gosec // small
	errs = append(errs, err, journal.SetCursor(tx, fmt.Sprint("w", w), seq))
	id, err := outbox.Push(tx, epoch.Add(time.Duration(v)*time.Minute), &job{s, text}) //nolint:gosec // small
	errs = append(errs, err, byNumber.Put(tx, []uint64{100 + w, v}, id))
	if blob != nil {
		errs = append(errs, LinkBlob(tx, *blob, m), byNumber.Put(tx, blobKey(w, v, *blob), 1))
	}
	return errors.Join(errs...)
}

func blobKey(w, v uint64, r BlobRef) []uint64 {
	hi, _, _ := parsePair(r.ID[:])
	_, lo, _ := parsePair(r.ID[:])
	return []uint64{200 + w, v, hi, lo}
}

func dropJob(tx *Tx, w, v uint64) error {
	id, ok := byNumber.Get(tx, []uint64{100 + w, v})
	if !ok {
		return fmt.Errorf("job %d of writer %d: %w", v, w, ErrNotFound)
	}
	return errors.Join(outbox.Delete(tx, id), byNumber.Delete(tx, []uint64{100 + w, v}))
}

// work is one life: the writers and the erasures at once. It returns when all is
// done or the store gave up.
func work(t *testing.T, db *DB, sp *speaker, life int, steps uint64) {
	t.Helper()
	var wg sync.WaitGroup
	for w := uint64(1); w <= workWriters; w++ {
		wg.Go(func() { workWriter(t, db, sp, w, steps) })
	}
	wg.Go(func() {
		for i := range 2 {
			workVictim(t, db, sp, Subject(victimsAt+life*10+i)) //nolint:gosec // small
		}
	})
	wg.Wait()
}

func workWriter(t *testing.T, db *DB, sp *speaker, w, steps uint64) {
	t.Helper()
	v := versionOf(t, db, w)
	for range steps {
		v++
		if v%4 == 0 {
			err := db.Update(t.Context(), func(tx *Tx) error {
				return errors.Join(writeVersion(tx, w, v, "never", nil, BlobMeta{}), errOnPurpose)
			})
			if !errors.Is(err, errOnPurpose) && !expected(err) {
				t.Errorf("an update that fails on purpose: %v", err)
			}
		}
		sp.say("begin %d %d", w, v)
		switch err := workStep(t, db, w, v); {
		case err == nil:
			sp.say("done %d %d", w, v)
		case errors.Is(err, ErrUnknown):
			sp.say("unknown %d %d", w, v)
			return
		case errors.Is(err, ErrUnavailable), errors.Is(err, ErrFull), expectedFile(err):
			sp.say("refused %d %d", w, v)
			v--
		default:
			t.Errorf("version %d of writer %d: %v", v, w, err)
			return
		}
	}
}

func workStep(t *testing.T, db *DB, w, v uint64) error {
	t.Helper()
	var ref *BlobRef
	var meta BlobMeta
	if v%6 == 0 {
		r, m, err := writeBlob(t, db, Subject(w), workText(w, v)) //nolint:gosec // small
		if err != nil {
			return err
		}
		ref, meta = &r, m
	}
	return db.Update(t.Context(), func(tx *Tx) error { return writeVersion(tx, w, v, workText(w, v), ref, meta) })
}

func writeBlob(t *testing.T, db *DB, s Subject, text string) (BlobRef, BlobMeta, error) {
	t.Helper()
	b, err := db.CreateBlob(t.Context(), s, DayKey{})
	if err != nil {
		return BlobRef{}, BlobMeta{}, err
	}
	if _, err := io.WriteString(b, text); err != nil {
		return BlobRef{}, BlobMeta{}, errors.Join(err, b.Abort())
	}
	return b.Commit()
}

func workVictim(t *testing.T, db *DB, sp *speaker, s Subject) {
	t.Helper()
	ref, meta, err := writeBlob(t, db, s, "of a victim")
	if err == nil {
		err = db.Update(t.Context(), func(tx *Tx) error {
			_, perr := outbox.Push(tx, epoch, &job{s, "victim"})
			return errors.Join(perr, people.Put(tx, 1, &person{s, "victim"}), LinkBlob(tx, ref, meta),
				messages.Put(tx, Ref{workDay(1), 50, uint64(s)}, &message{s, "victim", epoch}))
		})
	}
	if err == nil {
		sp.say("made %d", s)
		sp.say("erase %d", s)
		if err = db.Erase(t.Context(), s); err == nil {
			sp.say("erased %d", s)
		}
	}
	if err != nil && !expected(err) && !expectedFile(err) {
		t.Errorf("victim %d: %v", s, err)
	}
}

// expected are the errors that a store may answer a failing disk with.
func expected(err error) bool {
	for _, is := range []error{ErrUnavailable, ErrUnknown, ErrFull, ErrPermission, ErrClosed} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// expectedFile is what an operation on a file of its own, a blob or the keyring,
// says of a disk that fails.
func expectedFile(err error) bool {
	var path *os.PathError
	return errors.As(err, &path) || strings.Contains(err.Error(), "input/output error")
}

func versionOf(t *testing.T, db *DB, w uint64) (v uint64) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		row, _ := threads.Get(tx, w)
		v = row.Last
		return nil
	})
	return v
}

// TestCrashChild is the process under test; alone it does nothing.
func TestCrashChild(t *testing.T) {
	dir, words, _ := strings.Cut(os.Getenv(workEnv), " ")
	if dir == "" {
		t.Skip("it is run by the crash oracles")
	}
	f, err := os.OpenFile(filepath.Join(dir, "said"), os.O_WRONLY|os.O_APPEND, 0) //nolint:gosec // a place of the test
	if err != nil {
		t.Fatal(err)
	}
	// The identity lives elsewhere: no sync of its directory helps the store. What
	// fails on purpose may fail here, too.
	for range 20 {
		if err = errors.Join(os.MkdirAll(filepath.Join(dir, "keys"), 0o700), syncDir(dir)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	sp := &speaker{f: f}
	for life := range workLives {
		db, err := Open(filepath.Join(dir, "data"), workOptions(dir))
		if err != nil {
			if !strings.Contains(words, "faults") || (!expected(err) && !expectedFile(err)) {
				t.Errorf("life %d: open: %v", life, err)
			}
			continue
		}
		db.bolt.now().NoSync = strings.Contains(words, "nosync")
		sp.say("opened")
		work(t, db, sp, life, workSteps)
		if life == workLives-1 && !strings.Contains(words, "faults") {
			return // no clean stop
		}
		if err := db.Close(); err != nil && !strings.Contains(words, "faults") {
			t.Error(err)
		}
	}
}

func workOptions(dir string) Options {
	return Options{Identity: filepath.Join(dir, "keys", "identity"), MaxSize: 64 << 20}
}

// promises is what a child said.
type promises struct {
	Opened      bool
	Begun, Done [workWriters + 1]uint64
	Victims     map[Subject]string // the last verb
	Acked       int
}

func (p *promises) hear(text string) {
	for line := range strings.Lines(text) {
		var verb string
		var w, v uint64
		n, _ := fmt.Sscan(line, &verb, &w, &v)
		switch {
		case verb == "opened":
			p.Opened = true
		case verb == "begin":
			p.Begun[w] = v
		case verb == "done":
			p.Done[w] = v
			p.Acked++
		case verb == "refused":
			p.Begun[w] = v - 1
		case n == 2:
			if p.Victims == nil {
				p.Victims = map[Subject]string{}
			}
			if p.Victims[Subject(w)] = verb; verb != "erase" { //nolint:gosec // small
				p.Acked++
			}
		}
	}
}
