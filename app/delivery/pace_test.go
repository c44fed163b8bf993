// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"kith/app"
	"kith/app/channel"
)

func TestPairRate(t *testing.T) {
	within(t, func(n *network) { n.limits.PairInterval, n.limits.PairBurst = 6*time.Second, 45 }, func(w *world) {
		a, b := w.hear("628111"), w.hear("628222")
		for i := range 50 {
			w.reply(a, fmt.Sprint("a", i))
		}
		other := w.reply(b, "b")
		began := time.Now()
		w.run()
		w.wait(time.Second)
		w.status(other, app.StatusSent)
		if n := len(w.net.got()); n != 46 {
			t.Fatalf("%d went out at once, want 45 and the other one", n)
		}
		w.wait(time.Minute)
		for i := 45; i < 50; i++ {
			want := time.Duration(i-44) * 6 * time.Second
			if got := w.net.times(fmt.Sprint("a", i)); len(got) != 1 || got[0].Sub(began).Round(10*time.Millisecond) != want {
				t.Errorf("message %d went out after %v, want %v", i, got, want)
			}
		}
		w.empty()
	})
}

func TestRateOfAnInbox(t *testing.T) {
	within(t, func(n *network) { n.limits.PerSecond = 20 }, func(w *world) {
		const messages = 100
		for i := range messages {
			w.reply(w.hear(fmt.Sprint(628000+i)), "x")
		}
		w.run()
		w.wait(time.Minute)
		at := w.net.times("x")
		if len(at) != messages {
			t.Fatalf("%d were sent, want %d", len(at), messages)
		}
		for i := range at {
			if i >= 20 && at[i].Sub(at[i-20]) < time.Second {
				t.Fatalf("message %d is the 21st within a second", i)
			}
		}
		if took := at[len(at)-1].Sub(at[0]); took > 9*time.Second {
			t.Errorf("they took %v; at 20 a second 5 s would do", took)
		}
		w.empty()
	})
}

func TestTooFastForTheInbox(t *testing.T) {
	within(t, func(n *network) {
		n.on("x", fail(channel.SlowDown), fail(channel.SlowDown), fail(channel.SlowDown))
	}, func(w *world) {
		c := w.hear("628111")
		w.run()
		id := w.reply(c, "x")
		w.wait(100 * time.Millisecond)
		other := w.reply(w.hear("628222"), "other")
		w.wait(100 * time.Millisecond)
		w.status(other, app.StatusQueued)
		w.wait(30 * time.Second)
		at := w.net.times("x")
		w.status(id, app.StatusSent)
		w.status(other, app.StatusSent)
		for i, least := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if got := at[i+1].Sub(at[i]); got < least || got > least+1200*time.Millisecond {
				t.Errorf("wait %d was %v, want %v and a little", i, got, least)
			}
		}
		w.empty()
	})
}

func TestSlowDownDoesNotUseUpTries(t *testing.T) {
	within(t, func(n *network) {
		for range 12 {
			n.on("x", fail(channel.SlowDown))
		}
	}, func(w *world) {
		w.run()
		id := w.reply(w.hear("628111"), "x")
		w.wait(2 * time.Hour)
		w.status(id, app.StatusSent)
	})
}

func TestTooFastForThePair(t *testing.T) {
	within(t, func(n *network) { n.on("x", fail(channel.SlowPair), fail(channel.SlowPair), fail(channel.SlowPair)) },
		func(w *world) {
			w.run()
			id := w.reply(w.hear("628111"), "x")
			synctest.Wait()
			other := w.reply(w.hear("628222"), "other")
			synctest.Wait()
			w.status(other, app.StatusSent)
			w.wait(time.Minute)
			w.status(id, app.StatusSent)
			at := w.net.times("x")
			for i, want := range []time.Duration{time.Second, 4 * time.Second, 16 * time.Second} {
				if got := at[i+1].Sub(at[i]); got.Round(100*time.Millisecond) != want {
					t.Errorf("wait %d was %v, want %v", i, got, want)
				}
			}
		})
}

