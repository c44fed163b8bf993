// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/apptest"
	"kith/ui/live"
)

// bench serves streams of a desk with sample people.
type bench struct {
	*apptest.Sample
	t    testing.TB
	site *httptest.Server
	who  app.Actor
}

func newBench(tb testing.TB, s live.Stream) *bench {
	tb.Helper()
	b := &bench{Sample: apptest.NewDesk(tb), t: tb}
	b.who = b.Owner
	s.Desk = b.Desk
	e := echo.New()
	e.GET("/live", func(c echo.Context) error { return s.Serve(c, b.who) })
	b.site = httptest.NewServer(e)
	tb.Cleanup(b.site.Close)
	return b
}

// event is one event as a browser reads it.
type event struct{ name, data, id string }

// listen opens a stream; cancelling its context closes it.
func (b *bench) listen(ctx context.Context, query, last string) *bufio.Scanner {
	b.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.site.URL+"/live"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	w, err := b.site.Client().Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = w.Body.Close() })
	if got := w.Header.Get("Content-Type"); got != "text/event-stream" {
		b.t.Fatalf("%d, content type %q", w.StatusCode, got)
	}
	return bufio.NewScanner(w.Body)
}

// next reads one event, comments left out.
func next(tb testing.TB, sc *bufio.Scanner) event {
	tb.Helper()
	var e event
	some := false
	for sc.Scan() {
		key, value, _ := strings.Cut(sc.Text(), ": ")
		switch {
		case sc.Text() == "":
			if some {
				return e
			}
		case key == "event":
			e.name, some = value, true
		case key == "data":
			e.data = value
		case key == "id":
			e.id, some = value, true
		}
	}
	tb.Fatalf("the stream ended: %v", sc.Err())
	return e
}

func (b *bench) say(name string) {
	b.t.Helper()
	_, err := b.Desk.Reply(b.t.Context(), b.Owner, b.Threads[name], app.Draft{Note: true, Text: "x"})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) last() string {
	b.t.Helper()
	n, err := b.Desk.LastEvent(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return strconv.FormatUint(n, 10)
}

func TestNamesWhatChanged(t *testing.T) {
	b := newBench(t, live.Stream{})
	sc := b.listen(t.Context(), "?after="+b.last(), "")
	b.say(apptest.Sari)
	id := fmt.Sprint(b.Threads[apptest.Sari])
	for _, want := range []event{{name: "conversation-" + id}, {name: "conversation", data: id}} {
		if got := next(t, sc); got != want {
			t.Errorf("told %+v, want %+v", got, want)
		}
	}
	if got := next(t, sc); got.id != b.last() || got.name != "" {
		t.Errorf("told %+v, want the number %s", got, b.last())
	}
	if err := b.Desk.PauseInbox(t.Context(), b.Inbox, app.Failure{Code: 190}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, sc); got.name != "channel" || got.data != fmt.Sprint(b.Inbox) {
		t.Errorf("told %+v", got)
	}
}

// TestCatchUp: a browser that was away is told what it missed, by its own number before that of the page.
func TestCatchUp(t *testing.T) {
	b := newBench(t, live.Stream{})
	before := b.last()
	b.say(apptest.Sari)
	middle := b.last()
	b.say(apptest.Budi)
	sc := b.listen(t.Context(), "?after="+before, middle)
	if got := next(t, sc); got.name != "conversation-"+fmt.Sprint(b.Threads[apptest.Budi]) {
		t.Errorf("told %+v", got)
	}
	sc = b.listen(t.Context(), "?after="+before, "nonsense")
	if got := next(t, sc); got.name != "conversation-"+fmt.Sprint(b.Threads[apptest.Sari]) {
		t.Errorf("told %+v", got)
	}
}

// TestTooMuch: whoever missed a lot fetches everything once.
func TestTooMuch(t *testing.T) {
	b := newBench(t, live.Stream{})
	before := b.last()
	for i := range 25 {
		in := app.Inbound{}
		for n := range 100 {
			in.Messages = append(in.Messages, app.InboundMessage{
				ExternalID: fmt.Sprint(i, ".", n), Person: apptest.Person(fmt.Sprint("P", n)), Direction: app.In,
				At: apptest.Start, Type: app.TypeText, Content: app.Content{Text: "x"},
			})
		}
		if err := b.Desk.Receive(t.Context(), b.Inbox, in); err != nil {
			t.Fatal(err)
		}
	}
	sc := b.listen(t.Context(), "?after="+before, "")
	if got := next(t, sc); got.name != "refresh" || got.id != b.last() {
		t.Errorf("told %+v, want refresh at %s", got, b.last())
	}
}

// TestFromTheFuture: a browser that has seen more than there is fetches everything.
func TestFromTheFuture(t *testing.T) {
	b := newBench(t, live.Stream{})
	if got := next(t, b.listen(t.Context(), "", "999999999")); got.name != "refresh" || got.id != b.last() {
		t.Errorf("told %+v", got)
	}
}

func TestBeatAndSignOut(t *testing.T) {
	var mu sync.Mutex
	var out error
	b := newBench(t, live.Stream{Beat: 5 * time.Millisecond, Still: func(echo.Context) error {
		mu.Lock()
		defer mu.Unlock()
		return out
	}})
	sc := b.listen(t.Context(), "", "")
	for sc.Scan() && sc.Text() != "event: beat" { //nolint:revive // waits for the first beat
	}
	mu.Lock()
	out = errors.New("signed out")
	mu.Unlock()
	for sc.Scan() { //nolint:revive // reads until the stream ends, as it must
	}
	if sc.Err() != nil {
		t.Error(sc.Err())
	}
}

func TestForbidden(t *testing.T) {
	b := newBench(t, live.Stream{})
	b.who = app.Actor{Kind: app.ActorAgent, ID: 1}
	w, err := b.site.Client().Get(b.site.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	if w.StatusCode == http.StatusOK {
		t.Error("somebody without a role may listen")
	}
}

// TestManyStreams: a hundred browsers hear the same, and nothing stays behind when they leave.
func TestManyStreams(t *testing.T) {
	b := newBench(t, live.Stream{})
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	var heard sync.WaitGroup
	for range 100 {
		sc := b.listen(ctx, "?after="+b.last(), "")
		heard.Go(func() { next(t, sc) })
	}
	b.say(apptest.Sari)
	heard.Wait()
	cancel()
	b.site.CloseClientConnections()
	b.site.Close()
	deadline := time.After(10 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); runtime.NumGoroutine() > before+5; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
		}
	}
}

