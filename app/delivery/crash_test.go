// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/app"
	"kith/app/channel"
	"kith/app/delivery"
	"kith/store"
	"kith/store/storetest"
)

// TestKilledWhileSending kills servers that send and looks at what the network got in all their lives: nothing twice,
// and nothing is lost that was queued.
func TestKilledWhileSending(t *testing.T) {
	got := map[string]int{} // by the network, of the lives of this process
	storetest.Crash(t, sendUntilKilled, func(t *testing.T, dir string, acked []string) {
		t.Helper()
		desk, shut := deskAt(t, dir)
		drain(t, desk, func(id string) { got[id]++ })
		times, queued := map[string]int{}, []string{}
		for _, line := range acked {
			what, id, _ := strings.Cut(line, " ")
			if what == "got" {
				times[id]++
			} else {
				queued = append(queued, id)
			}
		}
		for id, n := range got {
			times[id] += n
		}
		for id, n := range times {
			if n > 1 {
				t.Errorf("message %s was sent %d times", id, n)
			}
		}
		ends := map[app.Status]int{}
		for _, id := range queued {
			ends[checkSettled(t, desk, id, times[id])]++
		}
		t.Logf("%d queued, %d sent, %d unknown", len(queued), ends[app.StatusSent], ends[app.StatusUnknown])
		shut()
	})
}

func checkSettled(t *testing.T, desk *app.Desk, text string, times int) app.Status {
	t.Helper()
	id, err := app.ParseMessageID(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := desk.Message(t.Context(), app.System(), id)
	switch {
	case err != nil:
		t.Fatalf("message %s is lost: %v", text, err)
	case m.Status == app.StatusSent && times == 0, m.Status != app.StatusSent && m.Status != app.StatusUnknown:
		t.Errorf("message %s is %v and was sent %d times", text, m.Status, times)
	}
	return m.Status
}

func deskAt(t *testing.T, dir string) (*app.Desk, func()) {
	t.Helper()
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"fake": {}}}), func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// runNoting sends through a network that tells what it took before it answers.
func runNoting(ctx context.Context, desk *app.Desk, took func(id string)) error {
	n := newNetwork()
	n.otherwise = func(_ context.Context, m channel.Outgoing) (channel.Sent, error) {
		took(m.Callback)
		return channel.Sent{ExternalID: "ext." + m.Callback}, nil
	}
	return delivery.New(desk, channel.NewSet(n), delivery.Options{
		Client: func(*app.Inbox) channel.Doer { return http.DefaultClient },
	}).Run(ctx)
}

// sendUntilKilled queues messages and sends them.
func sendUntilKilled(t *testing.T, dir string, acked func(string)) {
	t.Helper()
	desk, _ := deskAt(t, dir)
	ctx := t.Context()
	in, err := desk.AddInbox(ctx, app.Host(), app.NewInbox{Kind: "fake", Name: "Front desk", Address: fmt.Sprint(os.Getpid())})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				id, err := queue(ctx, desk, in.ID, fmt.Sprint(os.Getpid(), i, n))
				if err != nil {
					t.Error(err)
					return
				}
				acked("queued " + id)
			}
		})
	}
	if err := runNoting(ctx, desk, func(id string) { acked("got " + id) }); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// queue lets somebody new write and answers.
func queue(ctx context.Context, desk *app.Desk, in app.InboxID, who string) (string, error) {
	who = strings.ReplaceAll(who, " ", "")
	err := desk.Receive(ctx, in, app.Inbound{Messages: []app.InboundMessage{{
		ExternalID: "in." + who, Person: app.Person{Identities: []app.Identity{{Kind: app.IdentityWaID, Value: who}}},
		Direction: app.In, At: time.Now(), Type: app.TypeText, Content: app.Content{Text: "Halo"},
	}}})
	if err != nil {
		return "", err
	}
	lines, _, err := desk.Conversations(ctx, app.Host(), app.ConversationQuery{Inbox: in, Limit: 20})
	if err != nil {
		return "", err
	}
	for _, l := range lines {
		if l.Last == nil || l.Last.ExternalID != "in."+who {
			continue
		}
		m, err := desk.Reply(ctx, app.Host(), l.ID, app.Draft{Text: "Halo"})
		if err != nil {
			return "", err
		}
		return m.ID.String(), nil
	}
	return "", fmt.Errorf("the conversation of %s is not among the newest", who)
}

// drain sends what is left.
func drain(t *testing.T, desk *app.Desk, took func(id string)) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var mu sync.Mutex
	ended := make(chan error, 1)
	go func() {
		ended <- runNoting(ctx, desk, func(id string) {
			mu.Lock()
			defer mu.Unlock()
			took(id)
		})
	}()
	for {
		wake := desk.OutboxWake()
		if n, err := desk.OutboxLen(ctx); err != nil || n == 0 {
			break
		}
		select {
		case <-wake:
		case <-time.After(50 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
