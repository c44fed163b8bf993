// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// uploadFile posts a file as the business does and returns the status and answer.
func uploadFile(t *testing.T, w *World, mimeType string, b []byte) (int, map[string]any) {
	t.Helper()
	var buf bytes.Buffer
	m := multipart.NewWriter(&buf)
	if err := m.WriteField("messaging_product", "whatsapp"); err != nil {
		t.Fatal(err)
	}
	head := textproto.MIMEHeader{}
	head.Set("Content-Disposition", `form-data; name="file"; filename="a.bin"`)
	head.Set("Content-Type", mimeType)
	p, err := m.CreatePart(head)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v25.0/"+w.o.PhoneNumberID+"/media", &buf)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+w.o.AccessToken)
	rec := httptest.NewRecorder()
	w.Graph().ServeHTTP(rec, r)
	return rec.Code, decoded(t, rec.Body.Bytes())
}

func TestWrongToken(t *testing.T) {
	w := New(Options{AccessToken: "right"})
	for _, path := range []string{"/v25.0/" + w.o.PhoneNumberID, "/v25.0/1/messages", "/whatsapp_business/attachments/?mid=1"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer wrong")
		rec := httptest.NewRecorder()
		w.Graph().ServeHTTP(rec, r)
		e := decoded(t, rec.Body.Bytes())["error"].(map[string]any) //nolint:errcheck // a test may panic
		if rec.Code != 401 || e["code"] != 190.0 || e["type"] != "OAuthException" || e["fbtrace_id"] == "" {
			t.Errorf("%s: %d %v", path, rec.Code, e)
		}
	}
}

func TestMediaOfACustomer(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "dewi", SampleVoice())
		pass(t, time.Second)
		audio := h.messages()[0]["audio"].(map[string]any) //nolint:errcheck // a test may panic
		if audio["voice"] != true || audio["mime_type"] != "audio/ogg; codecs=opus" {
			t.Errorf("audio = %v", audio)
		}
		id, _ := audio["id"].(string)
		code, out := call(t, w, http.MethodGet, "/v25.0/"+id+"?phone_number_id="+w.o.PhoneNumberID, "")
		if code != 200 || out["sha256"] != audio["sha256"] || out["file_size"] != float64(len(voice)) {
			t.Fatalf("GET media: %d %v", code, out)
		}
		url, _ := out["url"].(string)
		path := strings.TrimPrefix(url, "https://graph.example")
		get := func() int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.Header.Set("Authorization", "Bearer "+w.o.AccessToken)
			rec := httptest.NewRecorder()
			w.Graph().ServeHTTP(rec, r)
			if rec.Code == 200 && !bytes.Equal(rec.Body.Bytes(), voice) {
				t.Error("the file came back changed")
			}
			return rec.Code
		}
		if got := get(); got != 200 {
			t.Errorf("download = %d", got)
		}
		pass(t, 5*time.Minute)
		if got := get(); got != 404 {
			t.Errorf("download after five minutes = %d, want 404", got)
		}
		pass(t, 7*24*time.Hour)
		if code, _ := call(t, w, http.MethodGet, "/v25.0/"+id, ""); code != 400 {
			t.Errorf("media after seven days = %d, want 400", code)
		}
	})
}

func TestUploadAndSend(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "dewi", Text{"Halo"})
		code, out := uploadFile(t, w, "image/png", SamplePicture().Bytes)
		id, _ := out["id"].(string)
		if code != 200 || id == "" {
			t.Fatalf("upload: %d %v", code, out)
		}
		send := func(kind, id string) string {
			got, code := sendBody(t, w, common+`"type":"`+kind+`","`+kind+`":{"id":"`+id+`"}}`)
			if code != 0 {
				t.Fatalf("%s refused with %d", kind, code)
			}
			pass(t, time.Second)
			return h.words(got)
		}
		if got := send("image", id); got != "sent delivered" {
			t.Errorf("picture: %q", got)
		}
		if got := send("document", id); got != "failed" {
			t.Errorf("picture as document: %q, want failed", got)
		}
		_, out = uploadFile(t, w, "audio/ogg", voice)
		if got := send("audio", out["id"].(string)); got != "sent delivered" { //nolint:errcheck // a test may panic
			t.Errorf("voice: %q", got)
		}
		stereo := bytes.Clone(voice)
		stereo[bytes.Index(stereo, []byte("OpusHead"))+9] = 2
		_, out = uploadFile(t, w, "audio/ogg", stereo)
		if got := send("audio", out["id"].(string)); got != "failed" { //nolint:errcheck // a test may panic
			t.Errorf("stereo: %q, want failed", got)
		}
		if th := w.Thread("dewi"); len(th) != 3 || th[1].Media == nil || !th[2].Media.Voice {
			t.Errorf("the phone shows %d bubbles", len(th))
		}
		if code, _ := call(t, w, http.MethodDelete, "/v25.0/"+id, ""); code != 200 {
			t.Errorf("DELETE media = %d", code)
		}
		if code, _ := call(t, w, http.MethodGet, "/v25.0/"+id, ""); code != 400 {
			t.Errorf("deleted media = %d, want 400", code)
		}
	})
}

func TestUploadLimits(t *testing.T) {
	w := New(Options{})
	for _, c := range []struct {
		mime string
		size int
		want int
	}{
		{"text/html", 10, 400},
		{"image/gif", 10, 400},
		{"image/png", 5<<20 + 1, 400},
		{"image/webp", 500<<10 + 1, 400},
		{"audio/ogg; codecs=opus", 16<<20 + 1, 400},
		{"application/pdf", 17 << 20, 200},
		{"text/plain", 0, 400},
	} {
		if code, out := uploadFile(t, w, c.mime, make([]byte, c.size)); code != c.want {
			t.Errorf("%s of %d bytes: %d %v, want %d", c.mime, c.size, code, out, c.want)
		}
	}
}

