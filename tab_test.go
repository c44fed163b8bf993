// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take for one thing on a machine that does much else.
const patience = 60 * time.Second

// browser is one Chromium without a window.
type browser struct {
	tb  testing.TB
	ctx context.Context
}

// openBrowser starts Chromium: the one KITH_CHROMIUM names, else the first one found. Without any, or with
// KITH_CHROMIUM=none, the test is skipped.
func openBrowser(tb testing.TB) *browser {
	tb.Helper()
	path := os.Getenv("KITH_CHROMIUM")
	if path == "none" {
		tb.Skip("KITH_CHROMIUM=none")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if found, err := exec.LookPath(name); path == "" && err == nil {
			path = found
		}
	}
	if path == "" {
		tb.Skip("no Chromium; make test installs one")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.UserDataDir(tb.TempDir()))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses its sandbox to root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(tb.Context()), options...)
	tb.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	tb.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatalf("starting %s: %v", path, err)
	}
	return &browser{tb: tb, ctx: ctx}
}

// tab is one page of a browser. It notes whatever a console would show.
type tab struct {
	tb  testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	expected   []string
	loads      map[network.RequestID]*fetched
}

// fetched is one response and the size of its body on the wire.
type fetched struct {
	url, kind string
	status    int64
	bytes     float64
}

// tab opens a page in a profile of its own: nobody is signed in.
func (b *browser) tab(tb testing.TB, width, height int64) *tab {
	tb.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	tb.Cleanup(cancel)
	t := newTab(ctx, tb)
	t.size(width, height)
	return t
}

// beside opens another page of the same profile.
func (t *tab) beside(width, height int64) *tab {
	t.tb.Helper()
	ctx, cancel := chromedp.NewContext(t.ctx)
	t.tb.Cleanup(cancel)
	next := newTab(ctx, t.tb)
	next.size(width, height)
	return next
}

func newTab(ctx context.Context, tb testing.TB) *tab {
	tb.Helper()
	t := &tab{tb: tb, ctx: ctx, loads: map[network.RequestID]*fetched{}}
	if err := chromedp.Listen(ctx, t.hear); err != nil {
		tb.Fatal(err)
	}
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `document.addEventListener("securitypolicyviolation", e => console.error("CSP", e.violatedDirective, e.blockedURI, e.sourceFile, e.sample))`,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// hear is called for every event of the page.
func (t *tab) hear(ev any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range e.Args {
			words = append(words, strings.Trim(string(a.Value)+" "+a.Description, ` "`))
		}
		t.complain("console." + string(e.Type) + ": " + strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		what := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			what += " " + x.Description
		}
		t.complain("exception: " + what + " at " + e.ExceptionDetails.URL)
	case *log.EventEntryAdded:
		t.complain(fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *network.EventResponseReceived:
		// What came until now are the headers; budgets are about bodies.
		t.loads[e.RequestID] = &fetched{url: e.Response.URL, kind: string(e.Type), status: e.Response.Status, bytes: -e.Response.EncodedDataLength}
	case *network.EventLoadingFinished:
		if l := t.loads[e.RequestID]; l != nil {
			l.bytes += e.EncodedDataLength
		}
	}
}

func (t *tab) complain(what string) {
	for _, known := range t.expected {
		if strings.Contains(what, known) {
			return
		}
	}
	t.complaints = append(t.complaints, what)
}

// calm fails the test for every console message, exception and violation since it was last asked.
func (t *tab) calm(where string) {
	t.tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.complaints {
		t.tb.Errorf("%s: %s", where, c)
	}
	t.complaints = nil
}

func (t *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.fail(what, err)
	}
}

