// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app/channel/simulator"
	"kith/ui/layout"
	"kith/ui/locale"
)

// hook is a business that answers every webhook with 200.
type hook struct{}

func (hook) Do(r *http.Request) (*http.Response, error) {
	body := r.URL.Query().Get("hub.challenge")
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
}

// bench is the page over a running world, in false time.
type bench struct {
	t *testing.T
	w *simulator.World
	e *echo.Echo
}

func with(t *testing.T, l *locale.Locale, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := simulator.New(simulator.Options{Doer: hook{}, Webhook: "https://kith.example/hook", BaseURL: "https://graph.example", AccessToken: "token", Rand: rand.NewPCG(3, 4)})
		b := &bench{t: t, w: w, e: echo.New()}
		Register(b.e.Group(""), Deps{World: w, View: func(_ echo.Context, title string) layout.View {
			return layout.View{Title: title, Locale: l, Path: Path}
		}})
		done := make(chan error, 1)
		stop := make(chan struct{})
		ctx := contextUntil(t, stop)
		go func() { done <- w.Run(ctx) }()
		test(b)
		close(stop)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pass lets false time go by.
func (b *bench) pass(d time.Duration) {
	synctest.Wait()
	<-time.NewTimer(d).C
	synctest.Wait()
}

func (b *bench) serve(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	b.e.ServeHTTP(rec, r)
	return rec
}

func (b *bench) get(path string) *httptest.ResponseRecorder {
	return b.serve(httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, nil))
}

// post sends a form; header are pairs.
func (b *bench) post(path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.serve(r)
}

// business sends a message to a customer through the Graph endpoints.
func (b *bench) business(message map[string]any) string {
	b.t.Helper()
	message["messaging_product"] = "whatsapp"
	raw, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, "/v25.0/"+b.w.Connection().PhoneNumberID+"/messages", bytes.NewReader(raw))
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	b.w.Graph().ServeHTTP(rec, r)
	var out struct{ Messages []struct{ ID string } }
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || len(out.Messages) != 1 {
		b.t.Fatalf("the business could not send: %s", rec.Body)
	}
	b.pass(time.Second)
	return out.Messages[0].ID
}

func (b *bench) last() simulator.Bubble {
	b.t.Helper()
	all := b.w.Thread("dewi")
	if len(all) == 0 {
		b.t.Fatal("the phone shows nothing")
	}
	return all[len(all)-1]
}

func TestSay(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		rec := b.post(PhonePath("dewi")+"/say", url.Values{"text": {" Halo\r\nlagi "}})
		if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != PhonePath("dewi") {
			t.Errorf("without script: %d %s", rec.Code, rec.Header().Get("Location"))
		}
		first := b.last()
		if first.Text != "Halo\nlagi" {
			t.Errorf("said %q", first.Text)
		}
		rec = b.post(PhonePath("dewi")+"/say", url.Values{"text": {"Ya"}, "reply_to": {first.ID}}, "HX-Request", "true")
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), `hx-target="#sim-log"`) || !strings.Contains(rec.Body.String(), "Ya") {
			t.Errorf("with script: %d %s", rec.Code, rec.Body)
		}
		if q := b.last().Quote; q == nil || q.ID != first.ID {
			t.Errorf("quote = %+v", q)
		}
		b.post(PhonePath("dewi")+"/say", url.Values{"text": {"Halo semua"}, "edit": {first.ID}})
		b.post(PhonePath("dewi")+"/react", url.Values{"message": {first.ID}, "emoji": {"👍"}})
		if e := b.w.Thread("dewi")[0]; e.Text != "Halo semua" || !e.Edited || e.Mood != "👍" {
			t.Errorf("edited = %+v", e)
		}
		b.post(PhonePath("dewi")+"/revoke", url.Values{"message": {first.ID}})
		if !b.w.Thread("dewi")[0].Revoked {
			t.Error("not revoked")
		}
		if html := b.get(PhonePath("dewi")).Body.String(); strings.Contains(html, "Halo semua") {
			t.Error("the page shows a deleted message")
		}
	})
}

func TestFiles(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		t := b.t
		send := func(name string, content []byte) simulator.Bubble {
			var buf bytes.Buffer
			form := multipart.NewWriter(&buf)
			part, err := form.CreateFormFile("files", name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := part.Write(content); err != nil {
				t.Fatal(err)
			}
			if err := form.WriteField("text", "see"); err != nil {
				t.Fatal(err)
			}
			if err := form.Close(); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PhonePath("dewi")+"/say", &buf)
			r.Header.Set("Content-Type", form.FormDataContentType())
			if rec := b.serve(r); rec.Code != http.StatusSeeOther {
				t.Fatalf("%s: %d", name, rec.Code)
			}
			return b.last()
		}
		picture := send("../../evening.png", simulator.SamplePicture().Bytes)
		if picture.Kind != "image" || picture.Text != "see" || picture.Media.Filename != "evening.png" {
			t.Errorf("picture = %+v %+v", picture, picture.Media)
		}
		rec := b.get(mediaPath(picture.Media.ID))
		if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "image/png" || !bytes.Equal(rec.Body.Bytes(), simulator.SamplePicture().Bytes) {
			t.Errorf("media: %d %v", rec.Code, rec.Header())
		}
		page := send("page.html", []byte("<!doctype html><script>alert(1)</script>"))
		if page.Kind != "document" {
			t.Errorf("page = %+v", page)
		}
		rec = b.get(mediaPath(page.Media.ID))
		if rec.Header().Get("Content-Disposition") != "attachment" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("a page could run: %v", rec.Header())
		}
		send("talk.ogg", simulator.SampleVoice().Bytes)
		all := b.w.Thread("dewi")
		if voice := all[len(all)-2]; voice.Media == nil || !voice.Media.Voice || voice.Media.Length < 3*time.Second || all[len(all)-1].Text != "see" {
			t.Errorf("voice = %+v, then %+v", voice, all[len(all)-1])
		}
		if rec := b.get(mediaPath("1")); rec.Code != http.StatusNotFound {
			t.Errorf("unknown media: %d", rec.Code)
		}
	})
}

