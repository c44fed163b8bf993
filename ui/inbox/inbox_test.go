// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/apptest"
	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/locale"
)

var update = flag.Bool("update", false, "rewrite testdata")

// bench is the pages over a desk with sample people, seen by one person.
type bench struct {
	*apptest.Sample
	t   testing.TB
	e   *echo.Echo
	l   *locale.Locale
	who app.Actor
	now time.Time
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{Sample: apptest.NewDesk(tb), t: tb, e: echo.New(), l: locale.English(), now: apptest.Start}
	b.who = b.Owner
	b.e.HTTPErrorHandler = func(err error, c echo.Context) {
		text, _ := problemText(b.l, err)
		_ = c.String(http.StatusTeapot, text+" "+err.Error())
	}
	Register(b.e, Deps{
		Desk: b.Desk,
		Signed: func(h func(echo.Context, app.Actor) error) echo.HandlerFunc {
			return func(c echo.Context) error { return h(c, b.who) }
		},
		View:    b.view,
		Locale:  func(echo.Context) *locale.Locale { return b.l },
		Problem: problemText,
		Log:     slog.New(slog.DiscardHandler),
		Now:     func() time.Time { return b.now },
	})
	return b
}

func (b *bench) view(c echo.Context, _ app.Actor, title string) (layout.View, error) {
	return layout.View{
		Title: title, Locale: b.l, Path: c.Request().URL.Path, Live: "/live?after=1",
		Agent: layout.Agent{Name: "Rina", Initials: "R", SignOut: "/sign-out"},
		Nav:   []layout.NavItem{{Path: "/inbox", Icon: "inbox", Label: "layout.inbox", Current: true}},
	}, nil
}

// problemText is what package ui does, without its catalogue.
func problemText(_ *locale.Locale, err error) (string, bool) {
	p, ok := err.(*app.Problem) //nolint:errorlint // the desk returns it bare
	if !ok {
		return "", false
	}
	return p.Text, true
}

// do makes a request; htmx says that a script asks for parts.
func (b *bench) do(method, path string, form url.Values, htmx bool) *httptest.ResponseRecorder {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, body)
	if form != nil {
		r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationForm)
	}
	if htmx {
		r.Header.Set("HX-Request", "true")
	}
	w := httptest.NewRecorder()
	b.e.ServeHTTP(w, r)
	return w
}

func (b *bench) get(path string) string {
	b.t.Helper()
	w := b.do(http.MethodGet, path, nil, false)
	if w.Code != http.StatusOK {
		b.t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func (b *bench) path(name string) string { return Path(b.Threads[name]) }

var volatile = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`/assets/([a-z0-9-]+)\.[0-9A-Za-z]+\.([a-z0-9]+)`), "/assets/$1.$2"},
	{regexp.MustCompile(`key=[A-Z2-7]{26}`), "key=KEY"},
	{regexp.MustCompile(`name="key" value="[A-Z2-7]{26}"`), `name="key" value="KEY"`},
	{regexp.MustCompile(`name="(head|log|side)" value="[a-z0-9]+"`), `name="$1" value="SUM"`},
	{regexp.MustCompile(`><`), ">\n<"},
}

