// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"kith/ui/render"
)

const (
	beat   = 15 * time.Second      // between signs of life
	settle = 60 * time.Millisecond // in which changes are joined
)

// live streams the changing parts of a phone's page. While it is open the
// phone is in somebody's hand: what arrives is read. Every event holds the
// whole state, so a browser that was away needs no catching up.
func (s site) live(c echo.Context) error {
	customer := c.Param("customer")
	p, err := s.prepare(c, customer)
	if err != nil {
		return err
	}
	defer s.World.Look(customer)()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	control := http.NewResponseController(c.Response())
	send := func(text string) error {
		_ = control.SetWriteDeadline(time.Now().Add(2 * beat)) // not every writer can
		if _, err := io.WriteString(c.Response(), text); err != nil {
			return fmt.Errorf("writing the event stream: %w", err)
		}
		return control.Flush()
	}
	ctx := c.Request().Context()
	for ctx.Err() == nil {
		changed := s.World.Watch()
		event, err := message(ctx, parts(s.screen(p.view, customer)))
		if err != nil {
			return err
		}
		if send(event) != nil || !s.wait(ctx, changed, send) {
			return nil // the browser has gone
		}
	}
	return nil
}

// wait returns true when something changed, and false when the stream is over.
func (s site) wait(ctx context.Context, changed <-chan struct{}, send func(string) error) bool {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if send(":\n\n") != nil {
				return false
			}
		case <-changed:
			pause := time.NewTimer(settle)
			defer pause.Stop()
			select {
			case <-pause.C:
				return true
			case <-ctx.Done():
				return false
			}
		}
	}
}

// message makes one event of parts of the page.
func message(ctx context.Context, parts []templ.Component) (string, error) {
	html, err := render.String(ctx, templ.Join(parts...))
	if err != nil {
		return "", err
	}
	return "data: " + strings.ReplaceAll(html, "\n", "\ndata: ") + "\n\n", nil
}
