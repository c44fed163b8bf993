// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kith/app"
	"kith/app/api"
	"kith/app/auth"
)

var errStopping = errors.New("kith is stopping")

// class sorts requests for the durations.
type class int

const (
	classHook class = iota
	classAPI
	classPage
	classes
	classStream = classes // lasts as long as somebody looks; not counted
)

var classNames = [classes]string{"hook", "api", "page"}

// bounds are the upper ends of the buckets of durations.
var bounds = [...]time.Duration{
	time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
}

// meter counts. Durations are counted as they happen; messages are read from the event log when somebody asks.
type meter struct {
	buckets [classes][len(bounds) + 1]atomic.Uint64
	nanos   [classes]atomic.Int64

	mu               sync.Mutex
	from             uint64 // the newest event that was counted
	received, queued uint64
}

func (m *meter) took(c class, d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	m.buckets[c][i].Add(1)
	m.nanos[c].Add(int64(d))
}

// maxCounted bounds the events that one call counts; the next goes on from there.
const maxCounted = 500_000

// begin remembers where counting starts.
func (m *meter) begin(ctx context.Context, d *app.Desk) error {
	last, err := d.LastEvent(ctx)
	if err != nil {
		return fmt.Errorf("reading the newest event: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.from = last
	return nil
}

// count reads the events since the last call.
func (m *meter) count(ctx context.Context, d *app.Desk) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := 0; n < maxCounted; {
		batch, err := d.Events(ctx, m.from, 5000)
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, e := range batch {
			switch e.Kind {
			case app.MessageReceived:
				m.received++
			case app.MessageQueued:
				m.queued++
			default:
			}
		}
		m.from = batch[len(batch)-1].Seq
		n += len(batch)
	}
	return nil
}

// metrics answers in the text form of Prometheus, to this machine or to the holder of a key.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if !local(r) {
		bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := s.o.Auth.Key(r.Context(), bearer); err != nil {
			f := api.FaultOf(err)
			if errors.Is(err, auth.ErrUnauthenticated) {
				w.Header().Set("WWW-Authenticate", `Bearer realm="kith"`)
			}
			http.Error(w, f.Message, f.Status)
			return
		}
	}
	var b bytes.Buffer
	s.writeMetrics(r.Context(), &b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the caller went away: nobody to tell
}

// local reports whether the caller is on this machine and speaks for nobody else: what a proxy passes on is not local.
func local(r *http.Request) bool {
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	return loopback(r.RemoteAddr) && loopback(r.Host)
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (s *Server) writeMetrics(ctx context.Context, b *bytes.Buffer) {
	one := func(name, kind, help string, value any) {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", name, help, name, kind, name, value)
	}
	if err := s.meter.count(ctx, s.o.Desk); err != nil {
		s.log.WarnContext(ctx, "events could not be counted", "error", err)
	}
	s.meter.mu.Lock()
	received, queued := s.meter.received, s.meter.queued
	s.meter.mu.Unlock()
	one("kith_messages_received_total", "counter", "Messages received since the start.", received)
	one("kith_messages_written_total", "counter", "Messages and notes written since the start.", queued)
	if n, err := s.o.Desk.OutboxLen(ctx); err == nil {
		one("kith_outbox_length", "gauge", "Jobs that wait in the outbox.", n)
	}
	up := 1
	if s.o.Desk.Ready() != nil {
		up = 0
	}
	one("kith_ready", "gauge", "1 while the store takes writes.", up)
	one("kith_damaged_records", "gauge", "Records that cannot be read, as far as somebody met them.", len(s.o.Store.Damaged()))
	space := s.o.Store.Space()
	one("kith_store_bytes", "gauge", "Size of the database file.", space.File)
	one("kith_store_free_bytes", "gauge", "Free pages in the database file, used again before it grows.", space.Free)
	one("kith_blob_bytes", "gauge", "Size of all attachments.", space.Blobs)
	if space.DiskTotal > 0 {
		one("kith_disk_free_bytes", "gauge", "What may still be written to the disk of the data directory.", space.DiskFree)
		one("kith_disk_bytes", "gauge", "Size of the disk of the data directory.", space.DiskTotal)
	}
	for i, r := range s.o.Store.Replicas() {
		if i == 0 {
			fmt.Fprint(b, "# HELP kith_standby_segments_behind Segments of the op log that a standby has not taken yet.\n"+
				"# TYPE kith_standby_segments_behind gauge\n")
		}
		fmt.Fprintf(b, "kith_standby_segments_behind{name=%q} %d\n", r.Name, r.Behind)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	one("kith_heap_bytes", "gauge", "Bytes of living and not yet collected objects.", m.HeapAlloc)
	one("kith_goroutines", "gauge", "Goroutines.", runtime.NumGoroutine())
	fmt.Fprintf(b, "# HELP kith_build_info Version of kith.\n# TYPE kith_build_info gauge\nkith_build_info{version=%q} 1\n", s.o.Version)
	s.meter.write(b)
}

func (m *meter) write(b *bytes.Buffer) {
	const name = "kith_http_request_duration_seconds"
	fmt.Fprintf(b, "# HELP %s Time to answer, by class of request.\n# TYPE %s histogram\n", name, name)
	for c := range classes {
		var sum uint64
		for i, bound := range bounds {
			sum += m.buckets[c][i].Load()
			fmt.Fprintf(b, "%s_bucket{class=%q,le=\"%g\"} %d\n", name, classNames[c], bound.Seconds(), sum)
		}
		sum += m.buckets[c][len(bounds)].Load()
		fmt.Fprintf(b, "%s_bucket{class=%q,le=\"+Inf\"} %d\n", name, classNames[c], sum)
		fmt.Fprintf(b, "%s_sum{class=%q} %g\n%s_count{class=%q} %d\n", name, classNames[c],
			time.Duration(m.nanos[c].Load()).Seconds(), name, classNames[c], sum)
	}
}