// fail ends the test with what the page shows.
func (t *tab) fail(what string, err error) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 10*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 1500)`))
	t.shot("failed-" + strings.ReplaceAll(t.tb.Name(), "/", "-"))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tb.Fatalf("%s: %v\nconsole: %q\n%s", what, err, t.complaints, text)
}

func (t *tab) open(url string) { t.tb.Helper(); t.do("opening "+url, chromedp.Navigate(url)) }

func (t *tab) click(css string) {
	t.tb.Helper()
	t.do("clicking "+css, chromedp.Click(chromedp.CSS(css)))
}

func (t *tab) fill(css, text string) {
	t.tb.Helper()
	t.do("filling "+css, chromedp.WaitVisible(chromedp.CSS(css)))
	eval[bool](t, fmt.Sprintf(`(e => { e.focus(); e.select(); return true })(document.querySelector(%s))`, quoted(css)))
	t.do("filling "+css, chromedp.SendKeys(chromedp.CSS(css), text))
}

func (t *tab) choose(css string, files ...string) {
	t.tb.Helper()
	t.do("choosing files in "+css, chromedp.SetUploadFiles(chromedp.CSS(css), files))
}

// eval returns the value of an expression in the page.
func eval[T any](t *tab, expression string, options ...chromedp.EvaluateOption) T {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		t.fail(expression[:min(len(expression), 200)], err)
	}
	return v
}

// until waits for an expression to become true; it may navigate meanwhile.
func (t *tab) until(what, expression string) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && yes {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.fail("waiting for "+what, err)
		}
	}
}

// sees waits until the element's text contains the words.
func (t *tab) sees(css, words string) {
	t.tb.Helper()
	t.until(fmt.Sprintf("%q in %s", words, css), fmt.Sprintf(
		`[...document.querySelectorAll(%s)].some(e => e.innerText.includes(%s))`, quoted(css), quoted(words)))
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(text)
}

func (t *tab) size(width, height int64) {
	t.tb.Helper()
	options := []chromedp.EmulateViewportOption{}
	if width < 600 {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	t.do("sizing the page", chromedp.EmulateViewport(width, height, options...))
}

// scheme makes the page light or dark, and its motion short.
func (t *tab) scheme(name string) {
	t.tb.Helper()
	_, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		t.tb.Fatal(err)
	}
}

// shot keeps a picture in the folder that KITH_SHOTS names.
func (t *tab) shot(name string) {
	dir := os.Getenv("KITH_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		t.tb.Logf("picture %s: %v", name, err)
	}
}

// cold opens an address with empty caches and returns what was loaded until the network was silent.
func (t *tab) cold(url string) []fetched {
	t.tb.Helper()
	if _, err := chromedp.Call(t.ctx, network.ClearBrowserCache, cdp.Empty{}); err != nil {
		t.tb.Fatal(err)
	}
	t.open("about:blank")
	t.mu.Lock()
	clear(t.loads)
	t.mu.Unlock()
	t.open(url)
	t.until("fonts and pictures", `document.fonts.status === "loaded" && [...document.images].every(i => i.complete)`)
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []fetched
	for _, l := range t.loads {
		if !strings.Contains(l.url, "/live?") && !strings.HasPrefix(l.url, "data:") && l.status == http.StatusOK {
			all = append(all, *l)
		}
	}
	return all
}

// violations are what axe-core calls serious or critical about the page as it is now.
func (t *tab) violations() []string {
	t.tb.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "axe.min.js"))
	if err != nil {
		t.tb.Fatal(err)
	}
	if !eval[bool](t, `typeof axe === "object"`) {
		eval[bool](t, string(source)+"\n;true")
	}
	return eval[[]string](t, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations
		.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.id + " (" + v.impact + "): " + v.nodes.slice(0, 4).map(n => n.html.slice(0, 160) + " — " + (n.any[0] || n.all[0] || n.none[0] || {}).message).join(" | ")))`,
		chromedp.EvalAwaitPromise)
}

// overflow names the elements that make the page wider than its window.
func (t *tab) overflow() []string {
	t.tb.Helper()
	return eval[[]string](t, `(() => {
		const root = document.scrollingElement, w = root.clientWidth;
		if (root.scrollWidth <= w) return [];
		return ["the page is " + root.scrollWidth + " wide in " + w, ...[...document.body.querySelectorAll("*")]
			.filter(e => e.getBoundingClientRect().right > w + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 120))];
	})()`)
}

// reportTo makes the tab report to a subtest.
func (t *tab) reportTo(tb testing.TB) *tab {
	tb.Helper()
	t.tb = tb
	return t
}

// goBack is the button of the browser.
var goBack = chromedp.NavigateBack()

// mark remembers the document, unmoved fails when another one was loaded since.
func (t *tab) mark() { t.tb.Helper(); eval[bool](t, "window.kithMark = true") }

func (t *tab) unmoved(what string) {
	t.tb.Helper()
	if !eval[bool](t, "window.kithMark === true") {
		t.tb.Errorf("%s: the page was loaded anew", what)
	}
}

// expect lets complaints with one of the words pass from now on.
func (t *tab) expect(words ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expected = append(t.expected, words...)
}

// signIn signs the owner of the tests in.
func (t *tab) signIn(s *server) {
	t.tb.Helper()
	t.open(s.base + "/inbox")
	t.until("to be asked to sign in", `location.pathname === "/sign-in"`)
	t.fill(`input[name="email"]`, ownerEmail)
	t.fill(`input[name="password"]`, ownerPassword)
	t.click(`form.signin button[type="submit"]`)
	t.until("the inbox", `location.pathname === "/inbox" && document.querySelector("#convs")`)
}
