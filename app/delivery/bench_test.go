// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"kith/app"
	"kith/app/channel"
	"kith/app/delivery"
	"kith/store"
)

// BenchmarkOutbox sends messages to as many people through a network without limits that answers at once.
func BenchmarkOutbox(b *testing.B) {
	ctx, n := b.Context(), newNetwork()
	db, err := store.Open(b.TempDir()+"/data", store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	desk := app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"fake": {}}})
	in, err := desk.AddInbox(ctx, app.Host(), app.NewInbox{Kind: "fake", Name: "Front desk", Address: "1"})
	if err != nil {
		b.Fatal(err)
	}
	var what app.Inbound
	for i := range b.N {
		what.Messages = append(what.Messages, app.InboundMessage{
			ExternalID: fmt.Sprint("in.", i), Direction: app.In, At: time.Now(), Type: app.TypeText,
			Person: app.Person{Identities: []app.Identity{{Kind: app.IdentityWaID, Value: fmt.Sprint(628000 + i)}}},
		})
	}
	if err := desk.Receive(ctx, in.ID, what); err != nil {
		b.Fatal(err)
	}
	lines, _, err := desk.Conversations(ctx, app.Host(), app.ConversationQuery{Limit: b.N})
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range lines {
		if _, err := desk.Reply(ctx, app.Host(), l.ID, app.Draft{Text: "Halo"}); err != nil {
			b.Fatal(err)
		}
	}
	d := delivery.New(desk, channel.NewSet(n), delivery.Options{Client: func(*app.Inbox) channel.Doer { return http.DefaultClient }})
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	b.ResetTimer()
	go func() { ended <- d.Run(run) }()
	for {
		wake := desk.OutboxWake()
		left, err := desk.OutboxLen(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if left == 0 {
			break
		}
		select {
		case <-wake:
		case <-time.After(50 * time.Millisecond): // the last removals wake nobody
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
