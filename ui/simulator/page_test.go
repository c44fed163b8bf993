// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"kith/app/channel/simulator"
	"kith/ui/layout"
	"kith/ui/locale"
)

var update = flag.Bool("update", false, "rewrite testdata")

var hashed = regexp.MustCompile(`/assets/([a-z-]+)\.[0-9A-Za-z]+\.([a-z0-9]+)`)

func contextUntil(t *testing.T, stop <-chan struct{}) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-stop; cancel() }()
	return ctx
}

// chat fills Dewi's phone with one message of every kind.
func (b *bench) chat() {
	b.t.Helper()
	for _, m := range moreItems {
		b.post(PhonePath("dewi")+"/do", url.Values{"do": {m.do}})
		b.pass(time.Second)
	}
	for _, content := range []simulator.Content{
		simulator.Media{Bytes: []byte("x"), MIME: "video/mp4", Caption: "A film"},
		simulator.Media{Bytes: []byte("x"), MIME: "audio/mpeg"},
		simulator.Media{Bytes: []byte("%PDF-"), MIME: "application/pdf", Filename: "list.pdf"},
		simulator.Media{Bytes: []byte("x"), MIME: "image/webp"},
		simulator.ChangeNumber{Phone: "628000000001"},
	} {
		if _, err := b.w.Say(b.t.Context(), "dewi", content); err != nil {
			b.t.Fatal(err)
		}
		b.pass(time.Second)
	}
	b.business(interactive("button", map[string]any{"buttons": []any{map[string]any{"type": "reply", "reply": map[string]any{"id": "yes", "title": "Yes"}}}}))
	b.business(interactive("list", map[string]any{"button": "Choose", "sections": []any{map[string]any{"title": "S", "rows": []any{map[string]any{"id": "ten", "title": "10:00", "description": "Shop"}}}}}))
	b.business(interactive("cta_url", map[string]any{"name": "cta_url", "parameters": map[string]any{"display_text": "Open", "url": "https://shop.example"}}))
	b.business(interactive("location_request_message", map[string]any{"name": "send_location"}))
	b.business(interactive("request_contact_info", map[string]any{"name": "request_contact_info"}))
	b.business(map[string]any{"to": "628000000001", "type": "image", "image": map[string]any{"link": "https://shop.example/a.png"}})
	first := b.w.Thread("dewi")[0].ID
	b.business(map[string]any{"to": "628000000001", "text": map[string]any{"body": "Thank you"}, "context": map[string]any{"message_id": first}})
	b.post(PhonePath("dewi")+"/react", url.Values{"message": {first}, "emoji": {"❤️"}})
	if _, err := b.w.Say(b.t.Context(), "dewi", simulator.Text{Body: "gone"}); err != nil {
		b.t.Fatal(err)
	}
	b.post(PhonePath("dewi")+"/revoke", url.Values{"message": {b.last().ID}})
	b.pass(time.Second)
}

// TestGolden compares the page with the one that was looked at.
func TestGolden(t *testing.T) {
	for _, l := range locale.All() {
		with(t, l, func(b *bench) {
			empty := b.get(Path).Body.String()
			b.chat()
			if err := b.w.SetTrouble(simulator.TroubleSilence, 2); err != nil {
				t.Fatal(err)
			}
			full := b.get(PhonePath("dewi") + "?reply=" + url.QueryEscape(b.w.Thread("dewi")[2].ID)).Body.String()
			for name, html := range map[string]string{"empty": empty, "full": full} {
				golden(t, name+"."+l.Tag+".html", html)
			}
		})
	}
}

func golden(t *testing.T, name, html string) {
	t.Helper()
	got := hashed.ReplaceAllString(html, "/assets/$1.$2")
	got = strings.ReplaceAll(got, "><", ">\n<") + "\n"
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s changed; look at it, then run with -update\n%s", file, d)
	}
}

// theirs is what people write, which is not the interface's to translate.
var theirs = regexp.MustCompile(`(?s)<(p|b|span|figcaption|button|textarea|th|td)[^>]*\b(dir="auto"|class="file-n"|class="cv-n[^"]*")[^>]*>.*?</(p|b|span|figcaption|button|textarea|th|td)>`)

