// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/apptest"
	"kith/app/auth"
	"kith/store"
	"kith/ui/channels"
	"kith/ui/layout"
	"kith/ui/locale"
	"kith/ui/signin"
)

var update = flag.Bool("update", false, "rewrite testdata")

const sentence = "a long enough sentence"

// bench is the whole interface over a desk with sample people and a real doorkeeper.
type bench struct {
	*apptest.Sample
	t      testing.TB
	e      *echo.Echo
	auth   *auth.Auth
	cookie string
	lang   string
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{Sample: apptest.NewDesk(tb), t: tb, e: echo.New(), lang: "en"}
	b.auth = auth.New(b.DB, b.Desk, auth.Options{Now: func() time.Time { return apptest.Start }})
	b.register()
	return b
}

func (b *bench) register() {
	d := Deps{
		Desk: b.Desk, Auth: b.auth, Now: func() time.Time { return apptest.Start }, Base: "https://chat.example.com/",
		Replay: func(context.Context, app.Actor, app.MessageID) error {
			return &app.Problem{Kind: app.ErrInvalid, Key: "problem.still_unreadable", Args: []any{"42"}}
		},
		Simulator: func(g *echo.Group, view func(echo.Context, string) layout.View) {
			g.GET("/simulator", func(c echo.Context) error { return c.String(http.StatusOK, view(c, "x").Agent.Name) })
		},
	}
	page := ErrorPage(d)
	b.e.HTTPErrorHandler = func(err error, c echo.Context) {
		var p *app.Problem
		status := http.StatusInternalServerError
		if errors.As(err, &p) {
			status = map[error]int{app.ErrForbidden: http.StatusForbidden, app.ErrNotFound: http.StatusNotFound}[p.Kind]
		}
		if err := page(c, max(status, http.StatusBadRequest), p); err != nil {
			b.t.Error(err)
		}
	}
	Register(b.e, d)
}

func (b *bench) signIn(a app.Actor) {
	b.t.Helper()
	if err := b.auth.SetPassword(b.t.Context(), app.Host(), a.Agent(), sentence); err != nil {
		b.t.Fatal(err)
	}
	who, err := b.Desk.Agent(b.t.Context(), a.Agent())
	if err != nil {
		b.t.Fatal(err)
	}
	if b.cookie, err = b.auth.SignIn(b.t.Context(), who.Email, sentence, "192.0.2.1"); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationForm)
	}
	r.AddCookie(&http.Cookie{Name: "lang", Value: b.lang})
	if b.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "kith-s", Value: b.cookie})
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.e.ServeHTTP(w, r)
	return w
}

func cookie(w *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// TestStrangersStayOutside asks for every page without a session.
func TestStrangersStayOutside(t *testing.T) {
	b := newBench(t)
	open := []string{"/", "/sign-in", "/claim/:token", "/invite/:token", "/assets/*", "/sign-out", "/preferences"}
	for _, r := range b.e.Routes() {
		if slices.Contains(open, r.Path) || r.Method == echo.RouteNotFound {
			continue
		}
		path := strings.NewReplacer(":id", "1", ":message", "1.1.1", ":n", "0", ":entry", "1.1.1").Replace(r.Path)
		w := b.do(r.Method, path, nil)
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/sign-in") {
			t.Errorf("%s %s answers a stranger with %d %q", r.Method, path, w.Code, to)
		}
	}
	w := b.do(http.MethodGet, "/inbox?view=all", nil)
	if to := w.Header().Get("Location"); to != "/sign-in?next=%2Finbox%3Fview%3Dall" {
		t.Errorf("the way back is lost: %q", to)
	}
	for _, h := range [][]string{{"HX-Request", "true"}, {"Accept", "text/event-stream"}} {
		if w := b.do(http.MethodGet, "/live", nil, h...); w.Code != http.StatusUnauthorized || w.Header().Get("HX-Redirect") == "" {
			t.Errorf("%v: %d", h, w.Code)
		}
	}
}

func TestSignInAndOut(t *testing.T) {
	b := newBench(t)
	b.signIn(b.Owner)
	b.cookie = ""
	form := url.Values{"email": {"rina@kith.example"}, "password": {"wrong"}, "next": {"/channels"}}
	w := b.do(http.MethodPost, "/sign-in", form)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "The e-mail address or the password is not right.") ||
		!strings.Contains(w.Body.String(), `value="rina@kith.example"`) || strings.Contains(w.Body.String(), `value="wrong"`) {
		t.Errorf("a wrong password: %d %s", w.Code, w.Body)
	}
	form.Set("password", sentence)
	w = b.do(http.MethodPost, "/sign-in", form)
	c := cookie(w, "kith-s")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/channels" || c == nil {
		t.Fatalf("signing in: %d %v", w.Code, w.Header())
	}
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure {
		t.Errorf("the cookie is %+v", c)
	}
	b.cookie = c.Value
	if w = b.do(http.MethodGet, "/inbox", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "/live?after=") {
		t.Errorf("the inbox answers %d", w.Code)
	}
	if w = b.do(http.MethodGet, "/sign-in", nil); w.Header().Get("Location") != "/inbox" {
		t.Errorf("somebody who is signed in sees the door: %d", w.Code)
	}
	if w = b.do(http.MethodGet, "/simulator", nil); w.Body.String() != "Rina" {
		t.Errorf("the simulator's pages do not know who looks: %q", w.Body)
	}
	w = b.do(http.MethodPost, "/sign-out", nil)
	if c := cookie(w, "kith-s"); c == nil || c.MaxAge >= 0 {
		t.Error("the cookie stays")
	}
	if w = b.do(http.MethodGet, "/inbox", nil); w.Code != http.StatusSeeOther {
		t.Error("the session outlives signing out")
	}
}

