// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The secrets of every inbox in these tests.
const (
	appSecret   = "0123456789abcdef0123456789abcdef"
	verifyToken = "verify-token-of-the-tests"
	accessToken = "EAAtestaccesstokenofthetests"
)

// hook is one connected inbox.
type hook struct {
	ID   json.Number `json:"id"`
	Path string      `json:"webhook"`
}

// addInbox connects a WhatsApp number whose Graph is at base.
func addInbox(tb testing.TB, dir, name, number, base string) hook {
	tb.Helper()
	secrets := tb.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(secrets, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			tb.Fatal(err)
		}
		return path
	}
	out := run(tb, dir, "", "inbox", "add", "whatsapp", "--name", name, "--phone-number-id", number,
		"--waba-id", "102290129340398", "--app-secret-file", file("secret", appSecret),
		"--access-token-file", file("token", accessToken), "--verify-token", verifyToken, "--api-base", base)
	var h struct {
		ID   json.RawMessage `json:"id"`
		Path string          `json:"webhook"`
	}
	if err := json.Unmarshal([]byte(out), &h); err != nil || h.Path == "" {
		tb.Fatalf("kith inbox add printed %q, want one JSON line: %v", out, err)
	}
	return hook{ID: json.Number(strings.Trim(string(h.ID), `"`)), Path: h.Path}
}

// sign returns the header by which Meta signs a body (PROTOCOLS 1.2).
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// deliver posts a webhook and returns the status of the answer, 0 when there was none.
func deliver(client *http.Client, url string, body []byte, signature string) int {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	if signature != "" {
		req.Header.Set("X-Hub-Signature-256", signature)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// textWebhook is a signed-to-be webhook with one text message, in the escaped form that Meta sends.
func textWebhook(number, from, name, id string, at int64, text string) []byte {
	value := fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881",`+
		`"phone_number_id":%q},"contacts":[{"profile":{"name":%s},"wa_id":%q}],"messages":[{"from":%q,"id":%q,`+
		`"timestamp":"%d","type":"text","text":{"body":%s}}]}`, number, escaped(name), from, from, id, at, escaped(text))
	return webhook("messages", value)
}

func webhook(field, value string) []byte {
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[`+
		`{"value":%s,"field":%q}]}]}`, value, field)
}

// escaped writes a JSON string in plain ASCII.
func escaped(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	var b strings.Builder
	for _, r := range string(quoted) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return b.String()
}

// graph is the part of Meta's Graph API that these tests need, with files to fetch.
type graph struct {
	*httptest.Server

	mu       sync.Mutex
	files    map[string]graphFile // by media id
	sent     []map[string]any     // bodies of POST …/messages
	uploaded [][]byte
}

type graphFile struct {
	mime string
	data []byte
}

// sum is the SHA-256 of the file as a webhook tells it.
func (f graphFile) sum() string {
	sum := sha256.Sum256(f.data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// newGraph starts a Graph that holds the files.
func newGraph(tb testing.TB, files map[string]graphFile) *graph {
	tb.Helper()
	g := &graph{files: files}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /file/{id}", g.file)
	mux.HandleFunc("GET /{version}/{id}", g.object)
	mux.HandleFunc("GET /{version}/{id}/message_templates", g.templates)
	mux.HandleFunc("GET /{version}/{id}/subscribed_apps", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"data": []any{map[string]any{"whatsapp_business_api_data": map[string]any{"id": "1", "name": "Sample"}}}})
	})
	mux.HandleFunc("POST /{version}/{id}/media", g.upload)
	mux.HandleFunc("POST /{version}/{id}/messages", g.message)
	g.Server = httptest.NewServer(mux)
	tb.Cleanup(g.Close)
	return g
}

func (g *graph) file(w http.ResponseWriter, r *http.Request) {
	f, ok := g.files[r.PathValue("id")]
	if !ok || r.Header.Get("Authorization") != "Bearer "+accessToken {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.mime)
	_, _ = w.Write(f.data)
}

func (g *graph) object(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if f, ok := g.files[id]; ok {
		answer(w, http.StatusOK, map[string]any{
			"messaging_product": "whatsapp", "id": id, "url": g.URL + "/file/" + id, "mime_type": f.mime,
			"sha256": f.sum(), "file_size": len(f.data),
		})
		return
	}
	if r.URL.Query().Get("fields") != "" {
		answer(w, http.StatusOK, map[string]any{"id": id, "display_phone_number": "+1 555-078-3881", "verified_name": "Sample shop"})
		return
	}
	answer(w, http.StatusNotFound, map[string]any{"error": map[string]any{
		"message": "Unsupported get request.", "type": "GraphMethodException", "code": 100, "fbtrace_id": "AAAA",
	}})
}

func (g *graph) templates(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"data": []any{map[string]any{
		"name": plantedTemplate, "language": "en", "status": "APPROVED", "category": "UTILITY", "id": "900000000000001",
		"components": []any{map[string]any{
			"type": "BODY", "text": plantedTemplateText + " {{1}} is ready.",
			"example": map[string]any{"body_text": []any{[]any{"A1"}}},
		}},
	}}, "paging": map[string]any{"cursors": map[string]any{"before": "a", "after": "b"}}})
}

func (g *graph) upload(w http.ResponseWriter, r *http.Request) {
	f, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	data, err := io.ReadAll(f)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uploaded = append(g.uploaded, data)
	answer(w, http.StatusOK, map[string]any{"id": fmt.Sprintf("8%014d", len(g.uploaded))})
}

func (g *graph) message(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if body["status"] == "read" {
		answer(w, http.StatusOK, map[string]any{"success": true})
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent = append(g.sent, body)
	answer(w, http.StatusOK, map[string]any{
		"messaging_product": "whatsapp", "contacts": []any{map[string]any{"input": body["to"], "wa_id": body["to"]}},
		"messages": []any{map[string]any{"id": fmt.Sprintf("wamid.OUT%06d", len(g.sent))}},
	})
}

func (g *graph) counts() (sent, uploaded int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sent), len(g.uploaded)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
