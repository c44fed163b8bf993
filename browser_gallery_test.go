// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"kith/assets"
	"kith/ui/gallery"
	"kith/ui/locale"
	"kith/ui/render"
)

// policy is the content security policy of UI.md, as the server sends it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// TestBrowserGallery looks at every component in every state: in both schemes, in both languages, wide and narrow.
func TestBrowserGallery(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/assets/", assets.Handler())
	mux.HandleFunc("/gallery", func(w http.ResponseWriter, r *http.Request) {
		text, err := render.String(r.Context(), gallery.Page(locale.Match("", r.URL.Query().Get("lang"))))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write([]byte(text))
	})
	site := httptest.NewServer(mux)
	defer site.Close()
	b := openBrowser(t)
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			tab := b.tab(t, 1440, 900)
			tab.scheme(scheme)
			tab.open(site.URL + "/gallery")
			tab.until("the fonts", `document.fonts.status === "loaded"`)
			for _, v := range tab.violations() {
				t.Error(v)
			}
			tab.calm("the gallery")
		})
	}
	for _, lang := range []string{"en", "id"} {
		t.Run("narrow in "+lang, func(t *testing.T) {
			tab := b.tab(t, 360, 780)
			tab.open(site.URL + "/gallery?lang=" + lang)
			for _, o := range tab.overflow() {
				t.Error(o)
			}
			tab.calm("the gallery")
		})
	}
}