func TestWindowAndUnknownRecipient(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		failed := func(id string) int {
			pass(t, time.Second)
			for _, s := range h.statuses() {
				if s.ID == id && s.Status == "failed" {
					return s.Errors[0].Code
				}
			}
			return 0
		}
		id, _ := sendBody(t, w, textTo("628000000001", "cold"))
		if got := failed(id); got != 131047 {
			t.Errorf("before the first message: %d, want 131047", got)
		}
		say(t, w, "dewi", Text{"Halo"})
		pass(t, 23*time.Hour)
		id, _ = sendBody(t, w, textTo("628000000001", "in time"))
		if got := failed(id); got != 0 {
			t.Errorf("inside the window: %d", got)
		}
		pass(t, time.Hour)
		id, _ = sendBody(t, w, textTo("628000000001", "late"))
		if got := failed(id); got != 131047 {
			t.Errorf("after 24 hours: %d, want 131047", got)
		}
		id, _ = sendBody(t, w, goodBodies["template"])
		if got := failed(id); got != 0 {
			t.Errorf("template after 24 hours: %d", got)
		}
		id, _ = sendBody(t, w, textTo("+62 899 1234 567", "nobody"))
		if got := failed(id); got != 131026 {
			t.Errorf("unknown number: %d, want 131026", got)
		}
	})
}

func TestRates(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "dewi", Text{"Halo"})
		for i := range pairBurst {
			if _, code := sendBody(t, w, textTo("628000000001", "x")); code != 0 {
				t.Fatalf("message %d refused with %d", i, code)
			}
		}
		if _, code := sendBody(t, w, textTo("628000000001", "x")); code != 131056 {
			t.Errorf("message 46 at once: %d, want 131056", code)
		}
		pass(t, 6*time.Second)
		if _, code := sendBody(t, w, textTo("628000000001", "x")); code != 0 {
			t.Errorf("six seconds later: %d", code)
		}
		over := 0
		for i := range 200 {
			if _, code := sendBody(t, w, textTo(fmt.Sprintf("62899123%04d", i), "x")); code == 130429 {
				over++
			}
		}
		if over < 110 {
			t.Errorf("of 200 messages at once %d were over the number's rate", over)
		}
		w.SetChaos(Chaos{Unlimited: true})
		if _, code := sendBody(t, w, textTo("628000000001", "x")); code != 0 {
			t.Errorf("unlimited: %d", code)
		}
	})
}

func TestTemplatesArePaged(t *testing.T) {
	w := New(Options{})
	seen := map[string]bool{}
	after := ""
	for range 20 {
		code, out := call(t, w, http.MethodGet, "/v25.0/"+w.o.WABAID+"/message_templates?fields=name,language,status,components&limit=4&after="+after, "")
		if code != 200 {
			t.Fatalf("%d %v", code, out)
		}
		for _, d := range out["data"].([]any) { //nolint:errcheck // a test may panic
			n := d.(map[string]any) //nolint:errcheck // a test may panic
			seen[fmt.Sprint(n["name"], n["language"])] = true
			if n["components"] == nil || n["category"] != nil {
				t.Errorf("fields of %v", n)
			}
		}
		paging := out["paging"].(map[string]any)                        //nolint:errcheck // a test may panic
		after, _ = paging["cursors"].(map[string]any)["after"].(string) //nolint:errcheck // a test may panic
		if paging["next"] == nil {
			break
		}
	}
	if len(seen) != len(sampleTemplates()) {
		t.Errorf("paging found %d of %d templates", len(seen), len(sampleTemplates()))
	}
	if _, out := call(t, w, http.MethodGet, "/v25.0/"+w.o.WABAID+"/message_templates?status=PAUSED", ""); len(out["data"].([]any)) != 1 { //nolint:errcheck // a test may panic
		t.Errorf("filter by status: %v", out)
	}
}

func TestAccount(t *testing.T) {
	w := New(Options{AccessToken: "right"})
	fields := "display_phone_number,verified_name,quality_rating,status,name_status,throughput,whatsapp_business_manager_messaging_limit,webhook_configuration"
	for path, want := range map[string]int{
		w.o.PhoneNumberID + "?fields=" + fields:      200,
		w.o.PhoneNumberID + "?fields=messaging_tier": 400,
		w.o.WABAID + "/subscribed_apps":              200,
		w.o.WABAID + "/phone_numbers":                200,
		"debug_token?input_token=right":              200,
		"123456":                                     400,
		w.o.PhoneNumberID + "/nothing":               400,
	} {
		if code, out := call(t, w, http.MethodGet, "/v25.0/"+path, ""); code != want {
			t.Errorf("GET %s = %d %v, want %d", path, code, out, want)
		}
	}
	_, out := call(t, w, http.MethodGet, "/v25.0/debug_token?input_token=wrong", "")
	if out["data"].(map[string]any)["is_valid"] != false { //nolint:errcheck // a test may panic
		t.Errorf("a wrong token is valid: %v", out)
	}
}

// TestHangUp needs a real connection to break.
func TestHangUp(t *testing.T) {
	w := New(Options{})
	s := httptest.NewServer(w.Graph())
	defer s.Close()
	say(t, w, "dewi", Text{"Halo"})
	if err := w.SetTrouble(TroubleHangUp, 1); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v25.0/"+w.o.PhoneNumberID+"/messages", strings.NewReader(textTo("628000000001", "x")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.o.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	res, err := s.Client().Do(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		t.Errorf("an answer came: %d", res.StatusCode)
	}
}
