// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	crashNumber  = "100000000000777"
	crashWriters = 16
)

// conversation and message are what these tests read of the API's objects.
type conversation struct {
	ID      text   `json:"id"`
	Inbox   text   `json:"inbox_id"`
	Contact text   `json:"contact_id"`
	Status  string `json:"status"`
	Unread  int    `json:"unread"`
}

// text reads a JSON string or number as text: the tests compare identifiers, whatever their form.
type text string

// UnmarshalJSON takes a string or a number.
func (t *text) UnmarshalJSON(raw []byte) error {
	*t = text(strings.Trim(string(raw), `"`))
	return nil
}

// round is what one life of kith was told.
type round struct {
	n    int
	at   int64 // of all its messages: a repeated webhook is the same to the byte
	mu   sync.Mutex
	told map[string]bool // external id → answered 200
}

func (r *round) phone(writer int) string { return fmt.Sprintf("628%03d%05d", writer, r.n) }

func (r *round) webhook(writer int, id string) []byte {
	return textWebhook(crashNumber, r.phone(writer), fmt.Sprintf("Sample %d", writer), id, r.at, "message "+id)
}

func (r *round) note(id string, acknowledged bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told[id] = r.told[id] || acknowledged
}

func (r *round) acknowledged() (n int) {
	for _, yes := range r.told {
		if yes {
			n++
		}
	}
	return n
}

// TestCrashUnderLoad kills kith -9 at a random moment while 16 connections post signed webhooks, starts it again and
// asks the API: every webhook answered 200 must be there exactly once, and none twice. All rounds share one data
// directory. KITH_CRASH_ROUNDS says how many; make crash takes 200.
func TestCrashUnderLoad(t *testing.T) {
	rounds := sizeFromEnv(t, "KITH_CRASH_ROUNDS", 5)
	dir := dataDir(t)
	g := newGraph(t, nil)
	in := addInbox(t, dir, "Crash", crashNumber, g.URL)
	seed := rand.Uint64()
	t.Logf("%d rounds, seed %d", rounds, seed)
	chance := rand.New(rand.NewPCG(seed, 1))

	s := serve(t, dir)
	key := s.api().key
	var past []*round
	sum := map[string]int{}
	for n := range rounds {
		r := &round{n: n, at: time.Now().Unix(), told: map[string]bool{}}
		killed := crashOnce(t, s, in, r, time.Duration(chance.IntN(300_000))*time.Microsecond)
		s = serve(t, dir)
		a := &api{tb: t, base: s.base, key: key}
		r.check(t, a, in)
		past = append(past, r)
		sum["posted"] += len(r.told)
		sum["answered 200"] += r.acknowledged()
		if n%20 == 19 || n == rounds-1 {
			t.Logf("round %d: killed after %s, %d posted, %d answered 200, ready again in %s; so far %v",
				n+1, killed.Round(time.Millisecond), len(r.told), r.acknowledged(), s.ready.Round(time.Millisecond), sum)
		}
		if t.Failed() {
			t.Fatalf("round %d failed", n+1)
		}
	}
	again(t, s, in, past)
	a := &api{tb: t, base: s.base, key: key}
	for _, r := range past {
		r.check(t, a, in)
	}
	s.stop()
}

// crashOnce posts until kith is killed, delay after the first answer of 200. It returns how long kith was under load.
func crashOnce(t *testing.T, s *server, in hook, r *round, delay time.Duration) time.Duration {
	t.Helper()
	first := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	began := time.Now()
	for writer := range crashWriters {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := 0; ; i++ {
				id := fmt.Sprintf("wamid.R%dW%dN%d", r.n, writer, i)
				body := r.webhook(writer, id)
				posts := 1
				if i%5 == 4 {
					posts = 2 // networks repeat themselves
				}
				for range posts {
					status := deliver(client, s.base+in.Path, body, sign(appSecret, body))
					r.note(id, status == http.StatusOK)
					switch status {
					case http.StatusOK:
						once.Do(func() { close(first) })
					case 0:
						return // kith is gone
					default:
						t.Errorf("a signed webhook was answered %d", status)
						return
					}
				}
			}
		})
	}
	select {
	case <-first:
	case <-s.ended:
		t.Fatalf("kith ended by itself: %v\n%s", s.err, s.out)
	case <-time.After(30 * time.Second):
		t.Fatal("no webhook was answered 200 within 30 s")
	}
	<-time.After(delay)
	s.kill()
	wg.Wait()
	return time.Since(began)
}

// check compares what the API has with what kith was told.
func (r *round) check(t *testing.T, a *api, in hook) {
	t.Helper()
	have := map[string]int{}
	for writer := range crashWriters {
		for _, id := range externalIDs(a, in, r.phone(writer)) {
			have[id]++
		}
	}
	for id, n := range have {
		if _, told := r.told[id]; !told || n > 1 {
			t.Errorf("round %d: %s is there %d times (posted: %v)", r.n, id, n, told)
		}
	}
	var lost []string
	for id, acknowledged := range r.told {
		if acknowledged && have[id] == 0 {
			lost = append(lost, id)
		}
	}
	if len(lost) > 0 {
		t.Errorf("round %d: %d of %d messages answered 200 are lost, such as %s", r.n, len(lost), r.acknowledged(), lost[0])
	}
}

// externalIDs lists the network's ids of all messages of the contact with the phone number.
func externalIDs(a *api, in hook, phone string) (ids []string) {
	a.tb.Helper()
	contacts := list[struct {
		ID text `json:"id"`
	}](a, "/api/v1/contacts?phone=%2B"+phone)
	for _, c := range contacts {
		for _, conv := range list[conversation](a, "/api/v1/conversations?contact="+string(c.ID)+"&inbox="+in.ID.String()) {
			for _, m := range list[struct {
				External string `json:"external_id"`
			}](a, "/api/v1/conversations/"+string(conv.ID)+"/messages") {
				ids = append(ids, m.External)
			}
		}
	}
	return ids
}

// again repeats some webhooks of every round: what kith has, it must recognise.
func again(t *testing.T, s *server, in hook, past []*round) {
	t.Helper()
	for _, r := range past {
		for i, id := range slices.Sorted(maps.Keys(r.told)) {
			if i%17 != 0 || !r.told[id] {
				continue
			}
			var n, writer, k int
			if _, err := fmt.Sscanf(id, "wamid.R%dW%dN%d", &n, &writer, &k); err != nil {
				t.Fatal(errors.Join(errors.New(id), err))
			}
			body := r.webhook(writer, id)
			if status := deliver(http.DefaultClient, s.base+in.Path, body, sign(appSecret, body)); status != http.StatusOK {
				t.Fatalf("repeating %s: %d", id, status)
			}
		}
	}
}
