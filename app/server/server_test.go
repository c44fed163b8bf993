// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/app"
	"kith/app/apptest"
	"kith/app/auth"
	"kith/app/ingress"
	"kith/app/server"
	"kith/store"
)

// hooks stands for ingress: inbox 1 exists, and only bodies that say "signed" are.
type hooks struct {
	mu     sync.Mutex
	bodies []string
	fail   error
}

func (h *hooks) Accept(_ context.Context, kind string, in app.InboxID, _ http.Header, body []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case kind != "whatsapp" || in != 1:
		return ingress.ErrUnknownInbox
	case h.fail != nil:
		return h.fail
	case string(body) == "panic":
		panic("a mistake with the words of a customer")
	case !strings.HasPrefix(string(body), "signed"):
		return ingress.ErrUnsigned
	}
	h.bodies = append(h.bodies, string(body))
	return nil
}

func (h *hooks) Handshake(_ context.Context, _ string, in app.InboxID, q url.Values) (string, error) {
	if in != 1 {
		return "", ingress.ErrUnknownInbox
	}
	if q.Get("hub.verify_token") != "word" {
		return "", ingress.ErrUnsigned
	}
	return q.Get("hub.challenge"), nil
}

func (h *hooks) Replay(context.Context, app.Actor, app.MessageID) error { return nil }

// site is a server that runs.
type site struct {
	*apptest.Sample
	t      *testing.T
	hooks  *hooks
	auth   *auth.Auth
	url    string
	client *http.Client
	log    *syncBuffer
	stop   func() error
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func serve(t *testing.T, mode server.TLS) *site {
	t.Helper()
	return serveOn(t, apptest.NewDesk(t), mode)
}

func serveOn(t *testing.T, sample *apptest.Sample, mode server.TLS) *site {
	t.Helper()
	ports, err := server.Listen(t.Context(), "127.0.0.1:0", mode, false)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Sample: sample, t: t, hooks: &hooks{}, log: &syncBuffer{}, url: ports.URL()}
	s.auth = auth.New(s.DB, s.Desk, auth.Options{Now: func() time.Time { return apptest.Start }})
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	srv, err := server.New(t.Context(), server.Options{
		Ports: ports, TLS: mode, Version: "test", Desk: s.Desk, Store: s.DB, Auth: s.auth, Hooks: s.hooks,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Grace: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		s.client.CloseIdleConnections()
	})
	return s
}

// answer is what the server said beside the body.
type answer struct {
	StatusCode int
	Header     http.Header
	TLS        *tls.ConnectionState
}

// do makes a request and returns the answer with its body.
func (s *site) do(method, path, body string, headers ...string) (answer, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, res.TLS}, string(b)
}

