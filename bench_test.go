// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	ingestConnections = 32
	ingestCustomers   = 5_000
	ingestNumber      = "106540352242922"
)

// BenchmarkIngest posts one signed text message per request over 32 connections that stay open, to a real kith, and
// counts an answer of 200 as one message. Rounds of kith and of a bare bbolt writer take turns, so that both see the
// same machine. The bare writer writes the same bytes under keys of the same order as kith was seen to write.
func BenchmarkIngest(b *testing.B) {
	dir := dataDir(b)
	g := newGraph(b, nil)
	in := addInbox(b, dir, "Bench", ingestNumber, g.URL)
	per := messageCost(b, dir, in)
	size, err := os.Stat(kithPath(b))
	if err != nil {
		b.Fatal(err)
	}
	s := serve(b, dir)
	w := openBareWriter(b, per)
	w.drive(b, 4*ingestCustomers) // as full as the store of kith
	b.Run("connections=32", func(b *testing.B) {
		load := newLoad(b, s, in)
		const rounds = 4
		n := max(1, b.N/rounds)
		var ours, theirs time.Duration
		b.ResetTimer()
		for range rounds {
			theirs += w.drive(b, n)
			ours += load.drive(b, n)
		}
		b.StopTimer()
		rate, bare := float64(n*rounds)/ours.Seconds(), float64(n*rounds)/theirs.Seconds()
		b.ReportMetric(rate, "messages/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(rate/bare, "ratio")
		b.ReportMetric(load.quantile(0.50), "p50-ms")
		b.ReportMetric(load.quantile(0.99), "p99-ms")
		b.ReportMetric(float64(per.bytes()), "B/message")
		b.ReportMetric(float64(size.Size())/1e6, "binary-MB")
		b.ReportMetric(0, "ns/op")
	})
}

// load posts webhooks.
type load struct {
	addr    string
	head    string   // of every request, up to the digits of the signature
	sample  []string // a webhook without customer, id and time
	between string   // which of the three stands between the parts: W, I or T
	next    atomic.Int64
	mu      sync.Mutex
	took    []time.Duration
}

func newLoad(tb testing.TB, s *server, in hook) *load {
	tb.Helper()
	l := &load{addr: strings.TrimPrefix(s.base, "http://")}
	l.head = "POST " + in.Path + " HTTP/1.1\r\nHost: " + l.addr + "\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256="
	text := string(textWebhook(ingestNumber, "62810000000", "Sample 62810000000", fmt.Sprintf("wamid.%x@I@", rand.Uint64()), 1234567890,
		"Good morning, is the doctor in today? I would like to come at four."))
	text = strings.NewReplacer("62810000000", "@W@", "1234567890", "@T@").Replace(text)
	for i, part := range strings.Split(text, "@") {
		if i%2 == 0 {
			l.sample = append(l.sample, part)
		} else {
			l.between += part
		}
	}
	return l
}

// drive posts n messages and returns how long that took.
func (l *load) drive(tb testing.TB, n int) time.Duration {
	tb.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	began := time.Now()
	for range ingestConnections {
		wg.Go(func() {
			if err := l.connection(&left); err != nil {
				tb.Error(err)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// connection posts over one connection. It writes and reads HTTP by hand: the load shares the processors with kith.
func (l *load) connection(left *atomic.Int64) error {
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // nothing is written behind an answer
	r := bufio.NewReaderSize(c, 4096)
	mac := hmac.New(sha256.New, []byte(appSecret))
	var out, body []byte
	var took []time.Duration
	for left.Add(-1) >= 0 {
		body = l.body(body[:0])
		mac.Reset()
		mac.Write(body)
		out = append(out[:0], l.head...)
		out = append(hex.AppendEncode(out, mac.Sum(nil)), "\r\nContent-Length: "...)
		out = append(strconv.AppendInt(out, int64(len(body)), 10), "\r\n\r\n"...)
		out = append(out, body...)
		began := time.Now()
		if _, err := c.Write(out); err != nil {
			return err
		}
		if err := answered(r); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took...)
	return nil
}

// body is the next webhook: the sample with another customer, id and time.
func (l *load) body(into []byte) []byte {
	who := strconv.AppendInt(nil, 62_810_000_000+rand.Int64N(ingestCustomers), 10)
	id := strconv.AppendInt(nil, l.next.Add(1), 10)
	at := strconv.AppendInt(nil, time.Now().Unix(), 10)
	for i, part := range l.sample {
		into = append(into, part...)
		if i < len(l.between) {
			switch l.between[i] {
			case 'W':
				into = append(into, who...)
			case 'I':
				into = append(into, id...)
			case 'T':
				into = append(into, at...)
			}
		}
	}
	return into
}

// answered reads one answer and returns an error unless it is a 200.
func answered(r *bufio.Reader) error {
	status, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if _, err := r.Discard(length); err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return errors.New(strings.TrimSpace(status))
	}
	return nil
}

// quantile returns the latency in milliseconds below which the share q of all requests stayed.
func (l *load) quantile(q float64) float64 { return quantile(l.took, q) }

func quantile(took []time.Duration, q float64) float64 {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return float64(took[min(len(took)-1, int(q*float64(len(took))))]) / 1e6
}

// cost is what the store writes for one message of a known customer, in bytes of keys and values: the message among
// those of its conversation, the entry of the event log, the hashed id, and the row of the conversation over the old one.
type cost struct{ message, event, id, row int }

func (c cost) bytes() int { return c.message + c.event + c.id + c.row }

// messageCost lets a kith of its own come to know the customers and looks at the file before and after more messages.
func messageCost(b *testing.B, dir string, in hook) cost {
	b.Helper()
	const messages = 5000
	more := func(n int) map[string]shelf {
		s := serve(b, dir)
		newLoad(b, s, in).drive(b, n)
		s.stop()
		return shelves(b, dir)
	}
	before, after := more(4*ingestCustomers), more(messages)
	grown := func(name string) int { return (after[name].bytes - before[name].bytes) / messages }
	c := cost{message: grown("messages"), event: grown("events"), id: grown("provider_ids")}
	if rows := after["conversations"]; rows.records > 0 {
		c.row = rows.bytes / rows.records
	}
	if c.message < 100 || c.event < 16 || c.id < 24 || c.row < 50 {
		b.Fatalf("the store writes %+v per message: are its tables called otherwise now?", c)
	}
	return c
}

// shelf is what a table of the store holds.
type shelf struct{ records, bytes int }

// shelves counts the records of each table of a store that is not open, and the bytes of their keys and values.
func shelves(b *testing.B, dir string) map[string]shelf {
	b.Helper()
	db, err := bolt.Open(filepath.Join(dir, "data.db"), 0o600, &bolt.Options{ReadOnly: true, Timeout: 5 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	all := map[string]shelf{}
	var count func(name string, bk *bolt.Bucket) error
	count = func(name string, bk *bolt.Bucket) error {
		return bk.ForEach(func(k, v []byte) error {
			if v == nil {
				return count(name, bk.Bucket(k))
			}
			sh := all[name]
			all[name] = shelf{sh.records + 1, sh.bytes + len(k) + len(v)}
			return nil
		})
	}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, bk *bolt.Bucket) error { return count(string(name), bk) })
	})
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// bareWriter is bbolt and nothing else: the same records with the same order of keys and the same grouping of commits,
// one goroutine writing what 32 callers wait for.
type bareWriter struct {
	db  *bolt.DB
	per cost
	ops chan chan error
	seq uint64
}

func openBareWriter(b *testing.B, per cost) *bareWriter {
	b.Helper()
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistArrayType})
	if err != nil {
		b.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{"messages", "events", "ids", "rows"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	w := &bareWriter{db: db, per: per, ops: make(chan chan error, ingestConnections)}
	ended := make(chan struct{})
	go func() { defer close(ended); w.loop() }()
	b.Cleanup(func() {
		close(w.ops)
		<-ended
		_ = db.Close()
	})
	return w
}

func (w *bareWriter) loop() {
	for first := range w.ops {
		batch := []chan error{first}
		for drained := false; !drained; {
			select {
			case op, ok := <-w.ops:
				if drained = !ok; ok {
					batch = append(batch, op)
				}
			default:
				drained = true
			}
		}
		err := w.db.Update(func(tx *bolt.Tx) error { return w.write(tx, len(batch)) })
		for _, op := range batch {
			op <- err
		}
	}
}

func (w *bareWriter) write(tx *bolt.Tx, n int) error {
	messages, events := tx.Bucket([]byte("messages")), tx.Bucket([]byte("events"))
	ids, rows := tx.Bucket([]byte("ids")), tx.Bucket([]byte("rows"))
	events.FillPercent = 0.9
	var changed []uint64
	for range n {
		w.seq++
		conversation := rand.Uint64N(ingestCustomers)
		changed = append(changed, conversation)
		key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, conversation), w.seq)
		id := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, rand.Uint64()), rand.Uint64())
		if err := errors.Join(
			messages.Put(key, make([]byte, w.per.message-len(key))),
			events.Put(key[8:], make([]byte, w.per.event-8)),
			ids.Put(id, make([]byte, w.per.id-len(id))),
		); err != nil {
			return err
		}
	}
	slices.Sort(changed)
	for _, conversation := range slices.Compact(changed) {
		if err := rows.Put(binary.BigEndian.AppendUint64(nil, conversation), make([]byte, w.per.row-8)); err != nil {
			return err
		}
	}
	return nil
}

// drive writes n messages from as many callers as kith has connections and returns how long that took.
func (w *bareWriter) drive(tb testing.TB, n int) time.Duration {
	tb.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	began := time.Now()
	for range ingestConnections {
		wg.Go(func() {
			for done := make(chan error, 1); left.Add(-1) >= 0; {
				w.ops <- done
				if err := <-done; err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}
