// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	growthDays    = 30
	growthFill    = 500 // messages per transaction while filling
	growthWrites  = 2000
	growthReads   = 400
	growthPerConv = 20
)

// growth is one line of the table: what things cost in a store of so many
// messages.
type growth struct {
	messages, conversations  int
	fill, ingest, open, list time.Duration // a message; a message with 32 writers; a conversation; a page of 50
	found                    float64       // messages on the newest page of a conversation
	start                    time.Duration
	file                     int64
}

// TestGrowth prints what a message, a conversation, the list and a start cost as
// a store grows. KITH_GROWTH=10000,100000,1000000,10000000 names the sizes; make
// growth takes these.
func TestGrowth(t *testing.T) {
	given := os.Getenv("KITH_GROWTH")
	if given == "" {
		given = "1000,4000"
	}
	sizes := strings.Split(given, ",")
	last, _ := strconv.Atoi(strings.TrimSpace(sizes[len(sizes)-1])) // looked at below
	var lines []growth
	dir := filepath.Join(t.TempDir(), "data")
	filled := 0
	for _, part := range sizes {
		size, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || size < filled+growthFill {
			t.Fatalf("KITH_GROWTH is a list of growing numbers, such as 10000,100000; not %q", given)
		}
		lines = append(lines, grow(t, dir, filled, size, last))
		filled = size + growthWrites
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "messages\tconversations\tfill µs\tingest µs\topen p50 µs\tfound\tper message µs\tlist 50 p50 µs\tstart ms\tbytes/message\t")
	for _, l := range lines {
		_, _ = fmt.Fprintf(w, "%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t%.1f\t%.1f\t%d\t\n", l.messages, l.conversations, micros(l.fill), micros(l.ingest),
			micros(l.open), l.found, micros(l.open)/max(l.found, 1), micros(l.list), micros(l.start)/1000, l.file/int64(l.messages))
	}
	_ = w.Flush()
	t.Logf("\n%s", b.String())
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// grow fills the store up to size messages and measures there. The days pass as
// if the last size were reached in a month.
func grow(t *testing.T, dir string, from, size, last int) growth {
	t.Helper()
	db := openTest(t, dir, Options{})
	g := growth{messages: size, conversations: max(size/growthPerConv, 50)}
	r := rand.New(rand.NewPCG(1, uint64(size))) //nolint:gosec // a size
	began := time.Now()
	for at := from; at < size; at += growthFill {
		day := DayKey{Default, Day(20_000 + at*growthDays/max(last, 1))} //nolint:gosec // a day of the month
		update(t, db, func(tx *Tx) error {
			for range min(growthFill, size-at) {
				if err := receive(tx, uint64(r.IntN(g.conversations)), day); err != nil { //nolint:gosec // not negative
					return err
				}
			}
			return nil
		})
	}
	g.fill = time.Since(began) / time.Duration(size-from)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	db = openTest(t, dir, Options{})
	g.start = time.Since(began)
	g.file = db.Space().File - db.Space().Free
	g.read(t, db, r)
	day := DayKey{Default, 20_000 + growthDays}
	g.ingest = drive(t, benchWriters, growthWrites, func(r *rand.Rand, _ int) error {
		return db.Update(t.Context(), func(tx *Tx) error { return receive(tx, uint64(r.IntN(g.conversations)), day) }) //nolint:gosec // not negative
	}) / growthWrites
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return g
}

// receive is what comes with a message: itself, its identifier at the network,
// the event and the row of the conversation.
func receive(tx *Tx, conv uint64, day DayKey) error {
	s := Subject(conv + 1) //nolint:gosec // a test has few conversations
	seq, err := journal.Append(tx, Entry{Kind: 1, A: conv})
	if err != nil {
		return err
	}
	row, _ := threads.Get(tx, conv)
	row.Subject, row.Last, row.Title = s, seq, "Sample Customer"
	if !slices.Contains(row.Days, day) {
		row.Days = append([]DayKey{day}, row.Days...)
	}
	return errors.Join(
		provider.Set(tx, day, "wamid."+strconv.FormatUint(seq, 10), conv, seq),
		messages.Put(tx, Ref{day, conv, seq}, &message{Subject: s, Text: benchText, At: tx.Now()}),
		threads.Put(tx, conv, row),
	)
}

// read measures the newest page of conversations and the first page of the list.
func (g *growth) read(t *testing.T, db *DB, r *rand.Rand) {
	t.Helper()
	opens, lists, found := make([]time.Duration, growthReads), make([]time.Duration, growthReads), 0
	for i := range growthReads {
		conv := uint64(r.IntN(g.conversations)) //nolint:gosec // not negative
		began := time.Now()
		view(t, db, func(tx *Tx) error {
			n, err := page(tx, conv, 50)
			found += n
			return err
		})
		opens[i] = time.Since(began)
		began = time.Now()
		view(t, db, func(tx *Tx) (err error) {
			n := 0
			threads.Walk(tx, Mark{}, func(id uint64, _ *thread) bool {
				var got int
				if got, err = page(tx, id, 1); err == nil && got != 1 {
					err = fmt.Errorf("conversation %d has no newest message", id)
				}
				n++
				return err == nil && n < 50
			})
			return err
		})
		lists[i] = time.Since(began)
	}
	if found == 0 {
		t.Error("no message was found")
	}
	slices.Sort(opens)
	slices.Sort(lists)
	g.open, g.list, g.found = opens[growthReads/2], lists[growthReads/2], float64(found)/growthReads
}

// page reads the newest messages of a conversation.
func page(tx *Tx, conv uint64, limit int) (n int, err error) {
	row, ok := threads.Get(tx, conv)
	if !ok {
		return 0, nil
	}
	err = messages.Back(tx, conv, row.Days, 0, func(Ref, *message) error {
		if n++; n == limit {
			return ErrStop
		}
		return nil
	})
	return n, err
}
