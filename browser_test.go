// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBrowserControl shows pages with faults to the checks of the browser tests: each must be found.
func TestBrowserControl(t *testing.T) {
	pages := map[string]string{
		"/inline":  `<!doctype html><html lang="en"><title>x</title><script>console.log("never")</script><p style="color:red">x</p>`,
		"/console": `<!doctype html><html lang="en"><title>x</title><script src="/talk.js"></script>`,
		"/blind":   `<!doctype html><html lang="en"><title>x</title><main><h1>x</h1><img src="/pixel"><button></button></main>`,
		"/wide":    `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>x</title><pre>` + strings.Repeat("wide ", 200) + `</pre>`,
		"/fine":    `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>x</title><link rel="icon" href="data:,"><main><h1>x</h1></main>`,
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/talk.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(`console.warn("talk"); throw new Error("broken")`))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:")
		_, _ = w.Write([]byte(pages[r.URL.Path]))
	}))
	defer site.Close()
	tab := openBrowser(t).tab(t, 360, 780)
	complaints := func() string {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		defer func() { tab.complaints = nil }()
		return strings.Join(tab.complaints, "\n")
	}

	tab.open(site.URL + "/inline")
	tab.until("the page", `document.readyState === "complete"`)
	if got := complaints(); !strings.Contains(got, "script-src") || !strings.Contains(got, "style-src") {
		t.Errorf("violations of the policy go unseen: %s", got)
	}
	tab.open(site.URL + "/console")
	if got := complaints(); !strings.Contains(got, "talk") || !strings.Contains(got, "broken") {
		t.Errorf("words of the console go unseen: %s", got)
	}
	tab.open(site.URL + "/blind")
	if got := strings.Join(tab.violations(), "\n"); !strings.Contains(got, "image-alt") || !strings.Contains(got, "button-name") {
		t.Errorf("axe overlooks a picture without words or a button without a name: %s", got)
	}
	tab.open(site.URL + "/wide")
	if len(tab.overflow()) == 0 {
		t.Error("a page that is too wide goes unseen")
	}
	complaints()
	tab.open(site.URL + "/fine")
	if v, o := tab.violations(), tab.overflow(); len(v)+len(o) > 0 {
		t.Errorf("a sound page is called unsound: %v %v", v, o)
	}
	tab.calm("a sound page")
}
