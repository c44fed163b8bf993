// SPDX-License-Identifier: Apache-2.0

// Package render writes templ components as answers. A component is drawn
// into a buffer first and written when it is whole, so that a fault in the
// middle of a page becomes an error page and never half a page.
package render

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
)

// Page answers with a whole page.
func Page(c echo.Context, status int, comp templ.Component) error {
	return write(c, status, comp)
}

// Fragment answers with one or more parts of a page, one after another. Parts
// that belong elsewhere than the target of the request are wrapped by Partial.
func Fragment(c echo.Context, status int, parts ...templ.Component) error {
	return write(c, status, templ.Join(parts...))
}

// Partial wraps a part so that htmx puts it at target (a CSS selector) in the
// way swap says: outerMorph, innerHTML, beforeend and so on.
func Partial(target, swap string, comp templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		open := `<hx-partial hx-target="` + templ.EscapeString(target) + `" hx-swap="` + templ.EscapeString(swap) + `">`
		if _, err := io.WriteString(w, open); err != nil {
			return fmt.Errorf("writing a partial: %w", err)
		}
		if err := comp.Render(ctx, w); err != nil {
			return fmt.Errorf("drawing a partial: %w", err)
		}
		if _, err := io.WriteString(w, `</hx-partial>`); err != nil {
			return fmt.Errorf("writing a partial: %w", err)
		}
		return nil
	})
}

// String draws a component to a string, for events and mail.
func String(ctx context.Context, comp templ.Component) (string, error) {
	buf := templ.GetBuffer()
	defer templ.ReleaseBuffer(buf)
	if err := comp.Render(ctx, buf); err != nil {
		return "", fmt.Errorf("drawing a component: %w", err)
	}
	return buf.String(), nil
}

// IsFragment reports whether htmx asks for parts of a page. It says itself
// when it is going to replace the whole body, as when history is restored.
func IsFragment(c echo.Context) bool {
	h := c.Request().Header
	return h.Get("HX-Request") == "true" && h.Get("HX-Request-Type") != "full" &&
		h.Get("HX-History-Restore-Request") != "true"
}

// Redirect sends the browser to path after a form was posted: with a header
// when htmx asks, with 303 otherwise.
func Redirect(c echo.Context, path string) error {
	if c.Request().Header.Get("HX-Request") == "true" {
		c.Response().Header().Set("HX-Redirect", path)
		return c.NoContent(http.StatusNoContent)
	}
	return c.Redirect(http.StatusSeeOther, path)
}

func write(c echo.Context, status int, comp templ.Component) error {
	buf := templ.GetBuffer()
	defer templ.ReleaseBuffer(buf)
	if err := comp.Render(c.Request().Context(), buf); err != nil {
		return fmt.Errorf("drawing the page: %w", err)
	}
	h := c.Response().Header()
	h.Add(echo.HeaderVary, "HX-Request")
	if h.Get(echo.HeaderCacheControl) == "" {
		h.Set(echo.HeaderCacheControl, "no-store")
	}
	return packed(c, status, buf.Bytes())
}
