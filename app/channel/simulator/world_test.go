// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hook is a business's webhook: it checks signatures and keeps what came.
type hook struct {
	mu     sync.Mutex
	t      *testing.T
	w      *World
	bodies [][]byte
	bad    int             // posts with a wrong signature
	answer func(n int) int // status of the n-th post, from 0; nil is 200
	posts  int
}

func (h *hook) Do(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	respond := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
	}
	if r.Method == http.MethodGet {
		q := r.URL.Query()
		if q.Get("hub.mode") != "subscribe" || q.Get("hub.verify_token") != h.w.o.VerifyToken {
			return respond(http.StatusForbidden, "")
		}
		return respond(http.StatusOK, q.Get("hub.challenge"))
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("X-Hub-Signature-256") != sign(h.w.o.AppSecret, body) {
		h.bad++
		return respond(http.StatusUnauthorized, "")
	}
	n := h.posts
	h.posts++
	if h.answer != nil {
		if status := h.answer(n); status == 0 {
			return nil, errors.New("connection refused")
		} else if status != http.StatusOK {
			return respond(status, "")
		}
	}
	h.bodies = append(h.bodies, body)
	return respond(http.StatusOK, "")
}

// taken returns the webhooks that were answered with 200, and tried how many
// were posted with a right signature.
func (h *hook) taken() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.bodies)
}

func (h *hook) tried() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.posts
}

// values returns the values of every webhook that was answered with 200.
func (h *hook) values() []value {
	h.t.Helper()
	var out []value
	for _, b := range h.taken() {
		var e envelope
		if err := json.Unmarshal(b, &e); err != nil {
			h.t.Fatalf("webhook is not JSON: %v", err)
		}
		for _, n := range e.Entry {
			for _, c := range n.Changes {
				out = append(out, c.Value)
			}
		}
	}
	return out
}

func (h *hook) messages() []map[string]any {
	var out []map[string]any
	for _, v := range h.values() {
		out = append(out, v.Messages...)
	}
	return out
}

func (h *hook) statuses() []statusJSON {
	var out []statusJSON
	for _, v := range h.values() {
		out = append(out, v.Statuses...)
	}
	return out
}

// words are the statuses of one message, in the order of arrival.
func (h *hook) words(id string) string {
	var out []string
	for _, s := range h.statuses() {
		if s.ID == id {
			out = append(out, s.Status)
		}
	}
	return strings.Join(out, " ")
}

