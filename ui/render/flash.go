// SPDX-License-Identifier: Apache-2.0

package render

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

const flashCookie = "flash"

// Flash is a sentence for the next page: the key of a text in the catalogue
// and what it means. It travels in a cookie, so it holds no other words.
type Flash struct {
	// Kind is a component.Kind: ok, warn, danger or empty.
	Kind string
	// Key names the text: "signin.signed_out".
	Key string
}

// SetFlash keeps f for the next page that this browser opens.
func SetFlash(c echo.Context, f Flash) {
	c.SetCookie(flash(f.Kind+"|"+f.Key, 60, c.IsTLS()))
}

// TakeFlash returns what SetFlash kept, once. The zero Flash means nothing.
func TakeFlash(c echo.Context) Flash {
	cookie, err := c.Cookie(flashCookie)
	if err != nil {
		return Flash{}
	}
	c.SetCookie(flash("", -1, c.IsTLS()))
	kind, key, found := strings.Cut(cookie.Value, "|")
	if !found || !plain(kind) || !plain(key) || key == "" {
		return Flash{}
	}
	return Flash{Kind: kind, Key: key}
}

func flash(value string, age int, secure bool) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure follows the connection: kith also runs without TLS on loopback
		Name: flashCookie, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
}

// plain reports whether s can be the name of a kind or a key: the cookie
// comes from the browser and is believed nothing else.
func plain(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '.' {
			return false
		}
	}
	return len(s) <= 64
}
