// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// TestOperationsThatFailLeaveNothing mixes operations that succeed, fail, panic
// and give up, in shared commits, and holds the store against a map of those
// that succeeded.
func TestOperationsThatFailLeaveNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	var mu sync.Mutex
	want := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range 16 {
		r := rand.New(rand.NewPCG(3, uint64(w)))
		wg.Go(func() {
			for i := range 60 {
				id, text := uint64(w*4+r.IntN(4)), fmt.Sprint(w, "-", i)
				fate := r.IntN(4)
				err := db.Update(t.Context(), func(tx *Tx) error { return misbehave(tx, id, text, fate) })
				if (err == nil) != (fate == 0) {
					t.Errorf("fate %d: %v", fate, err)
				}
				if err == nil {
					mu.Lock()
					want[id] = text
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	compare := func(db *DB) {
		t.Helper()
		rows, people2, counts, walked := map[uint64]string{}, map[uint64]string{}, 0, 0
		view(t, db, func(tx *Tx) error {
			threads.Walk(tx, Mark{}, func(id uint64, v *thread) bool {
				rows[id] = v.Title
				walked++
				return true
			})
			for s := range uint64(3) {
				counts += threads.Count(tx, s)
			}
			if threads.Len(tx) != len(want) {
				t.Errorf("%d rows are counted", threads.Len(tx))
			}
			return people.Every(tx, Nobody, func(_ Subject, id uint64, p *person) error {
				people2[id] = p.Name
				return nil
			})
		})
		if d := cmp.Diff(want, rows); d != "" {
			t.Errorf("rows: %s", d)
		}
		if d := cmp.Diff(want, people2); d != "" {
			t.Errorf("table: %s", d)
		}
		if counts != len(want) || walked != len(want) {
			t.Errorf("%d counted, %d walked, of %d", counts, walked, len(want))
		}
	}
	compare(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	compare(openTest(t, dir, Options{}))
}

// misbehave writes everywhere and then meets its fate; 0 is success.
func misbehave(tx *Tx, id uint64, text string, fate int) error {
	s := Subject(id + 1)
	err := errors.Join(
		people.Put(tx, id, &person{s, text}),
		people.Delete(tx, s, id),
		people.Put(tx, id, &person{s, text}),
		threads.Put(tx, id, thread{Subject: s, Last: tx.NextID(), Status: tx.NextID() % 3, Title: text}),
	)
	if err != nil {
		return err
	}
	switch fate {
	case 1:
		if err := threads.Delete(tx, id); err != nil {
			return err
		}
		if _, ok := threads.Get(tx, id); ok {
			return errors.New("a deleted row is there")
		}
		return errBoom
	case 2:
		panic("the text of a customer")
	case 3:
		return people.Put(tx, id, nil) // the runtime panics
	}
	return nil
}

func TestAPanicIsLoggedWithoutItsText(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	err := db.Update(t.Context(), func(*Tx) error { panic("the text of a customer") })
	if err == nil || strings.Contains(err.Error()+log.String(), "customer") {
		t.Errorf("%v; log: %s", err, log.String())
	}
	if !strings.Contains(log.String(), "TestAPanicIsLogged") {
		t.Errorf("the log does not say where: %s", log.String())
	}
}

func TestAnUpdateThatWaitsCanBeGivenUp(t *testing.T) {
	db := newTest(t)
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Update(context.Background(), func(*Tx) error { close(held); <-hold; return nil })
	})
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	ran := false
	wg.Go(func() {
		err := db.Update(ctx, func(*Tx) error { ran = true; return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		close(hold)
	})
	for len(db.ops) == 0 {
		<-time.After(time.Millisecond)
	}
	cancel()
	wg.Wait()
	update(t, db, func(*Tx) error { return nil })
	if ran {
		t.Error("it ran all the same")
	}
}

func TestViewsSeeOneCommit(t *testing.T) {
	db := newTest(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				view(t, db, checkPair)
			}
		})
	}
	for i := range uint64(300) {
		update(t, db, func(tx *Tx) error {
			if i%7 == 6 {
				return errors.Join(threads.Delete(tx, 1), people.Delete(tx, 1, 1))
			}
			return errors.Join(threads.Put(tx, 1, thread{Subject: 1, Last: i, Title: fmt.Sprint(i)}), people.Put(tx, 1, &person{1, fmt.Sprint(i)}))
		})
	}
	close(stop)
	wg.Wait()
	if s, ok := db.rows[threads.place].(*shelf[thread]); !ok || len(s.spots) > 2 {
		t.Errorf("deleted rows are kept: %d spots", len(s.spots))
	}
}

// checkPair holds a row in RAM against a record on disk of the same commit.
func checkPair(tx *Tx) error {
	p, err := people.Get(tx, 1, 1)
	row, ok := threads.Get(tx, 1)
	if err != nil {
		if ok || !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("a row %s without a record: %w", row.Title, err)
		}
		return nil
	}
	if !ok || row.Title != p.Name {
		return fmt.Errorf("row %q and record %q", row.Title, p.Name)
	}
	return nil
}

func TestACommitThatIsRefusedLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	put := func(name string) error {
		return db.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(people.Put(tx, 1, &person{1, name}), threads.Put(tx, 1, thread{Subject: 1, Title: name}), threads.Put(tx, uint64(len(name)), thread{Subject: 1}))
		})
	}
	if err := put("first"); err != nil {
		t.Fatal(err)
	}
	db.faultCommit = func(b *bolt.Tx) error { return errors.Join(errBoom, b.Rollback()) }
	if err := put("second"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("refused: %v", err)
	}
	if db.Ready() == nil || db.Err() != nil {
		t.Errorf("ready: %v, error: %v", db.Ready(), db.Err())
	}
	view(t, db, func(tx *Tx) error {
		if n := threads.Len(tx); n != 2 {
			t.Errorf("%d rows", n)
		}
		return checkPair(tx)
	})
	db.faultCommit = nil
	if err := put("third!!"); err != nil || db.Ready() != nil {
		t.Errorf("afterwards: %v, %v", err, db.Ready())
	}
}

