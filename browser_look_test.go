// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// shop is a kith with an owner who is signed in, a simulated customer and every kind of message.
type shop struct {
	*server
	browser *browser
	tab     *tab   // the owner's
	claim   string // the address that made the owner
	thread  string // the path of the conversation with every kind of message
}

func openShop(t *testing.T) *shop {
	t.Helper()
	b := openBrowser(t)
	dir := dataDir(t)
	g := newGraph(t, map[string]graphFile{
		"3000000000000001": {"audio/ogg", []byte("OggS a voice")}, "3000000000000002": {"image/png", []byte("\x89PNG a picture")},
	})
	in := addInbox(t, dir, "Sample shop", "200000000000123", g.URL)
	s := &shop{server: serve(t, dir, "--simulator", "--simulator-chaos", "calm"), browser: b}
	s.claim = s.line(claimLine)
	s.tab = b.tab(t, 1440, 900)
	s.tab.open(s.claim)
	s.tab.fill(`input[name="name"]`, "Olivia Owner")
	s.tab.fill(`input[name="email"]`, ownerEmail)
	s.tab.fill(`input[name="password"]`, ownerPassword)
	s.tab.click(`form.signin button[type="submit"]`)
	s.tab.until("to be signed in", `document.querySelector('a[href="/inbox"]')`)
	s.fill(in)
	s.tab.open(s.base + "/inbox")
	path := eval[string](s.tab, `[...document.querySelectorAll("#convs a[data-row]")].find(a => a.innerText.includes("Sample Customer")).getAttribute("href")`)
	s.thread, _, _ = strings.Cut(path, "?")
	return s
}

// fill lets customers write: many people a little, and one of them everything.
func (s *shop) fill(in hook) {
	s.tb.Helper()
	now := time.Now().Unix()
	post := func(body []byte) {
		if status := deliver(http.DefaultClient, s.base+in.Path, body, sign(appSecret, body)); status != http.StatusOK {
			s.tb.Fatalf("a webhook was answered %d", status)
		}
	}
	for i := range 70 {
		name := fmt.Sprintf("%s %c.", []string{"Siti", "Ana", "Wei", "Ravi", "Noor", "Bartholomew-Alexander"}[i%6], 'A'+i%26)
		post(textWebhook("200000000000123", fmt.Sprintf("62812100%05d", i), name, fmt.Sprintf("wamid.SHOP%d", i), now-int64(i*900), sentences[i%len(sentences)]))
	}
	long := strings.Repeat("https://shop.example/"+strings.Repeat("a-very-long-address-", 8)+" ", 2)
	post(textWebhook("200000000000123", "6281200000001", "Sample Customer", "wamid.LONG", now-60, long))
	for _, body := range ownWebhooks(s.tb) {
		post(body)
	}
	post(textWebhook("200000000000123", "6281200000001", "Sample Customer", "wamid.NEWEST", now, "And this is the newest message."))
}

// look is a page to be looked at, and what must be there first.
type look struct{ name, path, ready string }

func (s *shop) looks() []look {
	return []look{
		{"inbox", "/inbox", `document.querySelectorAll("#convs a[data-row]").length > 20`},
		{"thread", s.thread, `document.querySelector("#log article") && document.querySelector("#reply")`},
		{"contact", s.thread + "?pane=contact", `document.querySelector("#log")`},
		{"channels", "/channels", `document.querySelector("main")`},
		{"simulator", "/simulator", `document.querySelector("#sim-people a")`},
	}
}

// strangers are the pages for people who are not signed in.
func (s *shop) strangers() []look {
	return []look{
		{"sign-in", "/sign-in", `document.querySelector('input[name="password"]')`},
		{"used claim", strings.TrimPrefix(s.claim, s.base), `document.querySelector("main")`},
		{"not found", "/nowhere", `document.body`},
	}
}