func (b *bench) golden(name, html string) {
	b.t.Helper()
	for _, v := range volatile {
		html = v.from.ReplaceAllString(html, v.to)
	}
	html += "\n"
	file := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(file, []byte(html), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	if d := cmp.Diff(string(want), html); d != "" {
		b.t.Errorf("%s changed; look at it, then run with -update\n%s", file, d)
	}
}

// showcase are pages that together show every part of the inbox.
func (b *bench) showcase() map[string]string {
	first := b.Find(b.t, apptest.Kinds, func(m *app.Message) bool { return m.ExternalID != "" && m.Direction == app.In })
	edited := b.Find(b.t, apptest.Kinds, func(m *app.Message) bool { return len(m.Versions) > 0 })
	return map[string]string{
		"list":     "/inbox?view=all",
		"empty":    "/inbox?view=all&queue=unread&label=1",
		"kinds":    b.path(apptest.Kinds) + "?view=mine&reply=" + first.ID.String(),
		"statuses": b.path(apptest.Sari),
		"closed":   b.path(apptest.Budi),
		"failed":   b.path(apptest.Warung) + "?view=mine&queue=failed",
		"contact":  b.path(apptest.Kopi) + "?pane=contact",
		"picker":   b.path(apptest.Sari) + "/templates?template=order_shipped/en",
		"message":  messagePath(edited.ID),
		"search":   "/inbox?q=sar",
	}
}

func TestGolden(t *testing.T) {
	b := newBench(t)
	pages := b.showcase()
	for _, name := range slices.Sorted(maps.Keys(pages)) { // opening marks as seen, so the order matters
		path := pages[name]
		b.l = locale.English()
		if strings.HasPrefix(name, "c") {
			b.l = locale.Match("id", "")
		}
		b.golden(name, b.get(path))
	}
}

// TestEveryWordIsFromTheCatalogue draws the pages in the pseudo language: what is not in brackets and not the sample's
// own was written into the source.
func TestEveryWordIsFromTheCatalogue(t *testing.T) {
	b := newBench(t)
	allowed := b.words()
	b.l = locale.Pseudo()
	for name, path := range b.showcase() {
		if found := locale.HardCoded(b.get(path), allowed...); len(found) > 0 {
			t.Errorf("%s: text that is not from the catalogue: %q", name, found)
		}
	}
}

// words are all words of the sample: names, messages, templates, ids, and keys of the keyboard.
func (b *bench) words() []string {
	b.t.Helper()
	all := []any{[]string{"IDR", "Rina", "Tomas", "Me", "PDF,", "UTC", "Enter", "Esc", "(A)", "(L)", "(E)", "(?)", "Front", "desk", "FD", "sar", "“sar”", "♥", "Ñ", "shops"}}
	for letter := 'A'; letter <= 'Z'; letter++ {
		all = append(all, string(letter))
	}
	ctx := b.t.Context()
	for name := range b.Threads {
		thread, err := b.Thread(ctx, name)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, name, component.Initials(name), thread)
		for _, m := range thread {
			all = append(all, m.ID.String())
		}
	}
	people, _, err := b.Desk.Contacts(ctx, b.Owner, app.ContactQuery{Limit: 100})
	if err != nil {
		b.t.Fatal(err)
	}
	list, _, err := b.Desk.Templates(ctx, b.Owner, b.Inbox)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, v := range append(all, people, list, b.Labels) {
		out = append(out, leaves(b.t, v)...)
	}
	for _, w := range out {
		out = append(out, component.Initials(w), strings.TrimRight(w, "."), w+",", "("+w+")")
	}
	return append(out, "JS", "Hello", "Sari,", "fb.example", "kopi.pagi")
}

func leaves(tb testing.TB, v any) []string {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		tb.Fatal(err)
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, strings.Fields(v)...)
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for key, one := range v {
				out = append(out, key)
				walk(one)
			}
		}
	}
	walk(tree)
	return out
}

// TestNoMissingKeys looks for keys that came back as themselves.
func TestNoMissingKeys(t *testing.T) {
	b := newBench(t)
	key := regexp.MustCompile(`\b(component|layout|inbox|channel|advice|time)\.[a-z_]+\b`)
	for _, b.l = range locale.All() {
		for name, path := range b.showcase() {
			if found := key.FindAllString(b.get(path), -1); len(found) > 0 {
				t.Errorf("%s: keys without a text: %q", name, found)
			}
		}
	}
}

// TestNoInlineCode holds the pages to the content security policy.
func TestNoInlineCode(t *testing.T) {
	b := newBench(t)
	inline := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|\sstyle=|\son[a-z]+=|javascript:|<style`)
	for name, path := range b.showcase() {
		if found := inline.FindString(b.get(path)); found != "" {
			t.Errorf("%s holds %q", name, found)
		}
	}
}

// TestPaused: whoever writes through an inbox that sends nothing sees that, and where to look.
func TestPaused(t *testing.T) {
	b := newBench(t)
	path := b.path(apptest.Sari)
	if strings.Contains(b.get(path), "Nothing is sent from") {
		t.Fatal("an inbox that works is said to wait")
	}
	why := app.Failure{Code: 190, Title: "Access token has expired", Advice: "advice.token"}
	if err := b.Desk.PauseInbox(t.Context(), b.Inbox, why); err != nil {
		t.Fatal(err)
	}
	page := b.get(path)
	for _, want := range []string{"Nothing is sent from", "The access token of this inbox", `href="/channels/`, "channel from:#live"} {
		if !strings.Contains(page, want) {
			t.Errorf("the thread lacks %q", want)
		}
	}
}