func TestHooks(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	for _, c := range []struct {
		method, path, body string
		fail               error
		status             int
	}{
		{"POST", "/hooks/whatsapp/1", "signed", nil, 200},
		{"POST", "/hooks/whatsapp/1", "forged", nil, 401},
		{"POST", "/hooks/whatsapp/2", "signed", nil, 404},
		{"POST", "/hooks/telegram/1", "signed", nil, 404},
		{"POST", "/hooks/whatsapp/", "signed", nil, 404},
		{"POST", "/hooks/whatsapp/1/2", "signed", nil, 404},
		{"POST", "/hooks/", "signed", nil, 404},
		{"POST", "/hooks/whatsapp/1", strings.Repeat("signed", ingress.MaxBody/6+1), nil, 413},
		{"POST", "/hooks/whatsapp/1", "signed", fmt.Errorf("writing: %w", store.ErrFull), 503},
		{"POST", "/hooks/whatsapp/1", "signed", store.ErrUnavailable, 503},
		{"POST", "/hooks/whatsapp/1", "signed", store.ErrUnknown, 503},
		{"POST", "/hooks/whatsapp/1", "signed", store.ErrClosed, 503},
		{"POST", "/hooks/whatsapp/1", "panic", nil, 500},
		{"PUT", "/hooks/whatsapp/1", "signed", nil, 405},
		{"GET", "/hooks/whatsapp/1?hub.verify_token=word&hub.challenge=42", "", nil, 200},
		{"GET", "/hooks/whatsapp/1?hub.verify_token=guess&hub.challenge=42", "", nil, 401},
		{"GET", "/hooks/whatsapp/3?hub.verify_token=word", "", nil, 404},
	} {
		s.hooks.fail = c.fail
		res, text := s.do(c.method, c.path, c.body)
		if res.StatusCode != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, res.StatusCode, text, c.status)
		}
		if strings.Count(text, "\n") > 1 {
			t.Errorf("%s %s answers with more than a line: %q", c.method, c.path, text)
		}
		if again := res.Header.Get("Retry-After"); (again != "") != (c.status == 503) {
			t.Errorf("%s %s: %d with Retry-After %q", c.method, c.path, c.status, again)
		}
	}
	for range 20 {
		s.do("POST", "/hooks/whatsapp/1", "forged")
	}
	if n := strings.Count(s.log.String(), "its signature does not match"); n != 1 {
		t.Errorf("the log tells %d times that a webhook was not signed, want 1", n)
	}
	if len(s.hooks.bodies) != 1 {
		t.Errorf("%d webhooks were taken in, want 1", len(s.hooks.bodies))
	}
	if _, text := s.do("GET", "/hooks/whatsapp/1?hub.verify_token=word&hub.challenge=42", ""); text != "42" {
		t.Errorf("the handshake answers %q", text)
	}
}

func TestHookWithoutLengthIsLimited(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	body := io.MultiReader(strings.NewReader("signed"), io.LimitReader(zeros{}, ingress.MaxBody))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/hooks/whatsapp/1", body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", res.StatusCode)
	}
}

// TestTooLargeIsHeard: a caller that sends everything before it looks for the answer finds one.
func TestTooLargeIsHeard(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	for _, path := range []string{"/hooks/whatsapp/1", "/sign-in"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const size = 12 << 20
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: kith\r\nContent-Length: %d\r\n\r\n", path, size)
		if err == nil {
			_, err = io.CopyN(conn, zeros{}, size)
		}
		if err != nil {
			t.Errorf("%s: sending: %v", path, err)
			continue
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: no answer: %v", path, err)
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d, want 413", path, res.StatusCode)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBodiesReachTheHooksWhole(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	var wg sync.WaitGroup
	want := map[string]bool{}
	for i := range 200 {
		body := "signed" + strings.Repeat(fmt.Sprintf(" %d", i), 1+i*13)
		want[body] = true
		wg.Go(func() {
			if res, text := s.do("POST", "/hooks/whatsapp/1", body); res.StatusCode != 200 {
				t.Errorf("%d %s", res.StatusCode, text)
			}
		})
	}
	wg.Wait()
	for _, got := range s.hooks.bodies {
		if !want[got] {
			t.Fatalf("a body was mixed up: %.80q", got)
		}
		delete(want, got)
	}
	if len(want) != 0 {
		t.Errorf("%d bodies did not arrive", len(want))
	}
}

func TestHeadersOnEveryAnswer(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	for _, path := range []string{
		"/", "/sign-in", "/inbox", "/nothing", "/healthz", "/readyz", "/metrics", "/hooks/whatsapp/9", "/api/v1/contacts",
		"/api/v1/openapi.json", "/assets/none.css",
	} {
		res, _ := s.do("GET", path, "")
		for name, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; script-src 'self'",
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Permissions-Policy":         "camera=()",
		} {
			if got := res.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s = %q", path, name, got)
			}
		}
		if csp := res.Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy is loose: %s", path, csp)
		}
		if res.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: HSTS without a publicly trusted name", path)
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	for _, path := range []string{"/sign-in", "/assets/", "/nothing", "/api/v1/openapi.json"} {
		get, _ := s.do("GET", path, "")
		head, text := s.do("HEAD", path, "")
		if head.StatusCode != get.StatusCode || text != "" || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %q, GET: %d", path, head.StatusCode, text, get.StatusCode)
		}
	}
}