// TestClaim: the link makes one owner and lets them in; afterwards it is worth nothing.
func TestClaim(t *testing.T) {
	db, err := store.Open(t.TempDir()+"/data", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	desk := app.NewDesk(db, app.Options{Rules: apptest.Rules()})
	b := &bench{Sample: &apptest.Sample{DB: db, Desk: desk}, t: t, e: echo.New(), lang: "en", auth: auth.New(db, desk, auth.Options{})}
	b.register()
	token, err := b.auth.NewClaim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.golden("claim", strings.ReplaceAll(b.do(http.MethodGet, "/claim/"+token, nil).Body.String(), token, "TOKEN"))
	form := url.Values{"name": {"Rina"}, "email": {"rina@kith.example"}, "password": {"short"}, "zone": {"Asia/Jakarta"}, "organisation": {"Kedai"}}
	if w := b.do(http.MethodPost, "/claim/"+token, form); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "at least 12") {
		t.Errorf("a short password: %d %s", w.Code, w.Body)
	}
	form.Set("password", sentence)
	w := b.do(http.MethodPost, "/claim/"+token, form)
	if w.Code != http.StatusSeeOther || cookie(w, "kith-s") == nil {
		t.Fatalf("claiming: %d %s", w.Code, w.Body)
	}
	b.cookie = cookie(w, "kith-s").Value
	if w = b.do(http.MethodGet, "/channels", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "No number is connected yet") {
		t.Errorf("the owner's first page: %d", w.Code)
	}
	if s, err := desk.Settings(t.Context()); err != nil || s.TimeZone != "Asia/Jakarta" || s.Organisation != "Kedai" {
		t.Errorf("settings %+v %v", s, err)
	}
	if w = b.do(http.MethodGet, "/claim/"+token, nil); w.Code != http.StatusNotFound {
		t.Errorf("the link works twice: %d", w.Code)
	}
}

func TestCookieUnderTLS(t *testing.T) {
	if signin.CookieName(true) != "__Host-kith" || signin.CookieName(false) != "kith-s" {
		t.Error("the name of the cookie does not follow the transport")
	}
}

