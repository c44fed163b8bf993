// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"kith/app"
	"kith/store"
)

// BenchmarkReceive stores one durable message per call, from 32 callers at once, for 1,000 customers.
func BenchmarkReceive(b *testing.B) {
	db, err := store.Open(b.TempDir()+"/data", store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the directory goes
	desk := app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"whatsapp": {}}})
	in, err := desk.AddInbox(b.Context(), app.Host(), app.NewInbox{Kind: "whatsapp", Name: "x", Address: "1"})
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			who := fmt.Sprint(628000000 + i%1000)
			m := app.InboundMessage{
				ExternalID: fmt.Sprint("wamid.", i), Direction: app.In, At: time.Now(), Type: app.TypeText,
				Person: app.Person{Name: "Sample " + who, Identities: []app.Identity{
					{Kind: app.IdentityBSUID, Value: "ID." + who}, {Kind: app.IdentityWaID, Value: who}, {Kind: app.IdentityPhone, Value: "+" + who},
				}},
				Content: app.Content{Text: "Good morning, is the doctor in today? I would like to come at four."},
			}
			if err := desk.Receive(b.Context(), in.ID, app.Inbound{Messages: []app.InboundMessage{m}}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
