// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// unsealed keeps records in clear, so that a benchmark can tell what sealing costs. Nothing but a benchmark has it.
type unsealed struct{}

func (unsealed) seal(dst []byte, _ keySource, s Subject, _ DayKey, plain, _ []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint32(dst, uint32(s)), plain...), nil
}

func (unsealed) open(dst []byte, _ keySource, sealed, _ []byte) ([]byte, Subject, error) {
	if len(sealed) < 4 {
		return nil, 0, ErrDamaged
	}
	return append(dst, sealed[4:]...), Subject(binary.BigEndian.Uint32(sealed)), nil
}

// pair is the store as it is and one that keeps everything in clear, filled alike.
type pair struct {
	sealed, plain *DB
	clock         *clock
	days          []DayKey
}

func newPair(b *testing.B) *pair {
	b.Helper()
	p := &pair{clock: newClock(epoch)}
	o := Options{Now: p.clock.now}
	p.sealed = openTest(b, filepath.Join(b.TempDir(), "data"), o)
	p.plain = openTest(b, filepath.Join(b.TempDir(), "data"), o)
	p.plain.codec = unsealed{}
	return p
}

// targetDays is over how many days the messages are spread.
const targetDays = 30

// fill writes n messages into both stores, spread over conversations and days.
func (p *pair) fill(b *testing.B, n, conversations int) {
	b.Helper()
	const atOnce = 500
	perDay := max(n/targetDays, 1)
	r := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < n; at += atOnce {
		if at%perDay < atOnce && len(p.days) < targetDays {
			p.clock.add(24 * time.Hour)
			p.days = append(p.days, DayKey{Default, DayOf(p.clock.now())})
		}
		day := p.days[len(p.days)-1]
		convs := make([]uint64, min(atOnce, n-at))
		for i := range convs {
			convs[i] = 1 + r.Uint64N(uint64(conversations)) //nolint:gosec // a count
		}
		for _, db := range []*DB{p.sealed, p.plain} {
			update(b, db, func(tx *Tx) error {
				for _, conv := range convs {
					if err := deliver(tx, day, conv); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	slices.Reverse(p.days)
}

// deliver writes what a message from a customer is.
func deliver(tx *Tx, day DayKey, conv uint64) error {
	s := Subject(conv) //nolint:gosec // a few million at most
	seq, err := journal.Append(tx, Entry{Kind: 1, A: conv})
	if err != nil {
		return err
	}
	if err := provider.Set(tx, day, "wamid."+strconv.FormatUint(seq, 10), conv, seq); err != nil {
		return err
	}
	ref := Ref{day, conv, seq}
	if err := messages.Put(tx, ref, &message{Subject: s, Text: benchText, At: tx.Now()}); err != nil {
		return err
	}
	t, _ := threads.Get(tx, conv)
	t.Subject, t.Last, t.Title, t.Status = s, seq, "A customer", conv%5
	if n := len(t.Days); n == 0 || t.Days[n-1] != day {
		t.Days = append(slices.Clone(t.Days), day)
	}
	return threads.Put(tx, conv, t)
}

// pageOf reads the newest messages of a conversation, as opening it does, and returns how many it found.
func pageOf(db *DB, ctx context.Context, conv uint64) (found int, err error) { //nolint:revive // reads better beside view
	return found, db.View(ctx, func(tx *Tx) error {
		t, ok := threads.Get(tx, conv)
		if !ok {
			return nil
		}
		days := slices.Clone(t.Days)
		slices.Reverse(days)
		return messages.Back(tx, conv, days, 0, func(Ref, *message) error {
			if found++; found == 50 {
				return ErrStop
			}
			return nil
		})
	})
}

// quantiles sorts and picks.
func quantiles(all []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// opened opens n conversations and returns how long each took, and how many messages there were in all.
func opened(b *testing.B, db *DB, n, conversations int) (times []time.Duration, found int) {
	b.Helper()
	for range n {
		conv, began := 1+rand.Uint64N(uint64(conversations)), time.Now() //nolint:gosec // a count
		k, err := pageOf(db, b.Context(), conv)
		if err != nil {
			b.Fatal(err)
		}
		times, found = append(times, time.Since(began)), found+k
	}
	return times, found
}

// targetSize is KITH_TARGET_MESSAGES, 100,000 unless it says otherwise.
func targetSize(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("KITH_TARGET_MESSAGES"))
	if errors.Is(err, strconv.ErrSyntax) && os.Getenv("KITH_TARGET_MESSAGES") == "" {
		return 100_000
	}
	if err != nil {
		b.Fatal("KITH_TARGET_MESSAGES:", err)
	}
	return n
}

// BenchmarkTargetPipeline prints what sealing costs of the rate of one, 64 and 256 writers, how groups of writers gain
// over one, and how close one comes to what the disk can do.
func BenchmarkTargetPipeline(b *testing.B) {
	p := newPair(b)
	p.fill(b, 20_000, benchThreads)
	raw := syncRate(b)
	rates := map[int]float64{}
	for _, writers := range []int{1, 64, 256} {
		var took [2]time.Duration
		n := min(b.N*writers, 40_000)
		const rounds = 4
		for range rounds {
			for i, db := range []*DB{p.plain, p.sealed} {
				op := ingest(b, db)
				var at atomic.Int64
				at.Store(time.Now().UnixNano())
				took[i] += drive(b, writers, n/rounds, func(r *rand.Rand, _ int) error { return op(r, int(at.Add(1))) })
			}
		}
		name := strconv.Itoa(writers)
		rates[writers] = float64(n) / took[1].Seconds()
		b.ReportMetric(rates[writers], "msg/s-"+name)
		b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "sealed/plain-"+name)
	}
	b.ReportMetric(rates[1]/raw, "one/disk")
	b.ReportMetric(rates[64]/rates[1], "64/one")
	b.ReportMetric(rates[256]/rates[1], "256/one")
	b.ReportMetric(0, "ns/op")
}

// syncRate is how often a second the disk writes pages, syncs, writes a page, syncs: what a commit of bbolt is.
func syncRate(b *testing.B) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the directory goes
	page := make([]byte, 4096)
	if _, err := f.Write(make([]byte, 64<<20)); err != nil {
		b.Fatal(err)
	}
	const n = 500
	began := time.Now()
	for i := range n {
		for k := range 5 {
			if _, err := f.WriteAt(page, int64((i*7+k*31)%16000)*4096); err != nil {
				b.Fatal(err)
			}
		}
		for k := range 2 {
			if k == 1 {
				if _, err := f.WriteAt(page, int64(i%2)*4096); err != nil {
					b.Fatal(err)
				}
			}
			if err := syscall.Fdatasync(int(f.Fd())); err != nil { //nolint:gosec // a descriptor
				b.Fatal(err)
			}
		}
	}
	return n / time.Since(began).Seconds()
}

// BenchmarkTargetOpen prints what opening a conversation costs, in clear and sealed, in a small store and a large one,
// and while everybody writes; and what a message costs on disk.
func BenchmarkTargetOpen(b *testing.B) {
	size := targetSize(b)
	perMessage := map[int]float64{}
	for _, n := range []int{size / 10, size} {
		conversations := max(n/20, 1)
		p := newPair(b)
		p.fill(b, n, conversations)
		opened(b, p.sealed, 200, conversations)
		times, found := opened(b, p.sealed, max(b.N, 2000), conversations)
		idle50, idle99 := quantiles(times)
		perMessage[n] = float64(sum(times).Nanoseconds()) / float64(found)
		if n != size {
			continue
		}
		times, _ = opened(b, p.plain, max(b.N, 2000), conversations)
		plain50, _ := quantiles(times)
		b.ReportMetric(float64(idle50.Nanoseconds())/1e3, "open-p50-µs")
		b.ReportMetric(perMessage[n]/1e3, "µs/message")
		b.ReportMetric(float64(idle50)/float64(plain50), "sealed/plain")
		b.ReportMetric(float64(underLoad(b, p, conversations))/float64(idle99), "p99-loaded/idle")
		b.ReportMetric(float64(fileSize(b, p.sealed))/float64(n), "B/message")
		b.ReportMetric(float64(fileSize(b, p.sealed))/float64(fileSize(b, p.plain)), "disk-sealed/plain")
	}
	b.ReportMetric(perMessage[size]/perMessage[size/10], "large/small")
	b.ReportMetric(0, "ns/op")
}

func sum(all []time.Duration) (s time.Duration) {
	for _, d := range all {
		s += d
	}
	return s
}

func fileSize(b *testing.B, db *DB) int64 {
	b.Helper()
	info, err := os.Stat(db.path(dataFile))
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

// underLoad is the 99th of 100 openings while 64 writers do what they can.
func underLoad(b *testing.B, p *pair, conversations int) time.Duration {
	b.Helper()
	op := ingest(b, p.sealed)
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		at := int(time.Now().UnixNano())
		for round := 0; !over.Load(); round++ {
			drive(b, 64, 2000, func(r *rand.Rand, i int) error { return op(r, at+round*2000+i) })
		}
	}()
	times, _ := opened(b, p.sealed, 2000, conversations)
	over.Store(true)
	<-done
	_, p99 := quantiles(times)
	return p99
}

// BenchmarkTargetList prints what the first fifty of 100,000 conversations with their newest messages cost, and a walk
// over all of them for a rare predicate.
func BenchmarkTargetList(b *testing.B) {
	const rows = 100_000
	p := newPair(b)
	p.fill(b, 2*rows, rows)
	var page, rare []time.Duration
	for range max(b.N, 500) {
		began := time.Now()
		view(b, p.sealed, func(tx *Tx) error { return firstFifty(tx, func(*thread) bool { return true }) })
		page = append(page, time.Since(began))
		began = time.Now()
		view(b, p.sealed, func(tx *Tx) error { return firstFifty(tx, func(t *thread) bool { return t.Status == 99 }) })
		rare = append(rare, time.Since(began))
	}
	p50, _ := quantiles(page)
	b.ReportMetric(float64(p50.Nanoseconds())/1e3, "fifty-p50-µs")
	p50, _ = quantiles(rare)
	b.ReportMetric(float64(p50.Nanoseconds())/1e3, "predicate-p50-µs")
	b.ReportMetric(0, "ns/op")
}

func firstFifty(tx *Tx, want func(*thread) bool) (err error) {
	left := 50
	threads.Walk(tx, Mark{}, func(id uint64, t *thread) bool {
		if !want(t) {
			return true
		}
		_, err = messages.Get(tx, Ref{t.Days[len(t.Days)-1], id, t.Last})
		left--
		return left > 0 && err == nil
	})
	return err
}