// TestSignedOutIsToldNothing: who was signed out hears of nothing that happens later, and the stream ends within two
// seconds also when nothing happens.
func TestSignedOutIsToldNothing(t *testing.T) {
	var out atomic.Bool
	b := newBench(t, live.Stream{Beat: time.Hour, Still: func(echo.Context) error {
		if out.Load() {
			return errors.New("signed out")
		}
		return nil
	}})
	sc := b.listen(t.Context(), "", "")
	for sc.Scan() && sc.Text() != "retry: 1000" { //nolint:revive // waits for the beginning
	}
	out.Store(true)
	began := time.Now()
	for sc.Scan() {
		if sc.Text() != "" {
			t.Errorf("told %q", sc.Text())
		}
	}
	if took := time.Since(began); sc.Err() != nil || took > 2*time.Second {
		t.Errorf("the stream ended after %v, %v", took, sc.Err())
	}
}

// TestRevokedEndsAtOnce: a stream that sleeps for hours ends when somebody is signed out, and the streams of others go
// on.
func TestRevokedEndsAtOnce(t *testing.T) {
	var mu sync.Mutex
	revoked, out, asked := make(chan struct{}), false, make(chan struct{}, 100)
	revoke := func() {
		mu.Lock()
		defer mu.Unlock()
		close(revoked)
		revoked = make(chan struct{})
	}
	b := newBench(t, live.Stream{
		Beat: time.Hour,
		Still: func(echo.Context) error {
			mu.Lock()
			defer mu.Unlock()
			asked <- struct{}{}
			if out {
				return errors.New("signed out")
			}
			return nil
		},
		Revoked: func() <-chan struct{} {
			mu.Lock()
			defer mu.Unlock()
			return revoked
		},
	})
	sc := b.listen(t.Context(), "", "")
	for sc.Scan() && sc.Text() != "retry: 1000" { //nolint:revive // waits for the beginning
	}
	revoke() // somebody else
	<-asked
	mu.Lock()
	out = true
	mu.Unlock()
	revoke()
	for sc.Scan() { //nolint:revive // reads until the stream ends, as it must
	}
	if sc.Err() != nil {
		t.Error(sc.Err())
	}
}