func TestOtherSitesCannotAct(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"Sec-Fetch-Site", "cross-site", 403},
		{"Sec-Fetch-Site", "same-site", 403},
		{"Origin", "https://elsewhere.example", 403},
		{"Origin", "null", 403},
		{"Sec-Fetch-Site", "same-origin", 303},
	} {
		res, text := s.do("POST", "/sign-out", "", c.name, c.value)
		if res.StatusCode != c.status {
			t.Errorf("%s: %s gives %d, want %d: %.200s", c.name, c.value, res.StatusCode, c.status, text)
		}
	}
	if res, _ := s.do("POST", "/api/v1/contacts", "{}", "Origin", "https://elsewhere.example"); res.StatusCode != 401 {
		t.Errorf("the API asks for the origin instead of the key: %d", res.StatusCode)
	}
}

func TestErrorsFitTheCaller(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	res, text := s.do("GET", "/nothing", "", "Accept-Language", "id")
	if res.StatusCode != 404 || !strings.Contains(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(text, `lang="id"`) {
		t.Errorf("a page that is not there: %d %s %.120s", res.StatusCode, res.Header.Get("Content-Type"), text)
	}
	res, text = s.do("GET", "/api/v1/nothing", "")
	var f struct{ Error struct{ Code string } }
	if err := json.Unmarshal([]byte(text), &f); err != nil || res.StatusCode != 404 || f.Error.Code != "not_found" {
		t.Errorf("a resource that is not there: %d %s", res.StatusCode, text)
	}
	key, _, err := s.auth.AddKey(t.Context(), app.Host(), auth.NewKey{Name: "k", Role: app.Owner})
	if err != nil {
		t.Fatal(err)
	}
	large := `{"name":"` + strings.Repeat("x", 2<<20) + `"}`
	res, text = s.do("POST", "/api/v1/contacts", large, "Authorization", "Bearer "+key, "Content-Type", "application/json")
	if res.StatusCode != 413 || !strings.Contains(text, "too_large") {
		t.Errorf("a large request: %d %s", res.StatusCode, text)
	}
}

// Strangers cannot make the server read large forms into memory; files still pass where files are taken.
func TestFormsOfStrangersAreSmall(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	form := "--B\r\nContent-Disposition: form-data; name=\"email\"; filename=\"x\"\r\n\r\n" + strings.Repeat("x", 2<<20) + "\r\n--B--\r\n"
	for path, want := range map[string]int{"/sign-in": 413, "/claim/x": 413, "/nothing": 413, "/inbox/1/reply": 303} {
		if res, _ := s.do("POST", path, form, "Content-Type", "multipart/form-data; boundary=B"); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

func TestMetricsAreNotForEverybody(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	res, text := s.do("GET", "/metrics", "")
	for _, name := range []string{"kith_messages_received_total 0", "kith_outbox_length", "kith_ready 1", "kith_store_bytes", "kith_goroutines", `class="hook"`} {
		if !strings.Contains(text, name) {
			t.Errorf("%q is missing in:\n%s", name, text)
		}
	}
	if res.StatusCode != 200 {
		t.Errorf("from this machine: %d", res.StatusCode)
	}
	for _, h := range [][2]string{{"X-Forwarded-For", "192.0.2.1"}, {"Host", "chat.example.org"}, {"Forwarded", "for=192.0.2.1"}} {
		if res, text := s.do("GET", "/metrics", "", h[0], h[1]); res.StatusCode != 401 {
			t.Errorf("with %s: %d %.80s", h[0], res.StatusCode, text)
		}
	}
	key, _, err := s.auth.AddKey(t.Context(), app.Host(), auth.NewKey{Name: "k", Role: app.AgentRole})
	if err != nil {
		t.Fatal(err)
	}
	if res, _ := s.do("GET", "/metrics", "", "X-Forwarded-For", "192.0.2.1", "Authorization", "Bearer "+key); res.StatusCode != 200 {
		t.Errorf("with a key: %d", res.StatusCode)
	}
	if err := s.Desk.Receive(t.Context(), s.Inbox, app.Inbound{Messages: []app.InboundMessage{{
		ExternalID: "new", Direction: app.In, At: apptest.Start, Type: app.TypeText, Content: app.Content{Text: "hi"},
		Person: app.Person{Identities: []app.Identity{{Kind: app.IdentityWaID, Value: "4912345678"}}},
	}}}); err != nil {
		t.Fatal(err)
	}
	if _, text := s.do("GET", "/metrics", ""); !strings.Contains(text, "kith_messages_received_total 1\n") {
		t.Error("a received message is not counted")
	}
}

func TestLogHoldsNoTokens(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	s.do("GET", "/claim/secret-of-the-link", "")
	s.do("GET", "/sign-in?next=secret-in-the-query", "")
	s.do("GET", "/api/v1/contacts?phone=628123456789", "", "Authorization", "Bearer secret-key")
	s.do("POST", "/hooks/whatsapp/1", "panic")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	if !strings.Contains(log, "route=/claim/:token") {
		t.Errorf("requests are not logged:\n%s", log)
	}
	for _, word := range []string{"secret", "628123456789", "words of a customer"} {
		if strings.Contains(log, word) {
			t.Errorf("the log holds %q:\n%s", word, log)
		}
	}
}

func TestStopEndsStreamsAtOnceAndLetsRequestsFinish(t *testing.T) {
	s := serve(t, server.TLS{Mode: server.TLSOff})
	token := s.signIn()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/live", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.AddCookie(&http.Cookie{Name: "kith-s", Value: token})
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	if line, err := lines.ReadString('\n'); err != nil || res.StatusCode != 200 {
		t.Fatalf("the stream begins with %d %q %v", res.StatusCode, line, err)
	}
	began := time.Now()
	if err := s.stop(); err != nil {
		t.Errorf("Serve() = %v", err)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Logf("the stream ended with %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// signIn makes somebody who may look and returns their token.
func (s *site) signIn() string {
	s.t.Helper()
	const pw = "four random words here"
	if _, err := s.auth.AddAgent(s.t.Context(), app.Host(), app.NewAgent{Email: "x@example.com", Name: "X", Role: app.Manager}, pw); err != nil {
		s.t.Fatal(err)
	}
	token, err := s.auth.SignIn(s.t.Context(), "x@example.com", pw, "127.0.0.1")
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func TestReadinessFollowsTheStore(t *testing.T) {
	sample := fullDesk(t)
	s := serveOn(t, sample, server.TLS{Mode: server.TLSOff})
	if res, text := s.do("GET", "/readyz", ""); res.StatusCode != 200 {
		t.Fatalf("at first: %d %s", res.StatusCode, text)
	}
	fillStore(t, sample)
	res, text := s.do("GET", "/readyz", "")
	if res.StatusCode != 503 || !strings.Contains(text, "full") || res.Header.Get("Retry-After") == "" {
		t.Errorf("when the disk is full: %d %s", res.StatusCode, text)
	}
	if res, _ := s.do("GET", "/healthz", ""); res.StatusCode != 200 {
		t.Errorf("/healthz: %d", res.StatusCode)
	}
}

// fullDesk is a desk whose store may grow a little.
func fullDesk(t *testing.T) *apptest.Sample {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "data"), store.Options{
		MaxSize: 34 << 20, Now: func() time.Time { return apptest.Start },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Log(err)
		}
	})
	sample, err := apptest.Fill(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return sample
}

// fillStore writes until the store refuses.
func fillStore(t *testing.T, s *apptest.Sample) {
	t.Helper()
	for i := range 2000 {
		u := app.Unread{Reason: "r", Raw: bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 256<<10)}
		if err := s.Desk.KeepUnreadable(t.Context(), s.Inbox, u); err != nil {
			return
		}
	}
	t.Fatal("the store took a gigabyte")
}
