// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, method, path, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestServes(t *testing.T) {
	for name, kind := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "htmx.js": "text/javascript; charset=utf-8",
		"mark.svg": "image/svg+xml", "inter-core.woff2": "font/woff2", "inter-latin.woff2": "font/woff2", "inter-latin-ext.woff2": "font/woff2",
	} {
		plain := get(t, http.MethodGet, URL(name), "")
		if plain.Code != http.StatusOK || plain.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", name, plain.Code, plain.Header().Get("Content-Type"))
		}
		if plain.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(plain.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: headers %v", name, plain.Header())
		}
		want, err := io.ReadAll(plain.Body)
		if err != nil || len(want) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(want), err)
		}
		zipped := get(t, http.MethodGet, URL(name), "br, gzip;q=0.8")
		if zipped.Header().Get("Content-Encoding") == "gzip" && !bytes.Equal(want, unzip(t, zipped.Body)) {
			t.Errorf("%s: other bytes when compressed", name)
		}
		if head := get(t, http.MethodHead, URL(name), ""); head.Code != http.StatusOK {
			t.Errorf("%s: HEAD %d", name, head.Code)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, path := range []string{URL("nothing.css"), "/assets/", "/assets/../assets.go", "/assets/app.css"} {
		if got := get(t, http.MethodGet, path, "").Code; got != http.StatusNotFound {
			t.Errorf("%s: %d", path, got)
		}
	}
	if got := get(t, http.MethodPost, URL("app.css"), "").Code; got != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", got)
	}
	if got := get(t, http.MethodGet, URL("app.css"), "gzip;q=0").Header().Get("Content-Encoding"); got != "" {
		t.Errorf("compressed against the wish of the browser: %s", got)
	}
}

// TestBudgets holds what the first page costs: what is measured is what goes
// over the wire.
func TestBudgets(t *testing.T) {
	css, own, lib := sent(t, "app.css"), sent(t, "app.js"), sent(t, "htmx.js")
	if css > 14_000 {
		t.Errorf("the style sheet is %d bytes, the budget 14,000", css)
	}
	if own+lib > 30_000 {
		t.Errorf("the scripts are %d bytes, the budget 30,000", own+lib)
	}
	// A page adds its own words: 7 KB are kept free for it.
	if sum := css + own + lib + sent(t, "inter-core.woff2") + sent(t, "mark.svg"); sum > 53_000 {
		t.Errorf("the first page loads %d bytes of assets, the budget 53,000", sum)
	}
}

func sent(t *testing.T, name string) int {
	t.Helper()
	raw, err := io.ReadAll(get(t, http.MethodGet, URL(name), "gzip").Body)
	if err != nil {
		t.Fatal(err)
	}
	return len(raw)
}

func unzip(t *testing.T, r io.Reader) []byte {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestColoursLiveInTokens looks for a colour or a duration outside tokens.css.
func TestColoursLiveInTokens(t *testing.T) {
	files, err := filepath.Glob("css/*.css")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("css/*/*.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, deeper...) {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := strays(string(raw))
		if strings.HasSuffix(name, "tokens.css") {
			if len(found) == 0 {
				t.Error("found no colour in tokens.css: the search is broken")
			}
			continue
		}
		if len(found) > 0 {
			t.Errorf("%s: move to tokens.css: %q", name, found)
		}
	}
}

var stray = regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|oklch|light-dark)\(|\b\d*\.?\d+m?s\b`)

func strays(css string) []string {
	return stray.FindAllString(regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(css, ""), -1)
}

func TestBrokenBundles(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"no folder": {}, "unknown type": {"dist/a.1.exe": {Data: []byte("x")}},
	} {
		if _, err := open(fsys); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}
