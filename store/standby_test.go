// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// direct follows a store in the same process.
type direct struct {
	db    atomic.Pointer[DB]
	token string
	bases atomic.Int32
}

func (d *direct) feed(ctx context.Context, me Follower) (*Feed, error) {
	return d.db.Load().Feed(ctx, d.token, me.Recipient, me.Epoch)
}

func (d *direct) Base(ctx context.Context, me Follower) (io.ReadCloser, error) {
	d.bases.Add(1)
	f, err := d.feed(ctx, me)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(f.Base(ctx, w)) }()
	return r, nil
}

func (d *direct) Segment(ctx context.Context, me Follower, chain string, n uint64) (io.ReadCloser, error) {
	f, err := d.feed(ctx, me)
	if err != nil {
		return nil, err
	}
	return f.Segment(ctx, chain, n)
}

func (d *direct) Blob(ctx context.Context, me Follower, id string) (io.ReadCloser, error) {
	f, err := d.feed(ctx, me)
	if err != nil {
		return nil, err
	}
	name, ok := ParseBlobID(id)
	if !ok {
		return nil, ErrNotFound
	}
	return f.BlobFile(name)
}

func (d *direct) Ack(ctx context.Context, me Follower, ring uint64) error {
	f, err := d.feed(ctx, me)
	if err != nil {
		return err
	}
	return f.Ack(ctx, ring)
}

// newDirect lets a standby follow db.
func newDirect(t *testing.T, db *DB) *direct {
	t.Helper()
	token, err := db.AddReplica(t.Context(), "spare")
	if err != nil {
		t.Fatal(err)
	}
	d := &direct{token: token}
	d.db.Store(db)
	return d
}

