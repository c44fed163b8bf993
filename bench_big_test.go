// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kith/app"
	"kith/store"
)

// big is a store with many conversations, made once and kept in a folder outside the checkout.
type big struct {
	dir                     string
	conversations, messages int
}

func sizeFromEnv(tb testing.TB, name string, otherwise int) int {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		tb.Fatalf("%s=%q: want a number", name, text)
	}
	return n
}

// openBig returns the big store. KITH_BENCH_CONVERSATIONS and KITH_BENCH_MESSAGES make it smaller, KITH_BENCH_DIR names
// the folder that keeps it.
func openBig(b *testing.B) big {
	b.Helper()
	s := big{
		conversations: sizeFromEnv(b, "KITH_BENCH_CONVERSATIONS", 100_000),
		messages:      sizeFromEnv(b, "KITH_BENCH_MESSAGES", 1_000_000),
	}
	root := os.Getenv("KITH_BENCH_DIR")
	if root == "" {
		root = os.TempDir()
	}
	home := filepath.Join(root, fmt.Sprintf("kith-bench-%d-%d", s.conversations, s.messages))
	s.dir = filepath.Join(home, "data")
	made := filepath.Join(home, "made")
	if _, err := os.Stat(made); err == nil {
		return s
	}
	if err := os.RemoveAll(home); err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	s.make(b)
	if err := os.WriteFile(made, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Logf("made %s in %s", s.dir, time.Since(began).Round(time.Second))
	return s
}

// make lets customers write in turns over the last sixty days: many conversations are old, the list has an order.
func (s big) make(b *testing.B) {
	b.Helper()
	db, err := store.Open(s.dir, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	desk := app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"whatsapp": {}}})
	in, err := desk.AddInbox(ctx, app.Host(), app.NewInbox{
		Kind: "whatsapp", Name: "Bench", Address: "106540352242922",
		Settings: map[string]string{
			"phone_number_id": "106540352242922", "waba_id": "102290129340398", "app_secret": appSecret,
			"access_token": accessToken, "verify_token": verifyToken, "api_base": "http://127.0.0.1:9",
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	from := time.Now().Add(-60 * 24 * time.Hour)
	step := 60 * 24 * time.Hour / time.Duration(s.messages)
	const batch = 1000
	var what app.Inbound
	for i := range s.messages {
		who := i % s.conversations // everybody writes once, then anybody
		if i >= s.conversations {
			who = r.IntN(s.conversations)
		}
		what.Messages = append(what.Messages, bigMessage(r, who, i, from.Add(step*time.Duration(i))))
		if len(what.Messages) == batch || i == s.messages-1 {
			if err := desk.Receive(ctx, in.ID, what); err != nil {
				b.Fatal(err)
			}
			what.Messages = what.Messages[:0]
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

func bigMessage(r *rand.Rand, who, i int, at time.Time) app.InboundMessage {
	number := strconv.Itoa(62_810_000_000 + who)
	m := app.InboundMessage{
		ExternalID: "wamid.HBgNNjI4" + strconv.Itoa(i), Direction: app.In, At: at, Type: app.TypeText,
		Person: app.Person{Name: "Sample " + number, Identities: []app.Identity{
			{Kind: app.IdentityWaID, Value: number}, {Kind: app.IdentityPhone, Value: "+" + number},
		}},
		Content: app.Content{Text: sentences[r.IntN(len(sentences))]},
	}
	if i%3 == 1 { // a third was typed by the business, in its phone app
		m.Direction, m.Origin, m.Status = app.Out, app.FromPhoneApp, app.StatusDelivered
	}
	return m
}

var sentences = []string{
	"Good morning, is the doctor in today? I would like to come at four.",
	"Thank you.", "Could you send me the price list again, please? The last one had no sizes.",
	"Pesanan saya sudah sampai, terima kasih banyak.", "Yes, tomorrow is fine.",
	"The parcel came with a dent in one corner. I made a picture of it, and I would like to know whether I can exchange it " +
		"without sending the old one back first, because I need it on Saturday.",
}

// BenchmarkStart prints how long kith takes from its start to the first 200 of /readyz after a clean stop, and the
// memory it then holds: with nothing in the store, and with all of the big store.
func BenchmarkStart(b *testing.B) {
	b.Run("empty", func(b *testing.B) {
		dir := dataDir(b)
		serve(b, dir).stop()
		benchStart(b, dir)
	})
	b.Run("big", func(b *testing.B) {
		s := openBig(b)
		serve(b, s.dir).stop()
		benchStart(b, s.dir)
	})
}

func benchStart(b *testing.B, dir string) {
	b.Helper()
	var ready []time.Duration
	var rss int
	for b.Loop() {
		s := serve(b, dir)
		ready = append(ready, s.ready)
		b.StopTimer()
		if kib, ok := s.status("VmRSS"); ok {
			rss = max(rss, kib)
		}
		s.stop()
		b.StartTimer()
	}
	b.ReportMetric(quantile(ready, 0.5), "ready-p50-ms")
	b.ReportMetric(quantile(ready, 1), "ready-max-ms")
	b.ReportMetric(float64(rss)/1024, "rss-MiB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkOpenConversation prints what opening a conversation of the big store costs over HTTP: the JSON, the whole
// page, and the part that a click in the list fetches. The conversations come from all over the store and were opened
// once before: a first opening tells the network too, which these numbers shall not hold.
func BenchmarkOpenConversation(b *testing.B) {
	s := serve(b, openBig(b).dir)
	a := s.api()
	all := conversationIDs(b, a)
	signedIn := s.browserless()
	var ids []string
	for range 400 {
		ids = append(ids, all[rand.IntN(len(all))])
		visit(b, signedIn, s.base+"/inbox/"+ids[len(ids)-1])
	}
	wait(b, patience, "the outbox to be empty", func() bool { return s.outbox() == 0 })
	pick := func() string { return ids[rand.IntN(len(ids))] }
	b.Run("api", func(b *testing.B) {
		timed(b, s, a.client(), func() string { return s.base + "/api/v1/conversations/" + pick() + "/messages?limit=50" })
	})
	b.Run("page", func(b *testing.B) {
		timed(b, s, signedIn, func() string { return s.base + "/inbox/" + pick() })
	})
	b.Run("click", func(b *testing.B) {
		timed(b, s, clicking(signedIn, "panes"), func() string { return s.base + "/inbox/" + pick() })
	})
}

// outbox is how much waits to be sent.
func (s *server) outbox() (n int) {
	s.tb.Helper()
	res, err := http.Get(s.base + "/metrics")
	if err != nil {
		s.tb.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, "kith_outbox_length "); is {
			if _, err := fmt.Sscan(rest, &n); err == nil {
				return n
			}
		}
	}
	s.tb.Fatalf("the metrics do not tell the outbox:\n%s", text)
	return 0
}

// visit reads an address to its end and returns how many bytes came.
func visit(b *testing.B, client *http.Client, address string) int64 {
	b.Helper()
	res, err := client.Get(address)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s, %v", res.Request.URL, res.Status, err)
	}
	return n
}

// BenchmarkInboxList prints what the list of conversations costs.
func BenchmarkInboxList(b *testing.B) {
	s := serve(b, openBig(b).dir)
	b.Run("api", func(b *testing.B) {
		timed(b, s, s.api().client(), func() string { return s.base + "/api/v1/conversations?status=open&limit=50" })
	})
	signedIn := s.browserless()
	b.Run("page", func(b *testing.B) {
		timed(b, s, signedIn, func() string { return s.base + "/inbox" })
	})
	b.Run("click", func(b *testing.B) {
		timed(b, s, clicking(signedIn, "list"), func() string { return s.base + "/inbox?view=unassigned" })
	})
}

// conversationIDs returns the ids of all conversations.
func conversationIDs(b *testing.B, a *api) (ids []string) {
	b.Helper()
	for _, c := range list[conversation](a, "/api/v1/conversations") {
		ids = append(ids, string(c.ID))
	}
	return ids
}

// with adds headers to every request.
type with struct {
	http.Header
	next http.RoundTripper
}

// RoundTrip sends the request with the headers.
func (w with) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	maps.Copy(r.Header, w.Header)
	return w.next.RoundTrip(r)
}

// asBrowser takes compressed answers and leaves them so: the time of a page holds no unpacking.
func asBrowser(next http.RoundTripper) http.RoundTripper {
	return with{http.Header{"Accept-Encoding": {"gzip"}}, next}
}

func (a *api) client() *http.Client {
	return &http.Client{Transport: with{http.Header{"Authorization": {"Bearer " + a.key}}, asBrowser(http.DefaultTransport)}}
}

// clicking asks as htmx does.
func clicking(c *http.Client, target string) *http.Client {
	return &http.Client{Jar: c.Jar, Transport: with{
		http.Header{"Hx-Request": {"true"}, "Hx-Request-Type": {"partial"}, "Hx-Target": {target}}, asBrowser(http.DefaultTransport),
	}}
}

// timed requests an address after the other and prints the spread of the times to the last byte.
func timed(b *testing.B, s *server, client *http.Client, address func() string) {
	b.Helper()
	var took []time.Duration
	size := 0
	for b.Loop() {
		began := time.Now()
		n := visit(b, client, address())
		took = append(took, time.Since(began))
		size = int(n)
	}
	b.ReportMetric(quantile(took, 0.50), "p50-ms")
	b.ReportMetric(quantile(took, 0.95), "p95-ms")
	b.ReportMetric(float64(size)/1024, "KiB")
	if kib, ok := s.status("RssAnon"); ok {
		b.ReportMetric(float64(kib)/1024, "anon-MiB") // without the pages of the file that the system caches
	}
	b.ReportMetric(0, "ns/op")
}
