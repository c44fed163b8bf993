// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/app/channel/whatsapp"
	"kith/store"
)

// BenchmarkAccept receives signed texts of 2,000 people over 32 connections at once, each answered when it is on disk.
func BenchmarkAccept(b *testing.B) {
	const connections, people = 32, 2000
	w := newWorld(b, store.Options{})
	bodies := make([][]byte, b.N)
	headers := make([]string, b.N)
	for i := range bodies {
		bodies[i] = webhook(fmt.Sprintf(`{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{`+
			`"display_phone_number":"15550783881","phone_number_id":"1000001"},"contacts":[{"profile":{"name":"Person %[1]d"},`+
			`"wa_id":"62811%07[1]d","user_id":"ID.%[1]d"}],"messages":[{"from":"62811%07[1]d","from_user_id":"ID.%[1]d",`+
			`"id":"wamid.HBgNNjI4MTExMjM0NTY3FQIAEhggQUNCQzY1QTQ5%012[2]d","timestamp":"%[3]d","type":"text",`+
			`"text":{"body":"Selamat pagi, apakah pesanan saya sudah dikirim? Terima kasih banyak."}}]}}`,
			i%people, i, time.Now().Unix()))
		headers[i] = whatsapp.Sign(secret, bodies[i])
	}
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range connections {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				h := http.Header{}
				h.Set(whatsapp.SignatureHeader, headers[i])
				began := time.Now()
				if err := w.ingress.Accept(b.Context(), "whatsapp", w.first, h, bodies[i]); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
