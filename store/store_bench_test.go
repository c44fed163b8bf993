// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
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
	benchWriters = 32
	benchThreads = 10_000
)

var benchText = strings.Repeat("words of a customer ", 6)

// drive lets writers do n operations together and returns how long it took.
func drive(tb testing.TB, writers, n int, op func(r *rand.Rand, i int) error) time.Duration {
	tb.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for w := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), uint64(w)))
			for {
				i := int(next.Add(1))
				if i > n {
					return
				}
				if err := op(r, i); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// ingest is what a message from a customer costs.
func ingest(tb testing.TB, db *DB) func(*rand.Rand, int) error {
	tb.Helper()
	day := DayKey{Default, DayOf(time.Now())}
	ctx := tb.Context()
	return func(r *rand.Rand, i int) error {
		conv, ident := uint64(r.IntN(benchThreads)), "wamid."+strconv.Itoa(i)
		return db.Update(ctx, func(tx *Tx) error {
			if _, _, seen, err := provider.Get(tx, day, ident); seen || err != nil {
				return err
			}
			s := Subject(conv + 1)
			seq, err := journal.Append(tx, Entry{Kind: 1, A: conv})
			if err != nil {
				return err
			}
			if err := provider.Set(tx, day, ident, conv, seq); err != nil {
				return err
			}
			if err := messages.Put(tx, Ref{day, conv, seq}, &message{Subject: s, Text: benchText, At: tx.Now()}); err != nil {
				return err
			}
			t, _ := threads.Get(tx, conv)
			t.Subject, t.Last, t.Title = s, seq, "A customer"
			return threads.Put(tx, conv, t)
		})
	}
}

// bare is a writer without any of the store: the same bytes, the same keys and
// the same way of grouping commits.
type bare struct {
	db  *bolt.DB
	ops chan *bareOp
	seq uint64
}

type bareOp struct {
	conv  uint64
	ident [16]byte
	done  chan error
}

const (
	bareMessage = overhead + 160
	bareRow     = overhead + 28
)

func (w *bare) loop() {
	var batch []*bareOp
	for first := range w.ops {
		batch = drain(w.ops, append(batch[:0], first))
		err := w.db.Update(func(tx *bolt.Tx) error { return w.write(tx, batch) })
		for _, op := range batch {
			op.done <- err
		}
	}
}

func (w *bare) write(tx *bolt.Tx, batch []*bareOp) error {
	d, m, q, c := tx.Bucket([]byte("d")), tx.Bucket([]byte("m")), tx.Bucket([]byte("q")), tx.Bucket([]byte("c"))
	m.FillPercent, q.FillPercent = fillGroups, fillAppend
	var rows []uint64
	for _, op := range batch {
		if d.Get(op.ident[:]) != nil {
			continue
		}
		w.seq++
		key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, op.conv), w.seq)
		if err := d.Put(op.ident[:], slices.Clone(key)); err != nil {
			return err
		}
		if err := m.Put(key, make([]byte, bareMessage)); err != nil {
			return err
		}
		if err := q.Put(key[8:], make([]byte, 12)); err != nil {
			return err
		}
		rows = append(rows, op.conv)
	}
	slices.Sort(rows)
	for _, conv := range slices.Compact(rows) {
		if err := c.Put(binary.BigEndian.AppendUint64(nil, conv), make([]byte, bareRow)); err != nil {
			return err
		}
	}
	return nil
}

func openBare(tb testing.TB) *bare {
	tb.Helper()
	db, err := bolt.Open(filepath.Join(tb.TempDir(), "bare.db"), 0o600, boltOptions(0))
	if err != nil {
		tb.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, n := range []string{"d", "m", "q", "c"} {
			if _, err := tx.CreateBucket([]byte(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	w := &bare{db: db, ops: make(chan *bareOp, maxBatch)}
	go w.loop()
	tb.Cleanup(func() { close(w.ops); _ = db.Close() })
	return w
}

func (w *bare) op(r *rand.Rand, _ int) error {
	op := &bareOp{conv: uint64(r.IntN(benchThreads)), done: make(chan error, 1)}
	binary.BigEndian.PutUint64(op.ident[:], r.Uint64())
	w.ops <- op
	return <-op.done
}

// BenchmarkIngest prints how fast messages become durable, and that against a
// bare writer of equal bytes in the same run.
func BenchmarkIngest(b *testing.B) {
	db, w := newTest(b), openBare(b)
	op := ingest(b, db)
	const rounds = 4 // one after the other, so that both see the same disk
	var ours, theirs time.Duration
	for round := range rounds {
		n := b.N / rounds
		theirs += drive(b, benchWriters, n, w.op)
		ours += drive(b, benchWriters, n, func(r *rand.Rand, i int) error { return op(r, round*n+i) })
	}
	n := float64(b.N / rounds * rounds)
	b.ReportMetric(n/ours.Seconds(), "messages/s")
	b.ReportMetric(n/theirs.Seconds(), "bare/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(n/commits(b, db.bolt.now().DB), "ops/commit")
	b.ReportMetric(n/commits(b, w.db), "bare-ops/commit")
}

// commits is the number of transactions that were written.
func commits(b *testing.B, db *bolt.DB) float64 {
	b.Helper()
	tx, err := db.Begin(false)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	return float64(tx.ID())
}

func BenchmarkSeal(b *testing.B) {
	db := newTest(b)
	plain, dst := []byte(benchText), make([]byte, 0, 512)
	where := []byte("t.messages\x00\x01\x00\x000123456701234567")
	sealed, err := seal(nil, db.keys, 1, DayKey{1, 2}, plain, where)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := seal(dst, db.keys, 1, DayKey{1, 2}, plain, where); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := open(dst, db.keys, sealed, where); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStart prints how long a store with many rows takes to open after a
// clean stop.
func BenchmarkStart(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	db := openTest(b, dir, Options{})
	const rows = 100_000
	for at := 0; at < rows; at += 2000 {
		update(b, db, func(tx *Tx) error {
			for i := at; i < at+2000; i++ {
				t := thread{tx.NextSubject(), uint64(i), uint64(i % 5), fmt.Sprintf("Customer %d", i), []DayKey{{1, 20000}, {1, 20001}}}
				if err := threads.Put(tx, uint64(i+1), t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