// inWorld runs a test in a bubble of false time with a running world.
func inWorld(t *testing.T, o Options, test func(w *World, h *hook)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &hook{t: t}
		o.Doer, o.Webhook, o.BaseURL = h, "https://kith.example/hooks/whatsapp/1", "https://graph.example"
		if o.Rand == nil {
			o.Rand = rand.NewPCG(1, 2)
		}
		w := New(o)
		h.w = w
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		h.t = t
		test(w, h)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// pass lets false time go by, and everything in it happen.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	synctest.Wait()
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func say(t *testing.T, w *World, who string, c Content) string {
	t.Helper()
	id, err := w.Say(t.Context(), who, c)
	if err != nil {
		t.Fatalf("Say(%s, %T): %v", who, c, err)
	}
	return id
}

// call makes a request to the Graph endpoints.
func call(t *testing.T, w *World, method, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.o.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.Graph().ServeHTTP(rec, r)
	var out map[string]any
	if err := json.NewDecoder(bytes.NewReader(rec.Body.Bytes())).Decode(&out); err != nil {
		out = map[string]any{"raw": rec.Body.String()}
	}
	return rec.Code, out
}

// sendBody posts a message and returns its id, or the code of the error.
func sendBody(t *testing.T, w *World, body string) (string, int) {
	t.Helper()
	_, out := call(t, w, http.MethodPost, "/v25.0/"+w.o.PhoneNumberID+"/messages", body)
	if e, ok := out["error"].(map[string]any); ok {
		code, _ := e["code"].(float64)
		if e["fbtrace_id"] == "" || e["type"] == "" || e["message"] == "" {
			t.Errorf("error without trace, type or message: %v", e)
		}
		return "", int(code)
	}
	ms, _ := out["messages"].([]any)
	if len(ms) != 1 {
		t.Fatalf("answer without a message: %v", out)
	}
	m, _ := ms[0].(map[string]any)
	id, _ := m["id"].(string)
	return id, 0
}

func textTo(to, body string) string {
	b, _ := json.Marshal(map[string]any{
		"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text",
		"text": map[string]any{"body": body}, "biz_opaque_callback_data": "outbox-7",
	})
	return string(b)
}

func TestConversation(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		id := say(t, w, "dewi", Text{"Halo, apakah masih ada? 🙂 ä"})
		pass(t, time.Second)
		if got := len(h.messages()); got != 1 {
			t.Fatalf("webhook brought %d messages, want 1", got)
		}
		if b := w.Thread("dewi")[0]; b.Ticks != TicksDelivered || b.ID != id {
			t.Errorf("own bubble = %+v, want delivered", b)
		}
		body := string(h.taken()[0])
		if !strings.Contains(body, `\ud83d\ude42 \u00e4`) || strings.ContainsFunc(body, func(r rune) bool { return r > 127 }) {
			t.Errorf("body is not escaped: %s", body)
		}
		code, out := call(t, w, http.MethodPost, "/v25.0/"+w.o.PhoneNumberID+"/messages",
			`{"messaging_product":"whatsapp","status":"read","message_id":"`+id+`","typing_indicator":{"type":"text"}}`)
		if code != 200 || out["success"] != true {
			t.Fatalf("mark read: %d %v", code, out)
		}
		if p, _ := w.Customer("dewi"); !p.Typing || w.Thread("dewi")[0].Ticks != TicksRead {
			t.Errorf("phone = %+v, want typing and blue ticks", p)
		}
		pass(t, 26*time.Second)
		if p, _ := w.Customer("dewi"); p.Typing {
			t.Error("typing did not end after 25 s")
		}
		answer, code := sendBody(t, w, textTo("+62 8000000001", "Masih ada."))
		if code != 0 {
			t.Fatalf("send refused with %d", code)
		}
		pass(t, time.Second)
		if got := h.words(answer); got != "sent delivered" {
			t.Errorf("statuses = %q", got)
		}
		w.Read("dewi")
		pass(t, time.Second)
		if got := h.words(answer); got != "sent delivered read" {
			t.Errorf("statuses = %q", got)
		}
		checkPrice(t, h, answer)
	})
}

// checkPrice wants the price in "sent" and in exactly one later status.
func checkPrice(t *testing.T, h *hook, id string) {
	t.Helper()
	priced := 0
	for _, s := range h.statuses() {
		if s.ID != id {
			continue
		}
		if s.Opaque != "outbox-7" || s.RecipientUserID == "" {
			t.Errorf("status %s lacks callback data or user id: %+v", s.Status, s)
		}
		if s.Pricing == nil {
			if s.Status == "sent" {
				t.Error("sent has no price")
			}
			continue
		}
		if s.Status != "sent" {
			priced++
		}
	}
	if priced != 1 {
		t.Errorf("%d of delivered and read have a price, want 1", priced)
	}
}

func TestPhoneOpenReadsAtOnce(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "budi", Text{"Hi"})
		away := w.Look("budi")
		id, _ := sendBody(t, w, `{"messaging_product":"whatsapp","recipient":"ID.90000000000000000002","type":"text","text":{"body":"Hello"}}`)
		pass(t, time.Second)
		if got := h.words(id); got != "sent delivered read" {
			t.Errorf("statuses with the phone open = %q", got)
		}
		for _, s := range h.statuses() {
			if s.RecipientID != "" || s.RecipientUserID == "" {
				t.Errorf("status of a private customer = %+v, want no phone number", s)
			}
		}
		away()
		id, _ = sendBody(t, w, `{"messaging_product":"whatsapp","to":"628000000002","type":"text","text":{"body":"Hello"}}`)
		pass(t, time.Second)
		if got := h.words(id); got != "sent delivered" {
			t.Errorf("statuses with the phone put away = %q", got)
		}
		if p, _ := w.Customer("budi"); p.Unread != 1 {
			t.Errorf("unread = %d, want 1", p.Unread)
		}
	})
}

