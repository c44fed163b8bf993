// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/whatsapp"
	"kith/app/egress"
)

func TestUpload(t *testing.T) {
	for name, size := range map[string]int64{"of a known length": 12, "longer than announced": 11, "shorter": 13, "of an unknown length": -1} {
		t.Run(name, func(t *testing.T) {
			g := newGraph(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
				if strings.HasSuffix(r.URL.Path, "/media") && size == 12 && r.ContentLength != int64(len(body)) {
					t.Errorf("announced %d bytes, sent %d", r.ContentLength, len(body))
				}
				accept(w, r, body)
			})
			_, err := g.sender(t).Send(t.Context(), channel.Outgoing{To: toPhone, Type: app.TypeVoice, Files: []channel.File{{
				Name: "../note \"1\".ogg", MIME: "audio/ogg;codecs=OPUS", Size: size, Body: io.NopCloser(strings.NewReader("OggS content")),
			}}})
			if size == 11 || size == 13 { // the call must fail, not send half of it
				wantClass(t, "a wrong length", err, channel.Again, whatsapp.AdviceLater)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkForm(t, g.all()[0])
		})
	}
}

func checkForm(t *testing.T, c call) {
	t.Helper()
	if c.path != "/v25.0/106540352242922/media" || c.auth != "Bearer a-token-for-tests" {
		t.Errorf("called %s with %q", c.path, c.auth)
	}
	_, params, err := mime.ParseMediaType(c.contentType)
	if err != nil {
		t.Fatal(err)
	}
	form, err := multipart.NewReader(strings.NewReader(string(c.body)), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"messaging_product": {"whatsapp"}, "type": {"audio/ogg; codecs=opus"}}, form.Value); diff != "" {
		t.Error(diff)
	}
	head := form.File["file"][0]
	if head.Filename != `note "1".ogg` || head.Header.Get("Content-Type") != "audio/ogg; codecs=opus" {
		t.Errorf("file %q as %q", head.Filename, head.Header.Get("Content-Type"))
	}
	f, err := head.Open()
	if err != nil {
		t.Fatal(err)
	}
	if content, _ := io.ReadAll(f); string(content) != "OggS content" {
		t.Errorf("content %q", content)
	}
}

// TestUploadTooLong: a file of unknown length is stopped at the limit.
func TestUploadTooLong(t *testing.T) {
	g := newGraph(t, accept)
	_, err := g.sender(t).Send(t.Context(), channel.Outgoing{To: toPhone, Type: app.TypeImage, Files: []channel.File{{
		MIME: "image/png", Size: -1, Body: io.NopCloser(io.LimitReader(endless{}, 20<<20)),
	}}})
	wantClass(t, "too long", err, channel.Refused, whatsapp.AdviceFile)
	for _, c := range g.all() {
		if strings.HasSuffix(c.path, "/messages") {
			t.Error("the message was sent")
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestUploadBreaks: an upload sends no message, so it may be repeated.
func TestUploadBreaks(t *testing.T) {
	g := newGraph(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusBadGateway) })
	_, err := g.sender(t).Send(t.Context(), channel.Outgoing{To: toPhone, Type: app.TypeImage, Files: file("a.png", "image/png", "x")})
	wantClass(t, "502 at the upload", err, channel.Again, whatsapp.AdviceLater)
}

func TestFetch(t *testing.T) {
	var g *graph
	asked := 0
	g = newGraph(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		switch {
		case r.URL.Path == "/v25.0/1908647269898587":
			asked++
			fmt.Fprintf(w, `{"url":"%s/file?mid=%d","mime_type":"audio/ogg; codecs=opus","sha256":"x","file_size":"12","id":"1908647269898587"}`, g.URL, asked)
		case r.URL.RequestURI() == "/file?mid=2":
			fmt.Fprint(w, "OggS content")
		default: // the first address has expired
			http.NotFound(w, r)
		}
	})
	f, err := g.sender(t).Fetch(t.Context(), "1908647269898587")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	content, err := io.ReadAll(f.Body)
	if err != nil || string(content) != "OggS content" || f.MIME != "audio/ogg; codecs=opus" || f.Size != 12 {
		t.Errorf("got %q, %v, %+v", content, err, f)
	}
	for _, c := range g.all() {
		if c.auth != "Bearer a-token-for-tests" || c.agent != "kith" {
			t.Errorf("%s: asked with %q as %q", c.path, c.auth, c.agent)
		}
	}
	if want := "/v25.0/1908647269898587?phone_number_id=106540352242922"; g.all()[0].path != want {
		t.Errorf("asked %s, want %s", g.all()[0].path, want)
	}
}

func TestFetchFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(g *graph, w http.ResponseWriter, r *http.Request)
		class  channel.Class
		advice string
		calls  int
	}{
		"gone for good": {func(g *graph, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v25.0/5" {
				fmt.Fprintf(w, `{"url":"%s/gone"}`, g.URL)
				return
			}
			http.NotFound(w, r)
		}, channel.Refused, whatsapp.AdviceFileGone, 4},
		"an unknown id": {func(_ *graph, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"message":"Unsupported get request","code":100}}`)
		}, channel.Refused, whatsapp.AdviceRequest, 1},
		"a foreign address": {func(_ *graph, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"url":"https://evil.example/x"}`)
		}, channel.Refused, whatsapp.AdviceFileGone, 1},
		"a look-alike": {func(_ *graph, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"url":"https://evilfbsbx.com/x"}`)
		}, channel.Refused, whatsapp.AdviceFileGone, 1},
		"Meta without TLS": {func(_ *graph, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"url":"http://lookaside.fbsbx.com/x"}`)
		}, channel.Refused, whatsapp.AdviceFileGone, 1},
		"no address": {func(_ *graph, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }, channel.Again, whatsapp.AdviceLater, 1},
		"an old token": {func(_ *graph, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"message":"expired","code":190}}`)
		}, channel.Stop, whatsapp.AdviceToken, 1},
	} {
		var g *graph
		g = newGraph(t, func(w http.ResponseWriter, r *http.Request, _ []byte) { c.answer(g, w, r) })
		_, err := g.sender(t).Fetch(t.Context(), "5")
		wantClass(t, name, err, c.class, c.advice)
		if len(g.all()) != c.calls {
			t.Errorf("%s: %d calls, want %d", name, len(g.all()), c.calls)
		}
	}
	g := newGraph(t, accept)
	for _, id := range []string{"", "../me", "5?x=1", "a/b", "5%2f"} {
		_, err := g.sender(t).Fetch(t.Context(), id)
		wantClass(t, "id "+id, err, channel.Refused, whatsapp.AdviceFileGone)
	}
	if len(g.all()) != 0 {
		t.Errorf("called %s", g.all()[0].path)
	}
}

// TestFileHosts: an inbox at Meta may fetch from Meta's content hosts.
func TestFileHosts(t *testing.T) {
	asked := ""
	doer := doerFunc(func(r *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		if r.URL.Host == "graph.facebook.com" {
			fmt.Fprint(rec, `{"url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1"}`)
		} else {
			asked = r.URL.Host + " " + r.Header.Get("Authorization")
		}
		return rec.Result(), nil
	})
	f, err := whatsapp.New().Open(settings(), doer).Fetch(t.Context(), "5")
	if err != nil {
		t.Fatal(err)
	}
	f.Body.Close()
	if asked != "lookaside.fbsbx.com Bearer a-token-for-tests" {
		t.Errorf("asked %q", asked)
	}
}

type doerFunc func(*http.Request) (*http.Response, error)

func (f doerFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestTemplates(t *testing.T) {
	g := newGraph(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if r.URL.Query().Get("after") == "" {
			fmt.Fprint(w, `{"data":[{"name":"order","language":"id","status":"APPROVED","category":"UTILITY","id":"9","parameter_format":"NAMED",`+
				`"components":[{"type":"HEADER","format":"TEXT","text":"Order {{no}}"},{"type":"BODY","text":"Hi {{first_name}}","example":`+
				`{"body_text_named_params":[{"param_name":"first_name","example":"Ana"}]}},{"type":"FOOTER","text":"bye"},{"type":"BUTTONS",`+
				`"buttons":[{"type":"URL","text":"Track","url":"https://example.com/{{1}}"},{"type":"QUICK_REPLY","text":"Stop"}]}]},`+
				`"rubbish"],"paging":{"cursors":{"after":"p2"},"next":"https://elsewhere.example/steal"}}`)
			return
		}
		fmt.Fprint(w, `{"data":[{"name":"photo","language":"en","status":"PAUSED","category":"MARKETING","id":1,"parameter_format":"POSITIONAL",`+
			`"components":[{"type":"HEADER","format":"IMAGE"},{"type":"BODY","text":"{{1}} {{2}}","example":{"body_text":[["a","b"]]}}]}],`+
			`"paging":{"cursors":{"after":"p3"}}}`)
	})
	got, err := g.sender(t).Templates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []app.Template{
		{
			Name: "order", Language: "id", Category: "UTILITY", Status: "APPROVED", Header: "Order {{no}}", Body: "Hi {{first_name}}",
			Footer: "bye", Named: true, ID: "9", Examples: []app.Field{{Name: "first_name", Value: "Ana"}}, Buttons: []app.TemplateButton{
				{Kind: "URL", Text: "Track", URL: "https://example.com/{{1}}"}, {Kind: "QUICK_REPLY", Text: "Stop"},
			},
		},
		{
			Name: "photo", Language: "en", Category: "MARKETING", Status: "PAUSED", HeaderMedia: "IMAGE", Body: "{{1}} {{2}}", ID: "1",
			Examples: []app.Field{{Name: "1", Value: "a"}, {Name: "2", Value: "b"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(g.all()[1].path, "/v25.0/102290129340398/message_templates?after=p2&") {
		t.Errorf("second page: %s", g.all()[1].path)
	}
}

// TestTemplatesEnd: a list that never ends is left after 20 pages.
func TestTemplatesEnd(t *testing.T) {
	n := 0
	g := newGraph(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		n++
		fmt.Fprintf(w, `{"data":[{"name":"t%d"}],"paging":{"cursors":{"after":"p%d"},"next":"x"}}`, n, n)
	})
	got, err := g.sender(t).Templates(t.Context())
	if err != nil || len(got) != 20 || n != 20 {
		t.Errorf("%d templates from %d pages, %v", len(got), n, err)
	}
}

func TestProbe(t *testing.T) {
	g := newGraph(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if strings.HasSuffix(r.URL.Path, "/subscribed_apps") {
			fmt.Fprint(w, `{"data":[{"whatsapp_business_api_data":{"id":"1"}}]}`)
			return
		}
		fmt.Fprint(w, `{"display_phone_number":"+1 555-078-3881","verified_name":"Example","quality_rating":"GREEN","throughput":{"level":"STANDARD"},"id":"1"}`)
	})
	got, err := g.sender(t).Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []app.Field{
		{Name: "display_phone_number", Value: "+1 555-078-3881"},
		{Name: "verified_name", Value: "Example"},
		{Name: "quality_rating", Value: "GREEN"},
		{Name: "throughput.level", Value: "STANDARD"},
		{Name: "subscribed", Value: "yes"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, field := range []string{"quality_rating", "webhook_configuration", "whatsapp_business_manager_messaging_limit"} {
		if !strings.Contains(g.all()[0].path, field) {
			t.Errorf("does not ask for %s", field)
		}
	}
}

// TestHosts: the hosts of an inbox are its API, and Meta's.
func TestHosts(t *testing.T) {
	e := egress.New(egress.Options{})
	e.Client("whatsapp", whatsapp.Hosts(settings())...)
	var got []string
	for _, h := range e.Hosts() {
		got = append(got, h.Pattern)
	}
	if diff := cmp.Diff([]string{"*.fbsbx.com", "*.whatsapp.net", "graph.facebook.com"}, got); diff != "" {
		t.Error(diff)
	}
}
