// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kith/store"
)

// TestStandbyUnderLoad lets a standby follow a primary while both are killed -9 at random moments under load, then
// promotes it beside the running primary: the primary must end, and every webhook that was ever answered 200 must be on
// the promoted server, once. KITH_STANDBY_ROUNDS says how many times they are killed.
func TestStandbyUnderLoad(t *testing.T) {
	rounds := sizeFromEnv(t, "KITH_STANDBY_ROUNDS", 2)
	one, two := dataDir(t), filepath.Join(t.TempDir(), "two")
	g := newGraph(t, nil)
	in := addInbox(t, one, "Standby", crashNumber, g.URL)
	chance := rand.New(rand.NewPCG(rand.Uint64(), 1))
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(run(t, one, "", "standby", "add", "--name", "spare")), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, one)
	key := s.api().key
	at := strings.TrimPrefix(s.base, "http://")
	follow := func() *server { return start(t, two, "--follow", s.base, "--follow-token-file", token) }
	spare := follow()
	awaitStandby(t, one)

	var past []*round
	for n := range rounds {
		r := &round{n: n, at: time.Now().Unix(), told: map[string]bool{}}
		past = append(past, r)
		delay := time.Duration(chance.IntN(400_000)) * time.Microsecond
		early := time.AfterFunc(delay/2, spare.kill)
		crashOnce(t, s, in, r, delay)
		early.Stop()
		spare.kill()
		s = serve(t, one, "--listen", at)
		spare = follow()
		if t.Failed() {
			return
		}
	}
	awaitStandby(t, one)
	spare.stop()
	if out := run(t, two, "", "promote"); !strings.Contains(out, "epoch 2") || !strings.Contains(out, "has stopped writing") {
		t.Errorf("promote says %s", out)
	}
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the old primary goes on")
	}
	promoted := serve(t, two)
	a := &api{tb: t, base: promoted.base, key: key}
	for _, r := range past {
		r.check(t, a, in)
	}
	promoted.stop()
}

// awaitStandby waits until the standby has all that was committed before.
func awaitStandby(t *testing.T, dir string) {
	t.Helper()
	wait(t, 60*time.Second, "the standby to come up", func() bool {
		var all []store.Replica
		if err := json.Unmarshal([]byte(run(t, dir, "", "standby", "list", "--json")), &all); err != nil || len(all) != 1 {
			t.Fatalf("%v; %v", all, err)
		}
		return all[0].Joined && !all[0].Seen.IsZero() && all[0].Behind == 0
	})
}