func TestPrivateCustomerShowsNoNumber(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "budi", Text{"Hi"})
		pass(t, time.Second)
		if s := string(h.taken()[0]); strings.Contains(s, "628000000002") || strings.Contains(s, `"from":`) || strings.Contains(s, "wa_id") {
			t.Errorf("the number leaks: %s", s)
		}
		say(t, w, "budi", SharePhone{})
		pass(t, time.Second)
		if s := string(h.taken()[1]); !strings.Contains(s, "628000000002") || !strings.Contains(s, "contact_request") {
			t.Errorf("the number was not shared: %s", s)
		}
	})
}

func TestReactionOfTheBusiness(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		on := say(t, w, "dewi", Text{"Halo"})
		reaction := func(emoji string) string {
			return common + `"type":"reaction","reaction":{"message_id":"` + on + `","emoji":"` + emoji + `"}}`
		}
		id, _ := sendBody(t, w, reaction("👍"))
		pass(t, time.Second)
		if got := h.words(id); got != "sent" || w.Thread("dewi")[0].Reaction != "👍" {
			t.Errorf("statuses %q, bubble %+v", got, w.Thread("dewi")[0])
		}
		sendBody(t, w, reaction(""))
		if b := w.Thread("dewi"); b[0].Reaction != "" || len(b) != 1 {
			t.Errorf("taken back: %+v", b)
		}
	})
}

func TestPlayedVoice(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "dewi", Text{"Halo"})
		_, out := uploadFile(t, w, "audio/ogg", voice)
		file, _ := out["id"].(string)
		id, _ := sendBody(t, w, common+`"type":"audio","audio":{"id":"`+file+`","voice":true}}`)
		pass(t, time.Second)
		if err := w.Play("dewi", id); err != nil {
			t.Fatal(err)
		}
		pass(t, time.Second)
		if got := h.words(id); got != "sent delivered read played" {
			t.Errorf("statuses %q", got)
		}
		if w.Play("dewi", "wamid.none") == nil {
			t.Error("a message that is not there was played")
		}
	})
}

func TestOfflinePhone(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "anna", Text{"Hallo"})
		w.SetOffline("anna", true)
		id, _ := sendBody(t, w, textTo("+4917139200006", "Guten Tag"))
		pass(t, time.Hour)
		if got := h.words(id); got != "sent" || len(w.Thread("anna")) != 1 {
			t.Errorf("offline: statuses %q, %d bubbles", got, len(w.Thread("anna")))
		}
		held := say(t, w, "anna", Text{"Sind Sie da?"})
		pass(t, time.Hour)
		if n := len(h.messages()); n != 1 || w.Thread("anna")[1].Ticks != TicksWaiting {
			t.Errorf("said offline: %d webhooks, ticks %v", n, w.Thread("anna")[1].Ticks)
		}
		w.SetOffline("anna", false)
		pass(t, time.Second)
		if ms := h.messages(); len(ms) != 2 || ms[1]["id"] != held {
			t.Errorf("online again: %d messages from the phone, want 2", len(ms))
		}
		if got := h.words(id); got != "sent delivered" || len(w.Thread("anna")) != 3 {
			t.Errorf("online again: statuses %q, %d bubbles", got, len(w.Thread("anna")))
		}
	})
}

func TestRetriesForDays(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		start := time.Now()
		h.answer = func(n int) int {
			switch {
			case time.Since(start) > 3*24*time.Hour:
				return 200
			case n%2 == 0:
				return 503
			}
			return 0
		}
		say(t, w, "zoe", Text{"Bonjour"})
		pass(t, 2*24*time.Hour)
		if b := w.Thread("zoe")[0]; b.Ticks != TicksSent {
			t.Errorf("ticks while kith is down = %v, want one", b.Ticks)
		}
		early := h.tried()
		if early < 10 || early > 40 {
			t.Errorf("%d attempts in two days, want growing pauses", early)
		}
		pass(t, 2*24*time.Hour)
		if len(h.messages()) != 1 || w.Thread("zoe")[0].Ticks != TicksDelivered {
			t.Errorf("after the outage: %d messages, ticks %v", len(h.messages()), w.Thread("zoe")[0].Ticks)
		}
	})
}

func TestGivesUpAfterSevenDays(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		h.answer = func(int) int { return 500 }
		say(t, w, "zoe", Text{"Bonjour"})
		pass(t, 8*24*time.Hour)
		n := h.tried()
		pass(t, 8*24*time.Hour)
		if h.tried() != n {
			t.Errorf("%d attempts after eight days", h.tried()-n)
		}
	})
}
