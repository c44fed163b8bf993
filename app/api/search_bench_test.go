// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/api"
	"kith/app/auth"
	"kith/store"
)

// searchWords is how many different words the messages of the benchmark have.
const searchWords = 38_000

// searchWord is the word of a rank; the first ranks are in every other message.
func searchWord(rank uint64) string {
	const syllables = "kasipumetalorinubadegohajewiyozaca"
	var b strings.Builder
	for n := rank*2_654_435_761%searchWords + 40; n > 0; n /= 17 {
		b.WriteString(syllables[n%17*2:][:2])
	}
	return b.String()
}

// talk makes messages of 10,000 customers over the last 45 days.
type talk struct {
	r *rand.Rand
	z *rand.Zipf
	n int
}

func (t *talk) message(total int, now time.Time) app.InboundMessage {
	words := make([]string, 8+t.r.IntN(10))
	for i := range words {
		words[i] = searchWord(t.z.Uint64())
	}
	t.n++
	who := strconv.Itoa(628_000_000 + t.r.IntN(10_000))
	return app.InboundMessage{
		ExternalID: fmt.Sprint("wamid.", t.n), Direction: app.In, Type: app.TypeText, Past: true,
		At: now.Add(-45*24*time.Hour + time.Duration(float64(45*24*time.Hour)*float64(t.n)/float64(total))),
		Person: app.Person{Name: "Sample " + who, Identities: []app.Identity{
			{Kind: app.IdentityWaID, Value: who}, {Kind: app.IdentityPhone, Value: "+" + who},
		}},
		Content: app.Content{Text: strings.Join(words, " ")},
	}
}

// openTalk opens a store with so many messages, and waits until they can all be found. KITH_SEARCH_DIR keeps it for
// another run.
func openTalk(b *testing.B, total int) (*app.Desk, *store.DB) {
	b.Helper()
	dir := os.Getenv("KITH_SEARCH_DIR")
	if dir == "" {
		dir = filepath.Join(b.TempDir(), "data")
	}
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	desk := app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"whatsapp": {}}})
	ctx := b.Context()
	if inboxes, err := desk.Inboxes(ctx); err != nil || len(inboxes) == 0 {
		in, err := desk.AddInbox(ctx, app.Host(), app.NewInbox{Kind: "whatsapp", Name: "x", Address: "1"})
		if err != nil {
			b.Fatal(err)
		}
		receiveTalk(b, desk, in.ID, total)
	}
	for {
		p, err := desk.SearchProgress(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if p.Complete && p.Behind == 0 {
			return desk, db
		}
		if _, err := desk.SearchMessages(ctx, app.Host(), app.SearchQuery{Text: "x", Limit: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

func receiveTalk(b *testing.B, desk *app.Desk, in app.InboxID, total int) {
	b.Helper()
	const batch = 50
	r := rand.New(rand.NewPCG(1, 7))
	t, now := &talk{r: r, z: rand.NewZipf(r, 1.07, 9, searchWords-1)}, time.Now()
	work := make(chan []app.InboundMessage)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for list := range work {
				if err := desk.Receive(context.WithoutCancel(b.Context()), in, app.Inbound{Messages: list}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	start := time.Now()
	for t.n < total {
		list := make([]app.InboundMessage, 0, batch)
		for range min(batch, total-t.n) {
			list = append(list, t.message(total, now))
		}
		work <- list
	}
	close(work)
	wg.Wait()
	b.Logf("%d messages came in, %.0f each second", total, float64(total)/time.Since(start).Seconds())
}

// searchKinds are searches as people make them, each with other words.
var searchKinds = []struct {
	name string
	text func(r *rand.Rand) string
}{
	{"rare", func(r *rand.Rand) string { return searchWord(5000+r.Uint64N(30_000)) + " " }},
	{"mid", func(r *rand.Rand) string { return searchWord(300+r.Uint64N(500)) + " " }},
	{"common", func(r *rand.Rand) string { return searchWord(r.Uint64N(8)) + " " }},
	{"prefix3", func(r *rand.Rand) string { return searchWord(r.Uint64N(searchWords))[:3] }},
	{"prefix5", func(r *rand.Rand) string { return (searchWord(r.Uint64N(searchWords)) + "xx")[:5] }},
	{"common+mid", func(r *rand.Rand) string {
		return searchWord(r.Uint64N(8)) + " " + searchWord(300+r.Uint64N(500)) + " "
	}},
	{"mid+mid", func(r *rand.Rand) string {
		return searchWord(200+r.Uint64N(300)) + " " + searchWord(500+r.Uint64N(500)) + " "
	}},
	{"common+prefix3", func(r *rand.Rand) string { return searchWord(r.Uint64N(8)) + " " + searchWord(r.Uint64N(5000))[:3] }},
	{"phrase", func(r *rand.Rand) string {
		return `"` + searchWord(r.Uint64N(4)) + " " + searchWord(4+r.Uint64N(8)) + `"`
	}},
}

// BenchmarkSearch tells how long searches take at KITH_SEARCH_MESSAGES messages, in the desk and over HTTP.
func BenchmarkSearch(b *testing.B) {
	total, _ := strconv.Atoi(os.Getenv("KITH_SEARCH_MESSAGES"))
	desk, db := openTalk(b, max(total, 5000))
	keys := auth.New(db, desk, auth.Options{})
	key, _, err := keys.AddKey(b.Context(), app.Host(), auth.NewKey{Name: "bench", Role: app.Owner})
	if err != nil {
		b.Fatal(err)
	}
	e := echo.New()
	api.Register(e, api.Deps{Desk: desk, Auth: keys})
	server := httptest.NewServer(e)
	defer server.Close()
	for _, k := range searchKinds {
		b.Run("desk/"+k.name, func(b *testing.B) {
			measure(b, k.text, func(text string) (int, error) {
				f, err := desk.SearchMessages(b.Context(), app.Host(), app.SearchQuery{Text: text, Limit: 50})
				return len(f.Messages), err
			})
		})
	}
	for _, k := range searchKinds {
		b.Run("http/"+k.name, func(b *testing.B) {
			measure(b, k.text, func(text string) (int, error) { return searchOverHTTP(b.Context(), server, key, text) })
		})
	}
}

func searchOverHTTP(ctx context.Context, s *httptest.Server, key, text string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/search?q="+url.QueryEscape(text), nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := s.Client().Do(r)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", text, answer.StatusCode, body)
	}
	return strings.Count(string(body), `"conversation_id"`), errors.Join(err, answer.Body.Close())
}

func measure(b *testing.B, text func(*rand.Rand) string, search func(string) (int, error)) {
	b.Helper()
	r := rand.New(rand.NewPCG(3, 3))
	var times []time.Duration
	hits := 0
	for b.Loop() {
		q := text(r)
		start := time.Now()
		n, err := search(q)
		if err != nil {
			b.Fatal(err)
		}
		times, hits = append(times, time.Since(start)), hits+n
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1e3, "p50-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1e3, "p95-ms")
	b.ReportMetric(float64(hits)/float64(len(times)), "hits")
}