// TestEveryWordIsFromTheCatalogue draws the page in the pseudo language. What
// is left outside the brackets must be names, addresses and numbers.
func TestEveryWordIsFromTheCatalogue(t *testing.T) {
	with(t, locale.Pseudo(), func(b *bench) {
		for _, html := range []string{b.get(Path).Body.String(), b.get(PhonePath("dewi") + "/network").Body.String()} {
			if found := hardCoded(html); len(found) > 0 {
				t.Errorf("text that is not from the catalogue: %q", found)
			}
		}
	})
	if len(hardCoded(`<p>Send</p>`)) == 0 {
		t.Error("the search finds nothing at all")
	}
}

func hardCoded(html string) []string {
	_, html, _ = strings.Cut(html, `<main`)
	if html == "" {
		html = "<p>Send</p>"
	}
	html = theirs.ReplaceAllString(html, "")
	html = regexp.MustCompile(`(?s)<svg.*?</svg>|<span class="av[^"]*"[^>]*>.*?</span>`).ReplaceAllString(html, "")
	html = regexp.MustCompile(`⟦[^⟧]*⟧`).ReplaceAllString(html, "")
	var found []string
	for _, m := range regexp.MustCompile(`>([^<]+)<`).FindAllStringSubmatch(html, -1) {
		if regexp.MustCompile(`\pL{2,}`).MatchString(m[1]) {
			found = append(found, m[1])
		}
	}
	return found
}

// TestPolicyHolds looks for what the content security policy would block, and
// for keys and assets that do not exist.
func TestPolicyHolds(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		b.chat()
		html := b.get(PhonePath("dewi")).Body.String()
		for _, forbidden := range []string{
			`\sstyle=`, `\son[a-z]+=`, `<style`, `<script>`, `javascript:`, `\shx-on`, `simulator\.[a-z_]+<`, `/assets/missing/`, `aria-hidden="true"></svg>`,
		} {
			if found := regexp.MustCompile(forbidden).FindString(html); found != "" {
				t.Errorf("the page must not hold %q", found)
			}
		}
		seen := map[string]bool{}
		for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(html, -1) {
			if seen[m[1]] {
				t.Errorf("two elements have the id %q", m[1])
			}
			seen[m[1]] = true
		}
	})
}

// TestLive reads the event stream over a real connection.
func TestLive(t *testing.T) {
	w := simulator.New(simulator.Options{Doer: hook{}})
	e := echo.New()
	Register(e.Group(""), Deps{World: w, View: func(_ echo.Context, title string) layout.View {
		return layout.View{Title: title, Locale: locale.English()}
	}})
	s := httptest.NewServer(e)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+PhonePath("dewi")+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // nothing was written
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream of %s", res.Header.Get("Content-Type"))
	}
	in := bufio.NewReader(res.Body)
	if first := event(t, in); !strings.Contains(first, "sim-log") || strings.Contains(first, "Halo semua") {
		t.Errorf("the first event does not hold the phone: %s", first)
	}
	if _, err := w.Say(ctx, "dewi", simulator.Text{Body: "Halo semua"}); err != nil {
		t.Fatal(err)
	}
	if second := event(t, in); !strings.Contains(second, "Halo semua") {
		t.Errorf("the second event does not hold the message: %s", second)
	}
}

func event(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF { //nolint:errorlint // ReadString returns it bare
			t.Fatal(err)
		}
		if line == "\n" || err != nil {
			return b.String()
		}
		if !strings.HasPrefix(line, "data: ") {
			t.Fatalf("line of an event: %q", line)
		}
		b.WriteString(line)
	}
}

// TestLiveReads says that an open page is a phone in the hand.
func TestLiveReads(t *testing.T) {
	with(t, locale.English(), func(b *bench) {
		t := b.t
		b.post(PhonePath("dewi")+"/say", url.Values{"text": {"Halo"}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.serve(httptest.NewRequestWithContext(ctx, http.MethodGet, PhonePath("dewi")+"/live", nil))
		}()
		synctest.Wait()
		b.business(map[string]any{"to": "628000000001", "text": map[string]any{"body": "Hello"}})
		if p, _ := b.w.Customer("dewi"); p.Unread != 0 {
			t.Errorf("%d unread with the page open", p.Unread)
		}
		cancel()
		<-done
		b.business(map[string]any{"to": "628000000001", "text": map[string]any{"body": "Still there?"}})
		if p, _ := b.w.Customer("dewi"); p.Unread != 1 {
			t.Errorf("%d unread with the page closed", p.Unread)
		}
	})
}
