// SPDX-License-Identifier: Apache-2.0

// Package sealed is the only page of a kith that waits for its passphrase.
package sealed

import (
	"bytes"
	"fmt"
	"net/http"

	"kith/ui/layout"
	"kith/ui/locale"
)

// Path is where the passphrase is posted to.
const Path = "/unseal"

// Field is the name of the passphrase in the form.
const Field = "passphrase"

// Fault says why the form is shown again.
type Fault string

// The faults are keys of the catalogue.
const (
	NoFault Fault = ""
	Wrong   Fault = "sealed.wrong"
	Slow    Fault = "sealed.slow"
	Broken  Fault = "sealed.broken"
)

// Write answers with the form, in the language of the browser.
func Write(w http.ResponseWriter, r *http.Request, status int, why Fault) error {
	var body bytes.Buffer
	l := localeOf(r)
	v := layout.View{Locale: l, Theme: themeOf(r), Path: r.URL.Path, Title: l.T("sealed.title")}
	text := ""
	if why != NoFault {
		text = l.T(string(why))
	}
	if err := page(v, text).Render(r.Context(), &body); err != nil {
		return fmt.Errorf("drawing the page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(body.Bytes()); err != nil {
		return fmt.Errorf("sending the page: %w", err)
	}
	return nil
}

func localeOf(r *http.Request) *locale.Locale {
	chosen := ""
	if cookie, err := r.Cookie(locale.Cookie); err == nil {
		chosen = cookie.Value
	}
	return locale.Match(r.Header.Get("Accept-Language"), chosen)
}

func themeOf(r *http.Request) string {
	cookie, err := r.Cookie(layout.ThemeCookie)
	if err != nil {
		return layout.ThemeOf("")
	}
	return layout.ThemeOf(cookie.Value)
}
