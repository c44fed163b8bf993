// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// lively runs a busy chat in a lively world and returns what the hook saw.
func lively(t *testing.T, seed uint64) (bodies []string, order, disorder, duplicates, batched, skipped int) {
	t.Helper()
	inWorld(t, Options{Chaos: Lively(), Rand: rand.NewPCG(seed, 7)}, func(w *World, h *hook) {
		t := h.t
		defer w.Look("asha")()
		var said, sent []string
		for i := range 30 {
			said = append(said, say(t, w, "asha", Text{fmt.Sprintf("line %d", i)}))
			id, code := sendBody(t, w, textTo("918000000003", "ok"))
			if code != 0 {
				t.Fatalf("refused with %d", code)
			}
			sent = append(sent, id)
			pass(t, 300*time.Millisecond)
		}
		pass(t, time.Hour)
		seen := map[string]int{}
		last := -1
		for _, m := range h.messages() {
			id, _ := m["id"].(string)
			seen[id]++
			for i, s := range said {
				if s != id || seen[id] > 1 {
					continue
				}
				if i < last {
					disorder++
				}
				last, order = i, order+1
			}
		}
		for _, id := range said {
			if seen[id] == 0 {
				t.Errorf("message %s was lost", id)
			}
			duplicates += max(0, seen[id]-1)
		}
		for _, id := range sent {
			if !strings.Contains(h.words(id), "read") {
				t.Errorf("message %s was never read: %q", id, h.words(id))
			}
			if !strings.Contains(h.words(id), "delivered") {
				skipped++
			}
		}
		for _, b := range h.taken() {
			bodies = append(bodies, string(b))
			if strings.Count(string(b), `"timestamp"`) > 1 {
				batched++
			}
		}
	})
	return bodies, order, disorder, duplicates, batched, skipped
}

func TestLively(t *testing.T) {
	bodies, order, disorder, duplicates, batched, skipped := lively(t, 42)
	if order != 30 || disorder == 0 || duplicates == 0 || batched == 0 || skipped == 0 {
		t.Errorf("order %d, disorder %d, duplicates %d, batched %d, skipped %d: want some of each", order, disorder, duplicates, batched, skipped)
	}
	validator := loadSchema(t, "wa_webhook.schema.json")
	for _, b := range bodies {
		validator.check(t, []byte(b))
	}
}

func TestSeedRepeatsIdentifiers(t *testing.T) {
	ids := func(seed uint64) string {
		w := New(Options{Rand: rand.NewPCG(seed, 1), Now: func() time.Time { return time.Unix(1_750_000_000, 0) }})
		return say(t, w, "anna", Text{"x"}) + say(t, w, "anna", SamplePicture())
	}
	if once, again := ids(1), ids(1); once != again || once == ids(2) {
		t.Error("identifiers do not follow the seed")
	}
}

func TestCalmKeepsOrder(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		for i := range 200 {
			say(t, w, "dewi", Text{fmt.Sprint(i)})
		}
		pass(t, time.Second)
		ms := h.messages()
		if len(ms) != 200 || len(h.taken()) != 200 {
			t.Fatalf("%d messages in %d webhooks, want 200 in 200", len(ms), len(h.taken()))
		}
		for i, m := range ms {
			if got := m["text"].(map[string]any)["body"]; got != fmt.Sprint(i) { //nolint:errcheck // a test may panic
				t.Fatalf("message %d is %v", i, got)
			}
		}
	})
}

func TestSayManyIsOneWebhook(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		cs := make([]Content, 1000)
		for i := range cs {
			cs[i] = Text{strings.Repeat("x", 2000)}
		}
		if _, err := w.SayMany(t.Context(), "dewi", cs); err != nil {
			t.Fatal(err)
		}
		pass(t, time.Second)
		if len(h.taken()) != 1 || len(h.messages()) != 1000 {
			t.Errorf("%d messages in %d webhooks, want 1000 in one", len(h.messages()), len(h.taken()))
		}
	})
}

