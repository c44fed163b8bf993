// SPDX-License-Identifier: Apache-2.0

package render

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
)

func visit(header ...string) (echo.Context, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	return echo.New().NewContext(r, w), w
}

var broken = templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
	_, _ = io.WriteString(w, "half a page")
	return errors.New("broken")
})

func TestPage(t *testing.T) {
	c, w := visit()
	if err := Page(c, http.StatusTeapot, templ.Raw("<p>whole</p>")); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTeapot || w.Body.String() != "<p>whole</p>" {
		t.Errorf("answered %d %q", w.Code, w.Body)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("pages of a person may not be kept: Cache-Control %q", got)
	}
}

func TestPageWritesNothingWhenDrawingBreaks(t *testing.T) {
	c, w := visit()
	if err := Page(c, http.StatusOK, broken); err == nil {
		t.Fatal("want the error of the component")
	}
	if w.Body.Len() > 0 {
		t.Errorf("wrote %q", w.Body)
	}
}

func TestFragment(t *testing.T) {
	c, w := visit()
	err := Fragment(c, http.StatusOK, templ.Raw("<p>1</p>"), Partial(`#a"b`, "innerHTML", templ.Raw("<p>2</p>")))
	if err != nil {
		t.Fatal(err)
	}
	want := `<p>1</p><hx-partial hx-target="#a&#34;b" hx-swap="innerHTML"><p>2</p></hx-partial>`
	if got := w.Body.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if _, err := String(t.Context(), Partial("#a", "innerHTML", broken)); err == nil {
		t.Error("a broken partial drew")
	}
}

func TestIsFragment(t *testing.T) {
	for _, c := range []struct {
		header []string
		want   bool
	}{
		{nil, false},
		{[]string{"HX-Request", "true"}, true},
		{[]string{"HX-Request", "true", "HX-Request-Type", "partial"}, true},
		{[]string{"HX-Request", "true", "HX-Request-Type", "full"}, false},
		{[]string{"HX-Request", "true", "HX-History-Restore-Request", "true"}, false},
	} {
		ctx, _ := visit(c.header...)
		if got := IsFragment(ctx); got != c.want {
			t.Errorf("%q: %v", c.header, got)
		}
	}
}

func TestRedirect(t *testing.T) {
	c, w := visit()
	if err := Redirect(c, "/inbox"); err != nil || w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/inbox" {
		t.Errorf("plain: %v %d %v", err, w.Code, w.Header())
	}
	c, w = visit("HX-Request", "true")
	if err := Redirect(c, "/inbox"); err != nil || w.Code != http.StatusNoContent || w.Header().Get("HX-Redirect") != "/inbox" {
		t.Errorf("htmx: %v %d %v", err, w.Code, w.Header())
	}
}

func TestFlashTravelsOnce(t *testing.T) {
	c, w := visit()
	want := Flash{Kind: "ok", Key: "signin.signed_out"}
	SetFlash(c, want)
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie %v", cookie)
	}
	c, w = visit("Cookie", cookie.Name+"="+cookie.Value)
	if got := TakeFlash(c); got != want {
		t.Errorf("got %v", got)
	}
	if set := w.Header().Get("Set-Cookie"); !strings.Contains(set, "Max-Age=0") {
		t.Errorf("the cookie stays: %q", set)
	}
}

func TestFlashBelievesNoOtherWords(t *testing.T) {
	for _, value := range []string{"", "ok", "ok|", "ok|<b>", "OK|signin.a", "ok|" + strings.Repeat("a", 65)} {
		c, _ := visit("Cookie", "flash="+value)
		if got := TakeFlash(c); got != (Flash{}) {
			t.Errorf("%q gave %v", value, got)
		}
	}
}