// TestBrowserAxe looks at every page in both schemes: nothing serious, nothing in the console, no violation.
func TestBrowserAxe(t *testing.T) {
	s := openShop(t)
	stranger := s.browser.tab(t, 1440, 900)
	stranger.expected = []string{"404 (Not Found)", "410 (Gone)"} // what the page is about
	for _, scheme := range []string{"light", "dark"} {
		for _, who := range []struct {
			tab   *tab
			looks []look
		}{{s.tab, s.looks()}, {stranger, s.strangers()}} {
			who.tab.scheme(scheme)
			for _, l := range who.looks {
				t.Run(l.name+" "+scheme, func(t *testing.T) {
					tab := who.tab.reportTo(t)
					tab.open(s.base + l.path)
					tab.until("the page", l.ready)
					tab.until("the fonts", `document.fonts.status === "loaded"`)
					for _, v := range tab.violations() {
						t.Error(v)
					}
					tab.shot(l.name + "-1440-" + scheme)
					tab.calm(l.name)
				})
			}
		}
	}
	t.Run("claim", func(t *testing.T) { claimUnderAxe(t, s.browser) })
}

// claimUnderAxe looks at the page that makes the first owner.
func claimUnderAxe(t *testing.T, b *browser) {
	t.Helper()
	fresh := serve(t, dataDir(t))
	for _, scheme := range []string{"light", "dark"} {
		tab := b.tab(t, 1440, 900)
		tab.scheme(scheme)
		tab.open(fresh.line(claimLine))
		tab.until("the form", `document.querySelector('input[name="password"]')`)
		for _, v := range tab.violations() {
			t.Error(v)
		}
		tab.shot("claim-1440-" + scheme)
		tab.calm("claim")
	}
}

// TestBrowserPhone holds every page to narrow windows: nothing runs out at the side, and the composer can be used.
func TestBrowserPhone(t *testing.T) {
	s := openShop(t)
	stranger := s.browser.tab(t, 1440, 900)
	stranger.expected = []string{"404 (Not Found)", "410 (Gone)"}
	for _, width := range []int64{360, 390} {
		s.tab.size(width, 844)
		stranger.size(width, 844)
		for _, scheme := range []string{"light", "dark"} {
			for _, who := range []struct {
				tab   *tab
				looks []look
			}{{s.tab, s.looks()}, {stranger, s.strangers()}} {
				who.tab.scheme(scheme)
				for _, l := range who.looks {
					t.Run(fmt.Sprintf("%s %d %s", l.name, width, scheme), func(t *testing.T) {
						tab := who.tab.reportTo(t)
						tab.open(s.base + l.path)
						tab.until("the page", l.ready)
						for _, o := range tab.overflow() {
							t.Error(o)
						}
						tab.shot(fmt.Sprintf("%s-%d-%s", l.name, width, scheme))
						tab.calm(l.name)
					})
				}
			}
		}
	}
	tab := s.tab
	tab.open(s.base + "/inbox")
	tab.click("#convs a[data-row]")
	tab.until("the thread", `document.querySelector("#reply")?.checkVisibility()`)
	for _, css := range []string{"#reply", "#composer button.send"} {
		if !eval[bool](tab, fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect();
			return r.width > 20 && r.left >= 0 && r.right <= innerWidth && r.bottom <= innerHeight })()`, css)) {
			t.Errorf("%s is not within the window", css)
		}
	}
	tab.fill("#reply", "From my phone")
	tab.click("#composer button.send")
	tab.sees("#log article", "From my phone")
	tab.do("going back", goBack)
	tab.until("the list", `document.querySelector("#convs a[data-row]")?.checkVisibility()`)
	tab.calm("answering on a phone")
}

// TestBrowserBudgets holds the first page to what UI.md allows.
func TestBrowserBudgets(t *testing.T) {
	s := openShop(t)
	loads := s.tab.cold(s.base + "/inbox")
	sum := map[string]float64{}
	for _, l := range loads {
		t.Logf("%8.1f KiB %s %s", l.bytes/1024, l.kind, strings.TrimPrefix(l.url, s.base))
		sum["all"] += l.bytes / 1024
		sum[l.kind] += l.bytes / 1024
	}
	if len(loads) > 8 {
		t.Errorf("%d requests, at most 8", len(loads))
	}
	for kind, most := range map[string]float64{"all": 60, "Stylesheet": 14, "Script": 30} {
		if sum[kind] > most || sum[kind] == 0 {
			t.Errorf("%s: %.1f KiB, at most %.0f", kind, sum[kind], most)
		}
	}
}