func TestReadyMadeMessages(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		for _, m := range moreItems {
			before := len(b.w.Thread("dewi"))
			if rec := b.post(PhonePath("dewi")+"/do", url.Values{"do": {m.do}}); rec.Code != http.StatusSeeOther {
				t.Errorf("%s: %d", m.do, rec.Code)
			}
			if len(b.w.Thread("dewi")) != before+1 {
				t.Errorf("%s left no message", m.do)
			}
		}
		for _, c := range b.w.Customers() {
			if _, ok := places[c.Country]; !ok || openers[c.Language] == nil {
				t.Errorf("%s has no place or no words", c.ID)
			}
		}
	})
}

func TestChoices(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		b.post(PhonePath("dewi")+"/say", url.Values{"text": {"Halo"}})
		buttons := b.business(interactive("button", map[string]any{"buttons": []any{map[string]any{"type": "reply", "reply": map[string]any{"id": "yes", "title": "Yes"}}}}))
		list := b.business(interactive("list", map[string]any{"button": "Choose", "sections": []any{map[string]any{"title": "S", "rows": []any{map[string]any{"id": "ten", "title": "10:00"}}}}}))
		where := b.business(interactive("location_request_message", map[string]any{"name": "send_location"}))
		for name, c := range map[string]struct {
			act  string
			form url.Values
			want string
		}{
			"button": {"tap", url.Values{"message": {buttons}, "choice": {"yes"}}, buttons},
			"row":    {"tap", url.Values{"message": {list}, "row": {"ten"}}, list},
			"place":  {"do", url.Values{"message": {where}, "do": {"location"}}, where},
		} {
			b.post(PhonePath("dewi")+"/"+c.act, c.form)
			if q := b.last().Quote; q == nil || q.ID != c.want {
				t.Errorf("%s: answer %+v", name, b.last())
			}
		}
	})
}

func interactive(kind string, action map[string]any) map[string]any {
	return map[string]any{"to": "628000000001", "type": "interactive", "interactive": map[string]any{
		"type": kind, "body": map[string]any{"text": "Well?"}, "action": action,
	}}
}

func TestRefusals(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		for name, c := range map[string]struct {
			path string
			form url.Values
			want string
		}{
			"empty":        {PhonePath("dewi") + "/say", url.Values{"text": {" "}}, "simulator.error_empty"},
			"no message":   {PhonePath("dewi") + "/say", url.Values{"text": {"x"}, "reply_to": {"wamid.x"}}, "simulator.error_no_message"},
			"no such act":  {PhonePath("dewi") + "/do", url.Values{"do": {"fly"}}, "simulator.error_unknown"},
			"no mode":      {Path + "/network", url.Values{"customer": {"dewi"}, "times": {"1"}}, "simulator.error_unknown"},
			"no trouble":   {Path + "/network", url.Values{"customer": {"dewi"}, "mode": {"calm"}, "trouble": {"x"}, "times": {"1"}}, "simulator.error_unknown"},
			"their choice": {PhonePath("dewi") + "/tap", url.Values{"message": {"x"}, "choice": {"y"}}, "simulator.error_no_message"},
		} {
			words := locale.English().T(c.want)
			for _, script := range []string{"true", "false"} {
				rec := b.post(c.path, c.form, "HX-Request", script)
				if rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), words) {
					t.Errorf("%s (script %s): %d, want 422 and %q", name, script, rec.Code, words)
				}
			}
		}
		if len(b.w.Thread("dewi")) != 0 {
			t.Error("a refused message was sent")
		}
		for _, path := range []string{PhonePath("nobody"), PhonePath("nobody") + "/live"} {
			if rec := b.get(path); rec.Code != http.StatusNotFound {
				t.Errorf("%s: %d", path, rec.Code)
			}
		}
		if rec := b.post(PhonePath("nobody")+"/say", url.Values{"text": {"x"}}); rec.Code != http.StatusNotFound {
			t.Errorf("a stranger's phone: %d", rec.Code)
		}
	})
}

func TestNetwork(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		rec := b.post(Path+"/network", url.Values{"customer": {"dewi"}, "mode": {"lively"}, "trouble": {"131049"}, "times": {"3"}})
		if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != PhonePath("dewi")+"/network" {
			t.Errorf("network: %d %s", rec.Code, rec.Header().Get("Location"))
		}
		if tr, left := b.w.Trouble(); tr.Code != 131049 || left != 3 || b.w.Chaos() != simulator.Lively() {
			t.Errorf("trouble %+v %d, chaos %+v", tr, left, b.w.Chaos())
		}
		b.post(PhonePath("dewi")+"/offline", url.Values{"offline": {"1"}})
		if p, _ := b.w.Customer("dewi"); !p.Offline {
			t.Error("the phone is still online")
		}
		b.post(PhonePath("dewi")+"/forge", nil)
		b.post(PhonePath("dewi")+"/garble", nil)
		b.pass(time.Minute)
		if n := len(b.w.Deliveries()); n < 2 {
			t.Errorf("%d webhooks, want the forged and the unreadable one", n)
		}
		html := b.get(PhonePath("dewi") + "/network").Body.String()
		for _, key := range []string{"simulator.forged", "simulator.offline"} {
			if !strings.Contains(html, locale.English().T(key)) {
				t.Errorf("the panel does not say %s", key)
			}
		}
	})
}