func TestACommitOfUnknownOutcomeStopsTheStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	db.faultCommit = func(b *bolt.Tx) error { return errors.Join(b.Commit(), errBoom) }
	err := db.Update(t.Context(), func(tx *Tx) error { return people.Put(tx, 1, &person{1, "Ada"}) })
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("the caller hears %v", err)
	}
	select {
	case <-db.Failed():
	default:
		t.Error("Failed is not closed")
	}
	db.faultCommit = nil
	if err := db.Update(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the next one hears %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{})
	view(t, db, func(tx *Tx) error { _, err := people.Get(tx, 1, 1); return err })
}

func TestAFullStoreRecovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{MaxSize: 1 << 20})
	fill := func(id uint64) error {
		return db.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(people.Put(tx, id, &person{Subject(id), strings.Repeat("x", 3000)}), threads.Put(tx, id, thread{Subject: Subject(id)}))
		})
	}
	id, err := uint64(1), error(nil)
	for ; err == nil && id < 2000; id++ {
		err = fill(id)
	}
	if !errors.Is(err, ErrFull) || !errors.Is(db.Ready(), ErrFull) {
		t.Fatalf("after %d records: %v; ready: %v", id, err, db.Ready())
	}
	id--
	view(t, db, func(tx *Tx) error {
		if _, ok := threads.Get(tx, id); ok || threads.Len(tx) != int(id-1) {
			t.Errorf("what was refused is in RAM; %d rows", threads.Len(tx))
		}
		return nil
	})
	// Deleting needs pages too; there are some left for that.
	err = errBoom
	for i := uint64(1); err != nil && i < id; i++ {
		err = db.Update(t.Context(), func(tx *Tx) error { return people.Delete(tx, Subject(i), i) })
	}
	if err != nil || db.Ready() != nil {
		t.Fatalf("deleting: %v; ready: %v", err, db.Ready())
	}
	for i := uint64(1); i < id; i++ {
		update(t, db, func(tx *Tx) error { return people.Delete(tx, Subject(i), i) })
	}
	if err := fill(id); err != nil {
		t.Errorf("after making room: %v", err)
	}
}

func TestTimeAndNumbersOnlyGrow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	clock := newClock(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	o := Options{Now: clock.now}
	var last time.Time
	var id uint64
	var s Subject
	for range 3 {
		db := openTest(t, dir, o)
		for range 3 {
			update(t, db, func(tx *Tx) error {
				nid, ns := tx.NextID(), tx.NextSubject()
				if tx.Now().Before(last) || nid <= id || ns <= s || ns == Nobody {
					t.Errorf("%v after %v, %d after %d, %d after %d", tx.Now(), last, nid, id, ns, s)
				}
				last, id, s = tx.Now(), nid, ns
				return nil
			})
			view(t, db, func(tx *Tx) error {
				if tx.Now().Before(last) {
					t.Errorf("a view at %v after %v", tx.Now(), last)
				}
				return nil
			})
			clock.add(-time.Hour)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		clock.add(30 * time.Minute)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	db := newTest(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("update: %v", err)
	}
	if err := db.View(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("view: %v", err)
	}
}

func TestAViewMayNotWrite(t *testing.T) {
	db := newTest(t)
	view(t, db, func(tx *Tx) error {
		_, qerr := outbox.Push(tx, tx.Now(), &job{})
		_, lerr := journal.Append(tx, Entry{})
		for i, err := range []error{
			people.Put(tx, 1, &person{}), messages.Put(tx, Ref{}, &message{}), numbers.Set(tx, "a", "b", 1),
			provider.Set(tx, DayKey{}, "a", 1, 2), byNumber.Put(tx, []uint64{1}, 2), threads.Put(tx, 1, thread{}), qerr, lerr,
			journal.SetCursor(tx, "a", 1), LinkBlob(tx, BlobRef{}, BlobMeta{}),
		} {
			if !errors.Is(err, errReadOnly) {
				t.Errorf("write %d: %v", i, err)
			}
		}
		return nil
	})
}

func TestAnUpdateThatEndsItsGoroutineHurtsNobodyElse(t *testing.T) {
	db := newTest(t)
	err := db.Update(t.Context(), func(tx *Tx) error {
		if err := people.Put(tx, 1, &person{1, "Ada"}); err != nil {
			return err
		}
		runtime.Goexit() // as t.Fatal does
		return nil
	})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("the caller hears %v", err)
	}
	update(t, db, func(tx *Tx) error {
		if _, err := people.Get(tx, 1, 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("it was kept: %v", err)
		}
		return nil
	})
}

var fragile = NewResident("t.fragile", ResidentOptions[thread]{
	About: func(*thread) Subject { return Nobody },
	Order: func(t *thread) uint64 { return uint64(t.Days[0].Day) },
})

func TestARowThatCannotBeOrderedIsTakenBack(t *testing.T) {
	db := newTest(t)
	if err := db.Update(t.Context(), func(tx *Tx) error { return fragile.Put(tx, 1, thread{}) }); !errors.Is(err, errPanic) {
		t.Errorf("the caller hears %v", err)
	}
	update(t, db, func(tx *Tx) error { return fragile.Put(tx, 1, thread{Days: []DayKey{{1, 2}}}) })
}
