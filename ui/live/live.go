// SPDX-License-Identifier: Apache-2.0

// Package live tells open pages what changed. A stream of server-sent events names conversations and inboxes, never
// what was said: the page fetches the parts it shows, and permission is asked there again.
//
// The events of a stream:
//
//	conversation       the list changed; data: ids of the conversations, separated by spaces
//	conversation-<id>  this conversation changed: its thread, state or files
//	contact-<id>       this contact changed
//	channel            an inbox, its notices or what it could not read changed; data: ids of inboxes
//	beat               nothing happened, and the stream is alive
//	refresh            too much happened meanwhile: fetch everything
//
// The id of an event is the sequence number of the event log. A browser that comes back sends it as Last-Event-ID and
// is told what it missed. A beat every 15 seconds keeps the connection open and lets both sides find out
// that it is gone.
package live

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// Desk is what a stream reads; *app.Desk is one.
type Desk interface {
	Watch() <-chan struct{}
	Events(ctx context.Context, after uint64, limit int) ([]app.Event, error)
	LastEvent(ctx context.Context) (uint64, error)
	// Sight leaves those of the events that the actor may know of.
	Sight(ctx context.Context, a app.Actor, list []app.Event) ([]app.Event, error)
}

// Stream serves event streams.
type Stream struct {
	Desk Desk
	// Beat is the time between two heartbeats; 0 means 15 s.
	Beat time.Duration
	// Still returns an error when the person behind the request may not see events any more. It is asked all the time,
	// and before news is told; nil is never asked.
	Still func(c echo.Context) error
	// Revoked returns a channel that is closed when somebody is signed out, by whomever: Still is then asked at once.
	// nil leaves it at asking all the time.
	Revoked func() <-chan struct{}
}

const (
	// pause is how long a stream waits after news for more of it, so that a burst becomes one message.
	pause = 100 * time.Millisecond
	// batch is how many events are read at once; far is how many make a page fetch everything instead.
	batch = 500
	far   = 2000
	// look is the time between two questions whether the person is still signed in: who signs out, or is signed out by
	// somebody else, is told nothing two seconds later.
	look = 1500 * time.Millisecond
	// slow is how long a browser may take to accept a message.
	slow = 20 * time.Second
)

// Serve writes events until the request or the server ends.
func (s *Stream) Serve(c echo.Context, a app.Actor) error {
	if !a.May(app.MayRead) && !a.May(app.MaySeeChannels) {
		return &app.Problem{Kind: app.ErrForbidden, Key: "problem.forbidden", Text: "Your role does not allow this."}
	}
	ctx := c.Request().Context()
	after, known, err := s.start(ctx, c)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	w := &writer{c: c, control: http.NewResponseController(c.Response())}
	hello := "retry: 1000\n\n"
	if !known {
		hello += refresh(after)
	}
	if err := w.write(hello); err != nil {
		return nil //nolint:nilerr // the browser is gone: nothing is left to tell
	}
	s.follow(c, a, w, after)
	return nil
}

// start finds the event after which the browser wants to know more: what it says it has seen, else what the page was
// drawn with, else now. known is false when the browser has seen more than there is: the store was restored from an
// older copy, and nothing on the page can be trusted.
func (s *Stream) start(ctx context.Context, c echo.Context) (after uint64, known bool, err error) {
	last, err := s.Desk.LastEvent(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("reading the newest event: %w", err)
	}
	for _, v := range []string{c.Request().Header.Get("Last-Event-ID"), c.QueryParam("after")} {
		if n, err := strconv.ParseUint(v, 10, 64); err == nil {
			return min(n, last), n <= last, nil
		}
	}
	return last, true, nil
}

func refresh(seq uint64) string {
	return "event: refresh\nid: " + strconv.FormatUint(seq, 10) + "\ndata:\n\n"
}

// follow tells what happens until nobody listens.
func (s *Stream) follow(c echo.Context, a app.Actor, w *writer, after uint64) {
	beat := time.NewTicker(s.beat())
	defer beat.Stop()
	looks := time.NewTicker(min(look, s.beat()))
	defer looks.Stop()
	ctx := c.Request().Context()
	for {
		news := s.Desk.Watch()
		next, err := s.tell(ctx, a, w, after)
		if err != nil {
			return
		}
		if after = next; !s.wait(c, w, news, beat.C, looks.C) {
			return
		}
	}
}

// wait returns true when there is news, false when the stream ends.
func (s *Stream) wait(c echo.Context, w *writer, news <-chan struct{}, beat, looks <-chan time.Time) bool {
	done := c.Request().Context().Done()
	for {
		revoked := s.revoked()
		select {
		case <-done:
			return false
		case <-revoked:
			if !s.still(c) {
				return false
			}
		case <-looks:
			if !s.still(c) {
				return false
			}
		case <-beat:
			if !s.still(c) || w.write("event: beat\ndata:\n\n") != nil {
				return false
			}
		case <-news:
			select {
			case <-done:
				return false
			case <-time.After(pause):
				return s.still(c)
			}
		}
	}
}

func (s *Stream) revoked() <-chan struct{} {
	if s.Revoked == nil {
		return nil
	}
	return s.Revoked()
}

func (s *Stream) still(c echo.Context) bool { return s.Still == nil || s.Still(c) == nil }

// tell writes what happened after seq and returns the newest event told.
func (s *Stream) tell(ctx context.Context, a app.Actor, w *writer, seq uint64) (uint64, error) {
	var all news
	for {
		events, err := s.Desk.Events(ctx, seq, batch)
		if err != nil {
			return seq, err
		}
		if len(events) > 0 {
			seq = events[len(events)-1].Seq
		}
		seen, err := s.Desk.Sight(ctx, a, events)
		if err != nil {
			return seq, err
		}
		for _, e := range seen {
			all.add(e)
		}
		if len(events) < batch {
			break
		}
		if all.count >= far {
			if seq, err = s.Desk.LastEvent(ctx); err != nil {
				return seq, err
			}
			return seq, w.write(refresh(seq))
		}
	}
	if all.count == 0 {
		return seq, nil
	}
	return seq, w.write(all.text(seq))
}

func (s *Stream) beat() time.Duration {
	if s.Beat > 0 {
		return s.Beat
	}
	return 15 * time.Second
}

// writer sends parts of a stream at once and gives up on a browser that does not read.
type writer struct {
	c       echo.Context
	control *http.ResponseController
}

func (w *writer) write(text string) error {
	// A recorder in a test knows no deadline; a connection does.
	_ = w.control.SetWriteDeadline(time.Now().Add(slow))
	if _, err := w.c.Response().Write([]byte(text)); err != nil {
		return err
	}
	return w.control.Flush()
}