func TestRefusedTokenPausesTheInbox(t *testing.T) {
	within(t, func(n *network) { n.facts = []app.Field{{Name: "quality", Value: "GREEN"}} }, func(w *world) {
		w.run()
		c := w.hear("628111")
		w.net.refuse("t1")
		id := w.reply(c, "x")
		synctest.Wait()
		w.status(id, app.StatusQueued)
		in, err := w.desk.Inbox(w.t.Context(), w.inbox)
		w.must(err)
		if in.Paused == nil || in.Paused.Title != "scripted" || in.Facts[0].Value != "GREEN" {
			t.Fatalf("inbox is %+v", in)
		}
		later := w.reply(w.hear("628222"), "later")
		w.wait(time.Hour)
		w.status(later, app.StatusQueued)
		if n := len(w.net.got()); n != 1 {
			t.Errorf("%d attempts while paused, want none but the first", n)
		}
		if w.net.probes < 15 || w.net.probes > 25 {
			t.Errorf("%d probes in an hour", w.net.probes)
		}
		w.net.refuse("")
		w.wait(3*time.Minute + time.Second)
		w.status(id, app.StatusSent)
		w.status(later, app.StatusSent)
		in, err = w.desk.Inbox(w.t.Context(), w.inbox)
		w.must(err)
		if in.Paused != nil {
			t.Errorf("it is still paused: %+v", in.Paused)
		}
		w.empty()
	})
}

func TestNewTokenResumesAtOnce(t *testing.T) {
	within(t, func(n *network) { n.refuse("t1") }, func(w *world) {
		var ids []app.MessageID
		for i := range 100 {
			ids = append(ids, w.reply(w.hear(fmt.Sprint(628000+i)), "x"))
		}
		w.run()
		w.wait(10 * time.Minute)
		if n := len(w.net.got()); n > 16 {
			t.Errorf("%d attempts before it was paused", n)
		}
		w.must(w.desk.SetInboxSettings(w.t.Context(), app.Host(), w.inbox, map[string]string{"token": "t2"}))
		w.wait(3 * time.Second)
		for _, id := range ids {
			w.status(id, app.StatusSent)
		}
		w.empty()
	})
}

// The account may answer probes and still refuse messages, as it does when its payment failed.
func TestOneMessageGoesAheadAfterAPause(t *testing.T) {
	within(t, func(n *network) {
		for range 30 {
			n.on("x", fail(channel.Stop))
		}
	}, func(w *world) {
		var ids []app.MessageID
		for i := range 40 {
			ids = append(ids, w.reply(w.hear(fmt.Sprint(628000+i)), "x"))
		}
		w.run()
		w.wait(time.Second)
		before := len(w.net.got())
		w.wait(3 * time.Minute)
		if n := len(w.net.got()); n != before+1 {
			t.Errorf("%d went ahead, want 1", n-before)
		}
		w.wait(3 * time.Hour)
		for _, id := range ids {
			w.status(id, app.StatusSent)
		}
		w.empty()
	})
}

func TestTemplatesAreKeptFresh(t *testing.T) {
	within(t, func(n *network) { n.templates = []app.Template{{Name: "hello", Language: "id", Status: "APPROVED"}} }, func(w *world) {
		names := func() (out []string) {
			list, _, err := w.desk.Templates(w.t.Context(), w.agent, w.inbox)
			w.must(err)
			for _, one := range list {
				out = append(out, one.Name)
			}
			return out
		}
		w.run()
		if got := names(); len(got) != 1 || got[0] != "hello" {
			t.Fatalf("templates are %v", got)
		}
		w.net.mu.Lock()
		w.net.templates = []app.Template{{Name: "new", Language: "id", Status: "APPROVED"}}
		w.net.mu.Unlock()
		w.wait(time.Hour)
		if got := names(); len(got) != 1 || got[0] != "new" {
			t.Errorf("after an hour they are %v", got)
		}
		probes := w.net.probes
		_, err := w.desk.AddInbox(w.t.Context(), app.Host(), app.NewInbox{Kind: "fake", Name: "Second", Address: "2"})
		w.must(err)
		w.wait(time.Second)
		if w.net.probes != probes+1 {
			t.Errorf("%d probes of a new inbox, want 1", w.net.probes-probes)
		}
	})
}
