// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"kith/app"
	"kith/app/apptest"
)

// BenchmarkPage draws the whole page, 50 lines and 50 messages, over a store with many conversations. The budget is 5 ms
// for 95 of 100.
func BenchmarkPage(b *testing.B) {
	s := newBench(b)
	crowd(b, s, 100_000)
	path := s.path(apptest.Sari) + "?view=all"
	times := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if w := s.do(http.MethodGet, path, nil, false); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
}

// crowd makes n conversations and 50 messages in the sample's first thread.
func crowd(tb testing.TB, s *bench, n int) {
	tb.Helper()
	const atOnce = 1000
	for done := 0; done < n; done += atOnce {
		in := app.Inbound{}
		for i := range atOnce {
			id := fmt.Sprint(done + i)
			in.Messages = append(in.Messages, app.InboundMessage{
				ExternalID: "c" + id, Direction: app.In, At: apptest.Start, Type: app.TypeText, Content: app.Content{Text: "Line " + id},
				Person: app.Person{Name: "Customer " + id, Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: "B." + id}}},
			})
		}
		if err := s.Desk.Receive(tb.Context(), s.Inbox, in); err != nil {
			tb.Fatal(err)
		}
	}
	in := app.Inbound{}
	for i := range pageMessages {
		in.Messages = append(in.Messages, app.InboundMessage{
			ExternalID: fmt.Sprint("s", i), Person: apptest.Person(apptest.Sari), Direction: app.In, At: apptest.Start,
			Type: app.TypeText, Content: app.Content{Text: fmt.Sprint("Message ", i, " with a link https://kedaipagi.example/menu")},
		})
	}
	if err := s.Desk.Receive(tb.Context(), s.Inbox, in); err != nil {
		tb.Fatal(err)
	}
}
