// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"kith/ui/render"
)

func TestPagesAreCompressed(t *testing.T) {
	long := strings.Repeat("<p>a line of an inbox</p>", 500)
	for _, c := range []struct {
		name, accept, body string
		want               bool
	}{
		{"a browser", "gzip, deflate, br, zstd", long, true},
		{"a quality", "br;q=1.0, gzip;q=0.8", long, true},
		{"no wish", "", long, false},
		{"a refusal", "gzip; q=0, br", long, false},
		{"another way only", "br", long, false},
		{"a short answer", "gzip", "<p>done</p>", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.Header.Set("Accept-Encoding", c.accept)
			rec := httptest.NewRecorder()
			page := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
				_, err := io.WriteString(w, c.body)
				return err
			})
			if err := render.Page(echo.New().NewContext(req, rec), http.StatusOK, page); err != nil {
				t.Fatal(err)
			}
			if got := rec.Header().Get("Content-Encoding") == "gzip"; got != c.want {
				t.Errorf("compressed: %v, want %v", got, c.want)
			}
			if !strings.Contains(strings.Join(rec.Header().Values("Vary"), ","), "Accept-Encoding") {
				t.Errorf("Vary is %q", rec.Header().Values("Vary"))
			}
			body := rec.Body.Bytes()
			if c.want {
				z, err := gzip.NewReader(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if body, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if string(body) != c.body {
				t.Errorf("the page has %d bytes, want %d", len(body), len(c.body))
			}
		})
	}
}