func TestTroubles(t *testing.T) {
	for _, tr := range Troubles() {
		t.Run(tr.Name, func(t *testing.T) {
			inWorld(t, Options{}, func(w *World, h *hook) {
				t := h.t
				say(t, w, "dewi", Text{"Halo"})
				pass(t, time.Second)
				if err := w.SetTrouble(tr.Name, 1); err != nil {
					t.Fatal(err)
				}
				status, out := call(t, w, http.MethodPost, "/v25.0/"+w.o.PhoneNumberID+"/messages", textTo("628000000001", "hi"))
				pass(t, time.Minute)
				checkTrouble(t, tr, h, status, out)
				if left, _ := w.Trouble(); left.Name != "" {
					t.Errorf("trouble stays: %+v", left)
				}
				if _, code := sendBody(t, w, textTo("628000000001", "hi")); code != 0 {
					t.Errorf("the message after the trouble is refused with %d", code)
				}
			})
		})
	}
}

func checkTrouble(t *testing.T, tr Trouble, h *hook, status int, out map[string]any) {
	t.Helper()
	e, _ := out["error"].(map[string]any)
	got := h.statuses()
	switch {
	case tr.Code != 0 && !tr.Later:
		if int(e["code"].(float64)) != tr.Code || len(got) != 0 { //nolint:errcheck // a test may panic
			t.Errorf("answer %v with %d statuses", out, len(got))
		}
	case tr.Code != 0:
		if status != 200 || len(got) != 1 || got[0].Status != "failed" || got[0].Errors[0].Code != tr.Code {
			t.Errorf("answer %d, statuses %+v", status, got)
		}
	case tr.Name == TroubleServer:
		if status != 502 || len(got) != 0 {
			t.Errorf("answer %d, %d statuses", status, len(got))
		}
	case tr.Name == TroubleSilence:
		if status != 200 || len(got) != 0 {
			t.Errorf("answer %d, %d statuses", status, len(got))
		}
	default: // the outcome is unknown to the sender, and the message arrives
		if status == 200 || len(got) != 2 || got[0].Opaque != "outbox-7" {
			t.Errorf("answer %d, statuses %+v", status, got)
		}
	}
}

func TestUnknownTrouble(t *testing.T) {
	if New(Options{}).SetTrouble("flood", 1) == nil {
		t.Error("an unknown trouble was taken")
	}
}

func TestForgeAndGarble(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		if err := w.Forge(t.Context(), "dewi"); err != nil {
			t.Fatal(err)
		}
		pass(t, time.Hour)
		if h.bad != 1 || len(h.taken()) != 0 {
			t.Errorf("forged: %d refused, %d taken; want one refused and no second try", h.bad, len(h.taken()))
		}
		if d := w.Deliveries(); len(d) != 1 || !d[0].Forged || d[0].Status != 401 {
			t.Errorf("deliveries = %+v", d)
		}
		if err := w.Garble(t.Context(), "dewi"); err != nil {
			t.Fatal(err)
		}
		pass(t, time.Hour)
		if len(h.taken()) != 1 || !json.Valid(h.taken()[0]) {
			t.Errorf("garbled: %d taken, want one that is signed JSON", len(h.taken()))
		}
	})
}

func TestHandshakeComesFirst(t *testing.T) {
	inWorld(t, Options{VerifyToken: "right"}, func(w *World, h *hook) {
		t := h.t
		if err := w.Handshake(t.Context()); err != nil {
			t.Errorf("handshake with the right token: %v", err)
		}
		code, _ := call(t, w, http.MethodPost, "/v25.0/"+w.o.WABAID+"/subscribed_apps", `{"override_callback_uri":"https://kith.example/x","verify_token":"wrong"}`)
		if code != 400 {
			t.Errorf("override with a wrong token answers %d", code)
		}
		w.o.VerifyToken = "wrong"
		h.w = New(Options{VerifyToken: "right", AppSecret: w.o.AppSecret})
		w.SetWebhook("https://kith.example/other")
		say(t, w, "dewi", Text{"Halo"})
		pass(t, time.Minute)
		if len(h.taken()) != 0 {
			t.Error("a webhook came without a handshake")
		}
	})
}