func TestNextStaysHere(t *testing.T) {
	for next, want := range map[string]string{
		"/inbox/3?view=all": "/inbox/3?view=all", "": "/inbox", "//evil.example": "/inbox", "https://evil.example": "/inbox",
		`/\evil.example`: "/inbox", "/sign-in": "/inbox", "/live?after=3": "/inbox", "/a\nb": "/inbox",
	} {
		if got := signin.Next(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestRoles(t *testing.T) {
	b := newBench(t)
	b.signIn(b.Agent)
	w := b.do(http.MethodGet, "/channels", nil)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "Your role (agent) does not allow this.") {
		t.Errorf("an agent sees the channels: %d", w.Code)
	}
	if page := b.do(http.MethodGet, "/inbox", nil).Body.String(); strings.Contains(page, `href="/channels"`) {
		t.Error("the rail leads where the agent may not go")
	}
}

func TestPreferences(t *testing.T) {
	b := newBench(t)
	w := b.do(http.MethodPost, "/preferences", url.Values{"lang": {"id"}, "theme": {"dark"}, "next": {"//evil.example"}})
	if w.Header().Get("Location") != "/preferences" {
		t.Errorf("leads to %q", w.Header().Get("Location"))
	}
	if c := cookie(w, locale.Cookie); c == nil || c.Value != "id" {
		t.Errorf("language %v", c)
	}
	if c := cookie(w, layout.ThemeCookie); c == nil || c.Value != "dark" || c.HttpOnly {
		t.Errorf("theme %v", c)
	}
	w = b.do(http.MethodPost, "/preferences", url.Values{"lang": {"<script>"}, "theme": {"<script>"}})
	if c := cookie(w, locale.Cookie); c == nil || c.Value != "en" {
		t.Errorf("language %v", c)
	}
}

func TestReplay(t *testing.T) {
	b := newBench(t)
	b.signIn(b.Owner)
	list, err := b.Desk.Unreadable(t.Context(), b.Owner, b.Inbox, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := b.do(http.MethodPost, b.channel()+"/unreadable/"+list[0].ID.String()+"/replay", nil)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "It still cannot be read: 42") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestToken: a token that ran out is replaced on the page of its inbox, which then sends again.
func TestToken(t *testing.T) {
	b := newBench(t)
	b.signIn(b.Agent)
	if w := b.do(http.MethodPost, b.channel()+"/token", url.Values{"token": {"new"}}); w.Code != http.StatusForbidden {
		t.Errorf("an agent is answered %d", w.Code)
	}
	b.signIn(b.Owner)
	if err := b.Desk.PauseInbox(t.Context(), b.Inbox, app.Failure{Code: 190, Advice: "advice.token"}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "two words", "not a tok\u00e9n"} {
		w := b.do(http.MethodPost, b.channel()+"/token", url.Values{"token": {bad}})
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "This is not an access token.") {
			t.Errorf("%q is answered %d", bad, w.Code)
		}
	}
	if w := b.do(http.MethodPost, b.channel()+"/token", url.Values{"token": {" new "}}); w.Header().Get("Location") != b.channel() {
		t.Errorf("answered %d", w.Code)
	}
	in, err := b.Desk.Inbox(t.Context(), b.Inbox)
	if err != nil || in.Paused != nil || in.Settings["access_token"] != "new" {
		t.Errorf("paused %v, error %v", in.Paused, err)
	}
	if page := b.do(http.MethodGet, b.channel(), nil).Body.String(); strings.Contains(page, `value="new"`) {
		t.Error("the page shows the token")
	}
}

func (b *bench) channel() string { return channels.InboxPath(b.Inbox) }

func (b *bench) showcase() map[string]string {
	return map[string]string{
		"channels": "/channels", "channel": b.channel(), "connect": "/channels/connect", "preferences": "/preferences",
		"missing": "/inbox/999999",
	}
}

var volatile = []struct{ from, to string }{
	{`/assets/([a-z0-9-]+)\.[0-9A-Za-z]+\.([a-z0-9]+)`, "/assets/$1.$2"}, {`after=\d+`, "after=N"}, {`><`, ">\n<"},
}

func (b *bench) golden(name, html string) {
	b.t.Helper()
	for _, v := range volatile {
		html = regexp.MustCompile(v.from).ReplaceAllString(html, v.to)
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

func TestGolden(t *testing.T) {
	b := newBench(t)
	b.golden("sign-in", b.do(http.MethodGet, "/sign-in?next=/channels", nil).Body.String())
	b.signIn(b.Owner)
	pages := b.showcase()
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		b.golden(name, b.do(http.MethodGet, pages[name], nil).Body.String())
	}
}

// TestEveryWordIsFromTheCatalogue draws the pages in the pseudo language.
func TestEveryWordIsFromTheCatalogue(t *testing.T) {
	b := newBench(t)
	b.lang = locale.Pseudo().Tag
	allowed := []string{
		"Front", "desk", "FD", "GREEN", "UTC", "A", "message", "has", "no", "sender.", "account", "restriction", "approved",
		"template", "name", "order_shipped", "R", "Rina", "rina@kith.example", "T", "Tomas", "tomas@kith.example", "Ñ", "quality", "rating",
	}
	pages := b.showcase()
	pages["sign-in"] = "/sign-in"
	pages["account"], pages["people"], pages["set-up"], pages["prove"] = "/account", "/settings/people", "/sign-in/set-up", "/prove"
	pages["person"] = "/settings/people/" + strconv.FormatUint(b.Agent.ID, 10)
	b.signIn(b.Owner)
	for name, path := range pages {
		if name == "sign-in" {
			b.cookie = ""
		}
		html := b.do(http.MethodGet, path, nil).Body.String()
		if secret := secretOf(html); secret != "" {
			html = strings.ReplaceAll(html, secret, "")
		}
		if found := locale.HardCoded(html, append(allowed, languageNames()...)...); len(found) > 0 {
			t.Errorf("%s: text that is not from the catalogue: %q", name, found)
		}
		if name == "sign-in" {
			b.signIn(b.Owner)
		}
	}
}

func languageNames() []string {
	var out []string
	for _, l := range locale.All() {
		out = append(out, strings.Fields(l.Name)...)
	}
	return out
}

// TestProblemsHaveWords looks for every key of a Problem in the source: each has a sentence in each language.
func TestProblemsHaveWords(t *testing.T) {
	key := regexp.MustCompile(`"(problem\.[a-z_]*[a-z])"`)
	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == "build" || path == ".git" {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "app/api/") ||
			strings.HasPrefix(path, "app/cli/") || strings.HasPrefix(path, "app/server/tls") {
			return nil // the API and the command line speak English
		}
		text, err := os.ReadFile(filepath.Join("..", path))
		for _, m := range key.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 30 {
		t.Fatalf("only %d keys were found: the search is broken", len(found))
	}
	for key := range found {
		for _, l := range locale.All() {
			if !l.Has(key) {
				t.Errorf("%s has no sentence in %s", key, l.Tag)
			}
		}
	}
}