func openStandby(t *testing.T, dir string) *Standby {
	t.Helper()
	s, err := OpenStandby(dir, Options{}, []byte("the primary\n"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keepUp lets a standby take everything that the primary has committed.
func keepUp(t *testing.T, s *Standby, d *direct) {
	t.Helper()
	if s.bolt == nil {
		if err := s.copy(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for {
		db := d.db.Load()
		db.oplog.seal()
		if err := errors.Join(s.acknowledge(t.Context(), d), s.fetchBlobs(t.Context(), d)); err != nil {
			t.Fatal(err)
		}
		db.oplog.seal()
		db.oplog.mu.Lock()
		at := db.oplog.at
		db.oplog.mu.Unlock()
		if at.Chain == s.at.Chain && at.Next == s.at.Next && len(s.missing) == 0 {
			return
		}
		_, err := s.step(t.Context(), d)
		if errors.Is(err, ErrResync) {
			err = s.copy(t.Context(), d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func sameRecords(t *testing.T, s *Standby, db *DB) {
	t.Helper()
	got, err := s.Checksum(t.Context())
	if want := checksum(t, db); err != nil || got != want || want.Records == 0 {
		t.Errorf("the standby holds %+v, its primary %+v; %v", got, want, err)
	}
}

func attach(t *testing.T, db *DB, about Subject, text string) BlobRef {
	t.Helper()
	w, err := db.CreateBlob(t.Context(), about, DayKey{Default, 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	ref, meta, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *Tx) error { return LinkBlob(tx, ref, meta) })
	return ref
}

func TestAStandbyHoldsWhatItsPrimaryHolds(t *testing.T) {
	base := t.TempDir()
	db := openTest(t, filepath.Join(base, "one"), Options{})
	disturb(t, db, 20, 1)
	d, dir := newDirect(t, db), filepath.Join(base, "two")
	s := openStandby(t, dir)
	keepUp(t, s, d)
	sameRecords(t, s, db)
	kept, gone := attach(t, db, 3, "an attachment"), attach(t, db, 4, "another one")
	for round := range uint64(5) {
		disturb(t, db, 10, 2+round)
		if round == 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStandby(t, dir)
		}
		if round == 3 {
			update(t, db, func(tx *Tx) error { return UnlinkBlob(tx, gone) })
		}
		keepUp(t, s, d)
		sameRecords(t, s, db)
	}
	if d.bases.Load() != 1 {
		t.Errorf("%d copies were fetched", d.bases.Load())
	}
	if _, err := os.Stat(blobPathIn(dir, kept.ID)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(blobPathIn(dir, gone.ID)); err == nil {
		t.Error("an attachment that was removed is still on the standby")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrStandby) {
		t.Errorf("a standby opens like a primary: %v", err)
	}
}

func TestAnErasureReachesTheStandby(t *testing.T) {
	base := t.TempDir()
	db := openTest(t, filepath.Join(base, "one"), Options{})
	put := func(id uint64) {
		update(t, db, func(tx *Tx) error { return people.Put(tx, id, &person{Subject(id), "Sample Customer"}) })
	}
	put(1)
	put(2)
	d, dir := newDirect(t, db), filepath.Join(base, "two")
	s := openStandby(t, dir)
	keepUp(t, s, d)
	before, err := os.ReadFile(filepath.Join(dir, dataFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	gen := db.currentRing().Gen
	if pending := db.pendingAt(gen); len(pending) != 1 || !strings.Contains(pending[0], "spare") {
		t.Errorf("before the standby heard of it, pending is %v", pending)
	}
	keepUp(t, s, d)
	if pending := db.pendingAt(gen); len(pending) != 0 {
		t.Errorf("afterwards, pending is %v", pending)
	}
	sameRecords(t, s, db)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The records of before the erasure with the keys of now: the one person is
	// unreadable, the other is the control.
	if err := os.WriteFile(filepath.Join(dir, dataFile), before, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Promote(dir); err != nil {
		t.Fatal(err)
	}
	spare := openTest(t, dir, Options{})
	view(t, spare, func(tx *Tx) error {
		if _, err := people.Get(tx, 1, 1); !errors.Is(err, ErrErased) && !errors.Is(err, ErrNotFound) {
			t.Errorf("who was erased is there: %v", err)
		}
		_, err := people.Get(tx, 2, 2)
		return err
	})
	if spare.keys.alive(1) || !spare.keys.alive(2) {
		t.Error("the keys of the standby are not those of its primary")
	}
}

func TestAChainGoesOnAfterACleanStopOnly(t *testing.T) {
	base := t.TempDir()
	one := filepath.Join(base, "one")
	db := openTest(t, one, Options{})
	d := newDirect(t, db)
	s := openStandby(t, filepath.Join(base, "two"))
	defer func() { _ = s.Close() }()
	keepUp(t, s, d)
	for round, clean := range []bool{true, true, false, true} {
		disturb(t, db, 5, uint64(round)) //nolint:gosec // small
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if !clean {
			if err := os.Remove(filepath.Join(one, oplogDir, oplogState)); err != nil {
				t.Fatal(err)
			}
		}
		db = openTest(t, one, Options{})
		d.db.Store(db)
		disturb(t, db, 5, 100+uint64(round)) //nolint:gosec // small
		copies := d.bases.Load()
		keepUp(t, s, d)
		sameRecords(t, s, db)
		if fetched := d.bases.Load() > copies; fetched == clean {
			t.Errorf("round %d, clean %v: a copy was fetched: %v", round, clean, fetched)
		}
	}
}

func TestThePromotedServerFencesTheOldOne(t *testing.T) {
	base := t.TempDir()
	one, two := filepath.Join(base, "one"), filepath.Join(base, "two")
	db := openTest(t, one, Options{})
	disturb(t, db, 5, 1)
	d := newDirect(t, db)
	s := openStandby(t, two)
	keepUp(t, s, d)
	want, me := checksum(t, db), s.Me()
	if _, _, err := Promote(two); !errors.Is(err, ErrLocked) {
		t.Errorf("promoted while it follows: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	note, epoch, err := Promote(two)
	if err != nil || epoch != 2 || string(note) != "the primary\n" {
		t.Fatalf("epoch %d, note %q: %v", epoch, note, err)
	}
	spare := openTest(t, two, Options{})
	if got := checksum(t, spare); spare.epoch != 2 || got.Records != want.Records-1 {
		t.Errorf("epoch %d, %d of %d records, one less being the list of standbys", spare.epoch, got.Records, want.Records)
	}
	disturb(t, spare, 5, 2)
	me.Epoch = epoch
	if _, err := db.Feed(t.Context(), d.token, me.Recipient, me.Epoch); !errors.Is(err, ErrFenced) {
		t.Errorf("the old primary: %v", err)
	}
	if err := db.Update(t.Context(), func(tx *Tx) error { tx.NextID(); return nil }); err == nil || !errors.Is(db.Err(), ErrFenced) {
		t.Errorf("the old primary writes on: %v, %v", err, db.Err())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(one, Options{}); !errors.Is(err, ErrFenced) {
		t.Errorf("the old primary opens: %v", err)
	}
}

func TestOnlyWhoHasTheTokenFollows(t *testing.T) {
	db := newTest(t)
	d := newDirect(t, db)
	s := openStandby(t, filepath.Join(t.TempDir(), "two"))
	defer func() { _ = s.Close() }()
	if _, err := db.AddReplica(t.Context(), "spare"); err == nil {
		t.Error("two standbys of one name")
	}
	for _, token := range []string{"", "kithf_1_", d.token[:len(d.token)-2], d.token + "AA", "kithf_zz_" + strings.SplitN(d.token, "_", 3)[2]} {
		if _, err := db.Feed(t.Context(), token, s.Me().Recipient, 0); !errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", token, err)
		}
	}
	keepUp(t, s, d)
	_, other, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Feed(t.Context(), d.token, other, 0); !errors.Is(err, ErrToken) {
		t.Errorf("another server with the same token: %v", err)
	}
	if err := db.RemoveReplica(t.Context(), "spare"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.step(t.Context(), d); !errors.Is(err, ErrToken) {
		t.Errorf("after it was removed: %v", err)
	}
	if len(db.taps) != 0 || db.oplog.on {
		t.Error("the op log is written for nobody")
	}
}

// TestAStandbyFollowsThroughCompactions lets a standby follow in earnest while the
// primary is written to, compacted and destroys keys.
func TestAStandbyFollowsThroughCompactions(t *testing.T) {
	base := t.TempDir()
	db := openTest(t, filepath.Join(base, "one"), Options{})
	disturb(t, db, 20, 1)
	d := newDirect(t, db)
	s := openStandby(t, filepath.Join(base, "two"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Follow(ctx, d) }()
	for round := range uint64(3) {
		disturb(t, db, 20, 2+round)
		if _, err := db.Compact(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := db.Erase(t.Context(), Subject(5+round)); err != nil { //nolint:gosec // small
			t.Error(err)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("following ended with %v", err)
	}
	keepUp(t, s, d)
	sameRecords(t, s, db)
	if len(db.pendingAt(db.currentRing().Gen)) != 0 {
		t.Error("the standby did not acknowledge")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
