// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/api"
	"kith/app/apptest"
	"kith/app/auth"
)

// site is the API over a desk of samples, whose clock stands still.
type site struct {
	*apptest.Sample
	t      *testing.T
	echo   *echo.Echo
	auth   *auth.Auth
	key    string
	replay error
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Sample: apptest.NewDesk(t), t: t, echo: echo.New()}
	s.auth = auth.New(s.DB, s.Desk, auth.Options{})
	s.key = s.newKey(app.Owner)
	s.echo.HTTPErrorHandler = func(err error, c echo.Context) { api.WriteFault(c.Response(), api.FaultOf(err)) }
	api.Register(s.echo, api.Deps{Desk: s.Desk, Auth: s.auth, Replay: func(context.Context, app.Actor, app.MessageID) error {
		return s.replay
	}})
	return s
}

func (s *site) newKey(r app.Role) string {
	s.t.Helper()
	key, _, err := s.auth.AddKey(s.t.Context(), app.Host(), auth.NewKey{Name: "test", Role: r})
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// do makes a request with the owner's key and returns status and body.
func (s *site) do(method, path, body string, headers ...string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.echo.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// want makes a request and decodes the answer, which has the status.
func want[T any](s *site, status int, method, path, body string, headers ...string) (out T) {
	s.t.Helper()
	got, text := s.do(method, path, body, headers...)
	if got != status {
		s.t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		s.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return out
}

// fault is the error of an answer.
type fault struct {
	Error struct{ Code, Message, Field string }
}

type page struct {
	Data []map[string]any
	Next *string
}

func TestAnswersAsWritten(t *testing.T) {
	s := newSite(t)
	kinds := s.Threads[apptest.Kinds]
	for name, path := range map[string]string{
		"conversations": "/api/v1/conversations?limit=3&status=open",
		"conversation":  "/api/v1/conversations/" + itoa(kinds),
		"messages":      "/api/v1/conversations/" + itoa(kinds) + "/messages?limit=100",
		"contacts":      "/api/v1/contacts?limit=2",
		"search":        "/api/v1/search?q=sar&limit=5",
		"search_text":   "/api/v1/search?q=SHOP%27s+own",
		"search_page":   "/api/v1/search?inbox=" + itoa(s.Inbox) + "&has=file&limit=1",
		"inboxes":       "/api/v1/inboxes",
		"templates":     "/api/v1/inboxes/" + itoa(s.Inbox) + "/templates",
		"notices":       "/api/v1/inboxes/" + itoa(s.Inbox) + "/notices",
		"unreadable":    "/api/v1/inboxes/" + itoa(s.Inbox) + "/unreadable",
		"labels":        "/api/v1/labels",
		"agents":        "/api/v1/agents",
	} {
		t.Run(name, func(t *testing.T) {
			status, text := s.do("GET", path, "")
			if status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, status, text)
			}
			golden(t, name, text)
		})
	}
}

func golden(t *testing.T, name, text string) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wanted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(wanted), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func itoa[N ~uint64 | ~uint32](n N) string { b, _ := json.Marshal(n); return string(b) }

func TestNobodyWithoutAKey(t *testing.T) {
	s := newSite(t)
	for _, r := range s.echo.Routes() {
		if r.Path == "/api/v1/openapi.json" {
			continue
		}
		for _, bearer := range []string{"", "Bearer ", "Bearer kith_1_x", "Basic " + s.key} {
			status, text := s.do(r.Method, strings.NewReplacer(":id", "1", ":n", "0", ":entry", "1").Replace(r.Path), "", "Authorization", bearer)
			if status != http.StatusUnauthorized || !strings.Contains(text, `"unauthenticated"`) {
				t.Errorf("%s %s with %q: %d %s", r.Method, r.Path, bearer, status, text)
			}
		}
	}
	if status, text := s.do("GET", "/api/v1/openapi.json", "", "Authorization", ""); status != 200 || !strings.Contains(text, `"openapi"`) {
		t.Errorf("the description: %d %.60s", status, text)
	}
}

func TestPagesJoinWithoutGapOrOverlap(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{
		"/api/v1/conversations?", "/api/v1/contacts?", "/api/v1/conversations/" + itoa(s.Threads[apptest.Kinds]) + "/messages?",
	} {
		whole := want[page](s, 200, "GET", path+"limit=100", "")
		var ids []any
		cursor := ""
		for range 100 {
			p := want[page](s, 200, "GET", path+"limit=2&cursor="+cursor, "")
			for _, one := range p.Data {
				ids = append(ids, one["id"])
			}
			if p.Next == nil {
				break
			}
			cursor = *p.Next
		}
		var all []any
		for _, one := range whole.Data {
			all = append(all, one["id"])
		}
		if len(all) < 3 {
			t.Fatalf("%s has %d entries: too few to page through", path, len(all))
		}
		if !sameIDs(all, ids) {
			t.Errorf("%s in pages of two: %v, want %v", path, ids, all)
		}
	}
}

// sameIDs compares without order: messages of one second keep theirs within a page only.
func sameIDs(a, b []any) bool {
	seen := map[any]int{}
	for _, x := range a {
		seen[x]++
	}
	for _, x := range b {
		seen[x]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestContactFromBeginningToEnd(t *testing.T) {
	s := newSite(t)
	input := `{"name":"Wayan Putra","phones":["+62 811-0000-0001"],"emails":["Wayan@Example.com"],"fields":{"size":"L"},"labels":["vip"]}`
	made := want[map[string]any](s, 201, "POST", "/api/v1/contacts", input, "Idempotency-Key", "c-1")
	again := want[map[string]any](s, 201, "POST", "/api/v1/contacts", input, "Idempotency-Key", "c-1")
	if made["id"] != again["id"] {
		t.Errorf("the repeated request made %v, the first one %v", again["id"], made["id"])
	}
	for _, q := range []string{"phone=%2B62811-00000001", "phone=+6281100000001", "phone=6281100000001", "email=wayan@example.com", "q=wayan", "q=WAY"} {
		p := want[page](s, 200, "GET", "/api/v1/contacts?"+q, "")
		if len(p.Data) != 1 || p.Data[0]["id"] != made["id"] {
			t.Errorf("?%s finds %v", q, p.Data)
		}
	}
	path := "/api/v1/contacts/" + made["id"].(string)
	changed := want[map[string]any](s, 200, "PATCH", path, `{"fields":{"size":null,"city":"Ubud"}}`)
	if diff := cmp.Diff(map[string]any{"city": "Ubud"}, changed["fields"]); diff != "" || changed["name"] != "Wayan Putra" {
		t.Errorf("after the change: %v", changed)
	}
	taken := want[fault](s, 409, "POST", "/api/v1/contacts", `{"name":"X","phones":["6281100000001"]}`)
	if taken.Error.Code != "conflict" || taken.Error.Field != "phones" {
		t.Errorf("a number twice: %+v", taken)
	}
	if status, text := s.do("DELETE", path, ""); status != http.StatusNoContent {
		t.Fatalf("DELETE: %d %s", status, text)
	}
	want[fault](s, 404, "GET", path, "")
	if p := want[page](s, 200, "GET", "/api/v1/contacts?phone=6281100000001", ""); len(p.Data) != 0 {
		t.Errorf("an erased contact is found: %v", p.Data)
	}
}

func TestWriting(t *testing.T) {
	s := newSite(t)
	path := "/api/v1/conversations/" + itoa(s.Threads[apptest.Kinds]) + "/messages"
	m := want[map[string]any](s, 201, "POST", path, `{"text":"Hello"}`, "Idempotency-Key", "m-1")
	if m["status"] != "queued" || m["direction"] != "out" || m["text"] != "Hello" || m["type"] != "text" {
		t.Errorf("a text became %v", m)
	}
	again := want[map[string]any](s, 201, "POST", path, `{"text":"Hello"}`, "Idempotency-Key", "m-1")
	if again["id"] != m["id"] {
		t.Errorf("the repeated request made %v", again["id"])
	}
	if got := want[map[string]any](s, 200, "GET", "/api/v1/messages/"+m["id"].(string), ""); got["id"] != m["id"] {
		t.Errorf("GET of the message: %v", got)
	}
	quote := want[map[string]any](s, 201, "POST", path, `{"text":"As I said","reply_to":"`+m["id"].(string)+`"}`)
	if quote["reply_to"] != m["id"] {
		t.Errorf("reply_to = %v", quote["reply_to"])
	}
	note := want[map[string]any](s, 201, "POST", path, `{"note":"for us"}`)
	if note["direction"] != "note" || note["status"] != nil {
		t.Errorf("a note became %v", note)
	}
	place := want[map[string]any](s, 201, "POST", path, `{"location":{"latitude":-8.5,"longitude":115.26,"name":"Ubud"}}`)
	if place["type"] != "location" {
		t.Errorf("a location became %v", place)
	}
	use := want[map[string]any](s, 201, "POST", path, `{"template":{"name":"order_shipped","language":"en","header":["A-7"],"body":["Maya"]}}`)
	if use["type"] != "template" || !strings.Contains(use["text"].(string), "Maya") {
		t.Errorf("a template became %v", use)
	}
}

func TestBadRequestsNameWhatIsWrong(t *testing.T) {
	s := newSite(t)
	conv := "/api/v1/conversations/" + itoa(s.Threads[apptest.Kinds])
	for _, c := range []struct {
		method, path, body string
		status             int
		code, field        string
	}{
		{"GET", "/api/v1/conversations?limit=0", "", 422, "invalid", "limit"},
		{"GET", "/api/v1/conversations?limit=101", "", 422, "invalid", "limit"},
		{"GET", "/api/v1/conversations?cursor=%21", "", 422, "invalid", "cursor"},
		{"GET", "/api/v1/conversations?status=closed", "", 422, "invalid", "status"},
		{"GET", "/api/v1/conversations?assignee=me", "", 422, "invalid", "assignee"},
		{"GET", "/api/v1/conversations/99999", "", 404, "not_found", ""},
		{"GET", "/api/v1/conversations/x", "", 404, "not_found", ""},
		{"GET", "/api/v1/contacts/99999999999999", "", 404, "not_found", ""},
		{"GET", "/api/v1/messages/1.2.3", "", 404, "not_found", ""},
		{"GET", "/api/v1/nothing", "", 404, "not_found", ""},
		{"PUT", "/api/v1/contacts", "{}", 405, "method_not_allowed", ""},
		{"GET", "/api/v1/search", "", 422, "invalid", "q"},
		{"GET", "/api/v1/search?q=%3F", "", 422, "invalid", "q"},
		{"GET", "/api/v1/search?q=from:today", "", 422, "invalid", "q"},
		{"GET", "/api/v1/search?q=a&from=today", "", 422, "invalid", "from"},
		{"GET", "/api/v1/search?q=a&has=fun", "", 422, "invalid", "has"},
		{"GET", "/api/v1/search?q=a&contact=x", "", 422, "invalid", "contact"},
		{"GET", "/api/v1/search?q=a&cursor=YQ", "", 422, "invalid", "cursor"},
		{"POST", "/api/v1/contacts", "", 400, "malformed", ""},
		{"POST", "/api/v1/contacts", "{", 400, "malformed", ""},
		{"POST", "/api/v1/contacts", "{} {}", 400, "malformed", ""},
		{"POST", "/api/v1/contacts", `{"nam":"x"}`, 400, "malformed", "nam"},
		{"POST", "/api/v1/contacts", `{"name":5}`, 400, "malformed", "name"},
		{"POST", "/api/v1/contacts", `{}`, 422, "invalid", "name"},
		{"POST", "/api/v1/contacts", `{"phones":["call me"]}`, 422, "invalid", "phones"},
		{"PATCH", conv, `{"status":"closed"}`, 422, "invalid", "status"},
		{"PATCH", conv, `{"assignee":"4000000"}`, 422, "invalid", "assignee"},
		{"PATCH", "/api/v1/conversations/99999", `{"labels":["new"]}`, 404, "not_found", ""},
		{"POST", conv + "/messages", `{}`, 422, "invalid", "text"},
		{"POST", conv + "/messages", `{"text":"a","note":"b"}`, 422, "invalid", "text"},
		{"POST", conv + "/messages", `{"text":"  "}`, 422, "invalid", "text"},
		{"POST", conv + "/messages", `{"text":"a","reply_to":"1.2.3"}`, 422, "invalid", "reply_to"},
		{"POST", conv + "/messages", `{"template":{"name":"none","language":"en"}}`, 422, "invalid", "template"},
		{"POST", conv + "/messages", `{"template":{"name":"order_shipped","language":"en","header":["A-7"],"body":[]}}`, 422, "invalid", "template.body"},
		{"POST", "/api/v1/inboxes/99/unreadable/1.2.3/replay", "", 404, "not_found", ""},
	} {
		f := want[fault](s, c.status, c.method, c.path, c.body)
		if f.Error.Code != c.code || f.Error.Field != c.field || f.Error.Message == "" {
			t.Errorf("%s %s %s: %+v, want %s in %q", c.method, c.path, c.body, f.Error, c.code, c.field)
		}
	}
}

func TestConversationChanges(t *testing.T) {
	s := newSite(t)
	path := "/api/v1/conversations/" + itoa(s.Threads[apptest.Kinds])
	got := want[map[string]any](s, 200, "PATCH", path, `{"status":"resolved","assignee":null,"labels":["urgent","Delivery"]}`)
	if got["status"] != "resolved" || got["assignee"] != nil {
		t.Errorf("after the change: %v", got)
	}
	if diff := cmp.Diff([]any{"urgent", "Delivery"}, got["labels"]); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	got = want[map[string]any](s, 200, "PATCH", path, `{"assignee":`+itoa(s.Agent.ID)+`}`)
	if who, ok := got["assignee"].(map[string]any); !ok || who["name"] != "Tomas" || got["status"] != "resolved" {
		t.Errorf("after assigning: %v", got)
	}
	none := want[page](s, 200, "GET", "/api/v1/conversations?status=resolved&assignee="+itoa(s.Agent.ID), "")
	if len(none.Data) != 1 {
		t.Errorf("the filter finds %d conversations, want 1", len(none.Data))
	}
}

func TestRolesHold(t *testing.T) {
	s := newSite(t)
	s.key = s.newKey(app.AgentRole)
	f := want[fault](s, 403, "DELETE", "/api/v1/contacts/"+itoa(uint64(1)), "")
	if f.Error.Code != "forbidden" {
		t.Errorf("%+v", f)
	}
	want[fault](s, 403, "GET", "/api/v1/inboxes/"+itoa(s.Inbox)+"/notices", "")
	want[fault](s, 403, "GET", "/api/v1/inboxes/"+itoa(s.Inbox)+"/unreadable", "")
	want[page](s, 200, "GET", "/api/v1/conversations", "")
}

func TestFileThereAndBack(t *testing.T) {
	s := newSite(t)
	conv := "/api/v1/conversations/" + itoa(s.Threads[apptest.Kinds]) + "/messages"
	content := "%PDF-1.4 " + strings.Repeat("pages ", 5000)
	body, kind := form(t, "report.pdf", "application/octet-stream", content, map[string]string{"text": "The report"})
	m := want[map[string]any](s, 201, "POST", conv, body, "Content-Type", kind)
	file := m["attachments"].([]any)[0].(map[string]any)
	if m["type"] != "document" || m["text"] != "The report" || file["type"] != "application/pdf" || file["name"] != "report.pdf" {
		t.Errorf("a file became %v", m)
	}
	status, got := s.do("GET", file["url"].(string), "")
	if status != 200 || got != content {
		t.Errorf("the file comes back with status %d and %d bytes", status, len(got))
	}
	if status, got = s.do("GET", file["url"].(string), "", "Range", "bytes=0-3"); status != 206 || got != "%PDF" {
		t.Errorf("a part of it: %d %q", status, got)
	}
	body, kind = form(t, "x.exe", "application/x-msdownload", "MZ", nil)
	if f := want[fault](s, 422, "POST", conv, body, "Content-Type", kind); f.Error.Field != "file" {
		t.Errorf("a program: %+v", f)
	}
	body, kind = form(t, "", "", "", map[string]string{"text": "x"})
	if f := want[fault](s, 422, "POST", conv, body, "Content-Type", kind); f.Error.Field != "file" {
		t.Errorf("no file: %+v", f)
	}
}

func form(t *testing.T, name, kind, content string, fields map[string]string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if name != "" {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="file"; filename="`+name+`"`)
		h.Set("Content-Type", kind)
		part, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, content); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestReplayAnswers(t *testing.T) {
	s := newSite(t)
	p := want[page](s, 200, "GET", "/api/v1/inboxes/"+itoa(s.Inbox)+"/unreadable", "")
	if len(p.Data) == 0 {
		t.Fatal("the sample has nothing unreadable")
	}
	path := "/api/v1/inboxes/" + itoa(s.Inbox) + "/unreadable/" + p.Data[0]["id"].(string) + "/replay"
	if status, text := s.do("POST", path, ""); status != http.StatusNoContent {
		t.Errorf("a replay: %d %s", status, text)
	}
	s.replay = &app.Problem{Kind: app.ErrInvalid, Text: "It still cannot be read."}
	if f := want[fault](s, 422, "POST", path, ""); f.Error.Message != "It still cannot be read." {
		t.Errorf("a replay that fails: %+v", f)
	}
	s.replay = errors.New("the cause, which is nobody's business")
	if f := want[fault](s, 500, "POST", path, ""); strings.Contains(f.Error.Message, "nobody") {
		t.Errorf("an inner error reaches the caller: %+v", f)
	}
}

func TestSmallMercies(t *testing.T) {
	s := newSite(t)
	path := "/api/v1/conversations/" + itoa(s.Threads[apptest.Kinds])
	t.Run("a label given twice is one", func(t *testing.T) {
		got := want[struct{ Labels []string }](s, http.StatusOK, "PATCH", path, `{"labels":["twice"," twice ","twice"]}`)
		if len(got.Labels) != 1 {
			t.Errorf("labels are %q", got.Labels)
		}
	})
	t.Run("the scheme of the key in any case", func(t *testing.T) {
		want[page](s, http.StatusOK, "GET", "/api/v1/labels", "", "Authorization", "bearer "+s.key)
	})
	t.Run("unassigned is none", func(t *testing.T) {
		a := want[page](s, http.StatusOK, "GET", "/api/v1/conversations?assignee=none", "")
		b := want[page](s, http.StatusOK, "GET", "/api/v1/conversations?assignee=unassigned", "")
		if len(a.Data) == 0 || len(a.Data) != len(b.Data) {
			t.Errorf("%d and %d conversations", len(a.Data), len(b.Data))
		}
	})
	t.Run("a wrong address names its list", func(t *testing.T) {
		for body, field := range map[string]string{`{"phones":["abc"]}`: "phones", `{"emails":["abc"]}`: "emails"} {
			if got := want[fault](s, http.StatusUnprocessableEntity, "POST", "/api/v1/contacts", body); got.Error.Field != field {
				t.Errorf("field is %q, want %q", got.Error.Field, field)
			}
		}
	})
	t.Run("a place is on this planet", func(t *testing.T) {
		body := `{"location":{"latitude":200,"longitude":5}}`
		if got := want[fault](s, http.StatusUnprocessableEntity, "POST", path+"/messages", body); got.Error.Field != "location" {
			t.Errorf("field is %q", got.Error.Field)
		}
	})
}
