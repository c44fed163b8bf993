// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kith/app"
	"kith/app/apptest"
	"kith/store"
)

// trailOf exports the trail of a desk.
func trailOf(t *testing.T, s *apptest.Sample) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Desk.ExportAudit(t.Context(), s.Owner, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// busy adds n entries to the trail.
func busy(t *testing.T, s *apptest.Sample, n int) {
	t.Helper()
	for i := range n {
		if _, err := s.Desk.AddLabel(t.Context(), s.Owner, "label "+strconv.Itoa(i%7)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuditExportIsVerifiedWithoutAStore(t *testing.T) {
	s := apptest.NewDesk(t)
	early, err := s.Desk.Checkpoint(t.Context(), s.Owner)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Desk.Checkpoint(t.Context(), s.Owner); err != nil || again != early {
		t.Errorf("a checkpoint of the same trail: %+v, %v", again, err)
	}
	busy(t, s, 20)
	export := trailOf(t, s)
	key, err := s.Desk.AuditKey(t.Context(), s.Owner)
	if err != nil {
		t.Fatal(err)
	}
	if !app.IsAuditExport(export) {
		t.Error("an export is not recognised")
	}
	for _, trust := range []app.AuditTrust{{}, {Key: key}, {Key: key, Witness: early.Note}} {
		r, err := app.VerifyAuditExport(bytes.NewReader(export), trust)
		if err != nil || r.Entries != bytes.Count(export, []byte("\n"))-2 || r.Key != key {
			t.Errorf("%+v: %+v, %v", trust, r, err)
		}
	}
	if n, err := s.Desk.CheckAudit(t.Context(), s.Owner); err != nil || n == 0 {
		t.Errorf("%d entries, %v", n, err)
	}
	other, err := apptest.NewDesk(t).Desk.AuditKey(t.Context(), app.Host())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.VerifyAuditExport(bytes.NewReader(export), app.AuditTrust{Key: other}); err == nil {
		t.Error("the key of another installation verifies it")
	}
}

// TestAuditTamperingIsFound changes, drops, cuts off and rolls back at random, and expects each to be found.
// KITH_AUDIT_TRIALS says how often.
func TestAuditTamperingIsFound(t *testing.T) {
	trials := 100
	if n, err := strconv.Atoi(os.Getenv("KITH_AUDIT_TRIALS")); err == nil {
		trials = n
	}
	s := apptest.NewDesk(t)
	old := trailOf(t, s)
	busy(t, s, 30)
	witness, err := s.Desk.Checkpoint(t.Context(), s.Owner)
	if err != nil {
		t.Fatal(err)
	}
	busy(t, s, 5)
	export := trailOf(t, s)
	key, err := s.Desk.AuditKey(t.Context(), s.Owner)
	if err != nil {
		t.Fatal(err)
	}
	trust := app.AuditTrust{Key: key, Witness: witness.Note}
	if _, err := app.VerifyAuditExport(bytes.NewReader(export), trust); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // bits are bits
	r := rand.New(rand.NewPCG(seed, 1))   //nolint:gosec // no secret
	found := 0
	for i := range trials {
		bad := attack(r, i, export, old)
		if bytes.Equal(bad, export) {
			t.Fatal("an attack changed nothing")
		}
		if _, err := app.VerifyAuditExport(bytes.NewReader(bad), trust); err == nil {
			t.Errorf("seed %d, trial %d (attack %d) was not found", seed, i, i%6)
			continue
		}
		found++
	}
	t.Logf("%d of %d found", found, trials)
}

// attack does one of the things that are done to audit trails.
func attack(r *rand.Rand, i int, export, old []byte) []byte {
	lines := strings.SplitAfter(strings.TrimSuffix(string(export), "\n"), "\n")
	at := 1 + r.IntN(len(lines)-2) // an entry
	switch i % 6 {
	case 0: // any byte becomes another
		bad := bytes.Clone(export)
		place := r.IntN(len(bad) - 1)
		bad[place] ^= byte(1 + r.IntN(255))
		return bad
	case 1: // an entry says something else, in good form
		var e map[string]any
		_ = json.Unmarshal([]byte(lines[at]), &e)
		lines[at] = strings.Replace(lines[at], `"actor":{"kind":`, `"actor":{"kind":`+strconv.Itoa(1+r.IntN(9)), 1)
	case 2: // an entry is gone
		lines = slices.Delete(lines, at, at+1)
	case 3: // two entries change places
		other := 1 + (at+r.IntN(len(lines)-3))%(len(lines)-2)
		lines[at], lines[other] = lines[other], lines[at]
	case 4: // the end is cut off, with or without the checkpoint
		last := lines[len(lines)-1]
		lines = lines[:at]
		if r.IntN(2) == 0 {
			lines = append(lines, last)
		}
	case 5: // an older copy is put in its place
		return old
	}
	return []byte(strings.Join(lines, ""))
}

func TestAuditInTheStoreIsOfOnePiece(t *testing.T) {
	s := apptest.NewDesk(t)
	busy(t, s, 5)
	q := app.AuditQuery{Kind: app.AuditLabelAdded, Limit: 3}
	var seen []uint64
	for {
		page, next, err := s.Desk.Audit(t.Context(), s.Owner, q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			if page[i].Kind != app.AuditLabelAdded {
				t.Errorf("entry %d is %s", page[i].Seq, page[i].Kind)
			}
			seen = append(seen, page[i].Seq)
		}
		if q.After = next; next.Seq == 0 {
			break
		}
	}
	if len(seen) != 7 || !slices.IsSortedFunc(seen, func(a, b uint64) int { return int(b) - int(a) }) { //nolint:gosec // small
		t.Errorf("pages hold %v, want 7 entries, newest first", seen)
	}
	if page, _, err := s.Desk.Audit(t.Context(), s.Owner, app.AuditQuery{From: store.DayOf(apptest.Start) + 1, Limit: 9}); err != nil || len(page) != 0 {
		t.Errorf("%d entries of tomorrow, %v", len(page), err)
	}
}

func TestEveryAuditKindHasAName(t *testing.T) {
	kinds := app.AuditKinds()
	if last := kinds[len(kinds)-1]; int(last) != len(kinds) {
		t.Errorf("%d names for %d kinds", len(kinds), last)
	}
	for _, k := range kinds {
		if again, err := app.ParseAuditKind(k.String()); err != nil || again != k {
			t.Errorf("%s leads to %d, %v", k, again, err)
		}
	}
}

func TestAlarms(t *testing.T) {
	s := apptest.NewDesk(t)
	line, err := s.Desk.Conversation(t.Context(), s.Owner, s.Threads[apptest.Kopi])
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if all, err := s.Desk.Alarms(t.Context(), s.Owner); err != nil || len(all) != 0 {
			t.Fatalf("too early: %+v, %v", all, err)
		}
		if _, err := s.Desk.Reveal(t.Context(), s.Agent, line.Contact); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Desk.Alarms(t.Context(), s.Owner)
	if err != nil || len(all) != 1 || all[0].Kind != "reveal" || all[0].Actor.ID != s.Agent.ID || all[0].Count != 20 {
		t.Errorf("%+v, %v", all, err)
	}
}
