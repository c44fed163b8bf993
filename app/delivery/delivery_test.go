// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/app/channel"
)

func TestSends(t *testing.T) {
	within(t, nil, func(w *world) {
		w.run()
		c := w.hear("628111")
		id := w.reply(c, "Selamat pagi")
		synctest.Wait()
		m := w.status(id, app.StatusSent)
		if m.ExternalID != "ext."+id.String() {
			t.Errorf("external id is %q", m.ExternalID)
		}
		out := w.net.calls[0].out
		if out.Type != app.TypeText || out.Callback != id.String() || out.To[0].Value != "628111" {
			t.Errorf("outgoing is %+v", out)
		}
		w.empty()
	})
}

func TestAttemptIsWrittenDownBeforeItIsMade(t *testing.T) {
	within(t, nil, func(w *world) {
		c := w.hear("628111")
		id := w.reply(c, "x")
		var during app.Status
		var attempt error
		w.net.on("x", func(ctx context.Context, _ channel.Outgoing) (channel.Sent, error) {
			m, err := w.desk.Message(ctx, w.agent, id)
			if err == nil {
				during = m.Status
			}
			due, _, _ := w.desk.DueJobs(ctx, 10)
			attempt = err
			if len(due) != 0 {
				attempt = fmt.Errorf("the job is due while it is under way: %v", due)
			}
			return channel.Sent{ExternalID: "ext.1"}, nil
		})
		w.run()
		w.status(id, app.StatusSent)
		if during != app.StatusSending || attempt != nil {
			t.Errorf("during the call the message was %v, %v", during, attempt)
		}
	})
}

func TestOrderOfAConversationIsKeptWhileOthersGoOn(t *testing.T) {
	within(t, func(n *network) {
		n.on("a1", fail(channel.Again), slowly(20*time.Second))
	}, func(w *world) {
		a, b := w.hear("628111"), w.hear("628222")
		a1, a2, b1 := w.reply(a, "a1"), w.reply(a, "a2"), w.reply(b, "b1")
		w.run()
		w.status(b1, app.StatusSent)
		w.status(a1, app.StatusQueued)
		w.wait(5 * time.Second)
		w.status(a1, app.StatusSending)
		w.status(a2, app.StatusQueued)
		w.wait(time.Minute)
		w.status(a1, app.StatusSent)
		w.status(a2, app.StatusSent)
		got := slices.DeleteFunc(w.net.got(), func(s string) bool { return s == "b1" })
		if diff := cmp.Diff([]string{"a1", "a1", "a2"}, got); diff != "" {
			t.Error(diff)
		}
		w.empty()
	})
}

func TestManyConversationsAtOnce(t *testing.T) {
	within(t, nil, func(w *world) {
		var ids []app.MessageID
		for i := range 40 {
			text := fmt.Sprint("m", i)
			w.net.on(text, slowly(10*time.Second))
			ids = append(ids, w.reply(w.hear(fmt.Sprint(628000+i)), text))
		}
		w.run()
		w.wait(5 * time.Second)
		if n := len(w.net.got()); n != 16 {
			t.Fatalf("%d are under way, want 16", n)
		}
		w.wait(30 * time.Second)
		for _, id := range ids {
			w.status(id, app.StatusSent)
		}
		w.empty()
	})
}

func TestTriesAgainSixTimesAndThenFails(t *testing.T) {
	within(t, func(n *network) {
		n.on("lucky", fail(channel.Again), fail(channel.Again))
		n.on("unlucky", slices.Repeat([]answer{fail(channel.Again)}, 9)...)
		n.on("once", func(context.Context, channel.Outgoing) (channel.Sent, error) {
			return channel.Sent{}, &channel.SendError{Class: channel.Again, Tries: 1, Failure: app.Failure{Code: 5}}
		})
	}, func(w *world) {
		lucky, unlucky := w.reply(w.hear("1111111"), "lucky"), w.reply(w.hear("2222222"), "unlucky")
		once := w.reply(w.hear("3333333"), "once")
		w.run()
		if f := w.status(lucky, app.StatusQueued).Failure; f == nil || f.Title != "scripted" {
			t.Errorf("while it waits the reason is %+v", f)
		}
		w.status(once, app.StatusFailed)
		w.wait(5 * time.Second)
		w.status(lucky, app.StatusSent)
		w.wait(2 * time.Minute)
		w.status(unlucky, app.StatusFailed)
		at := w.net.times("unlucky")
		if len(at) != 6 {
			t.Fatalf("%d tries, want 6", len(at))
		}
		for i := 2; i < len(at); i++ {
			if at[i].Sub(at[i-1]) <= at[i-1].Sub(at[i-2]) {
				t.Errorf("wait %d does not grow: %v", i, at)
			}
		}
		w.empty()
	})
}

func TestUnknownIsNeverSentAgain(t *testing.T) {
	within(t, func(n *network) {
		n.on("silence", fail(channel.Unknown))
		n.on("odd", func(context.Context, channel.Outgoing) (channel.Sent, error) { return channel.Sent{}, errBroken })
		n.on("panic", func(context.Context, channel.Outgoing) (channel.Sent, error) { panic("mistake") })
	}, func(w *world) {
		w.run()
		for i, text := range []string{"silence", "odd", "panic"} {
			id := w.reply(w.hear(fmt.Sprint(628000+i)), text)
			w.wait(24 * time.Hour)
			if f := w.status(id, app.StatusUnknown).Failure; f.Advice != "advice.unknown" || f.Title == "" {
				t.Errorf("%s: failure is %+v", text, f)
			}
			if n := len(w.net.times(text)); n != 1 {
				t.Errorf("%s was sent %d times", text, n)
			}
		}
		w.empty()
	})
}

func TestRefusedFailsWithItsReasonAndTheNextFollows(t *testing.T) {
	for _, class := range []channel.Class{channel.Refused, channel.Suppress} {
		within(t, func(n *network) { n.on("bad", fail(class)) }, func(w *world) {
			w.run()
			c := w.hear("628111")
			bad, good := w.reply(c, "bad"), w.reply(c, "good")
			synctest.Wait()
			if f := w.status(bad, app.StatusFailed).Failure; f.Code != int(class) {
				t.Errorf("failure is %+v", f)
			}
			w.status(good, app.StatusSent)
			w.empty()
		})
	}
}

func TestCrashBetweenStartAndSettle(t *testing.T) {
	within(t, nil, func(w *world) {
		c := w.hear("628111")
		id, after := w.reply(c, "half"), w.reply(c, "after")
		due, _, err := w.desk.DueJobs(w.t.Context(), 10)
		w.must(err)
		_, err = w.desk.StartAttempt(w.t.Context(), due[0].ID)
		w.must(err)
		w.reopen()
		w.run()
		w.status(id, app.StatusUnknown)
		w.status(after, app.StatusSent)
		if n := len(w.net.times("half")); n != 0 {
			t.Errorf("sent %d times", n)
		}
		w.empty()
	})
}

func TestStopLetsTheAttemptFinish(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		want  app.Status
		stops time.Duration
	}{
		{6 * time.Second, app.StatusSent, 5 * time.Second},
		{50 * time.Second, app.StatusUnknown, 10 * time.Second},
	} {
		within(t, func(n *network) { n.on("slow", slowly(c.takes)) }, func(w *world) {
			id := w.reply(w.hear("628111"), "slow")
			w.run()
			w.wait(time.Second)
			began := time.Now()
			w.stop()
			if took := time.Since(began); took != c.stops {
				t.Errorf("stopping took %v, want %v", took, c.stops)
			}
			w.status(id, c.want)
			w.empty()
		})
	}
}

func TestCancelBeforeItIsSent(t *testing.T) {
	within(t, func(n *network) { n.on("first", slowly(10*time.Second)) }, func(w *world) {
		w.run()
		c := w.hear("628111")
		first, second, third := w.reply(c, "first"), w.reply(c, "second"), w.reply(c, "third")
		synctest.Wait()
		w.must(w.desk.Cancel(w.t.Context(), w.agent, second))
		if err := w.desk.Cancel(w.t.Context(), w.agent, first); err == nil {
			t.Error("a message under way was cancelled")
		}
		w.wait(time.Minute)
		w.status(first, app.StatusSent)
		w.status(second, app.StatusCancelled)
		w.status(third, app.StatusSent)
		if diff := cmp.Diff([]string{"first", "third"}, w.net.got()); diff != "" {
			t.Error(diff)
		}
		w.empty()
	})
}

func TestStatusQuickerThanTheAnswer(t *testing.T) {
	within(t, func(n *network) {
		n.on("x", func(ctx context.Context, m channel.Outgoing) (channel.Sent, error) {
			<-time.After(2 * time.Second)
			return channel.Sent{}, &channel.SendError{Class: channel.Unknown}
		})
	}, func(w *world) {
		w.run()
		id := w.reply(w.hear("628111"), "x")
		w.wait(time.Second)
		w.must(w.desk.Receive(w.t.Context(), w.inbox, app.Inbound{Receipts: []app.Receipt{{
			ExternalID: "ext.1", Callback: id.String(), Status: app.StatusDelivered, At: time.Now(),
		}}}))
		w.wait(time.Minute)
		if m := w.status(id, app.StatusDelivered); m.ExternalID != "ext.1" {
			t.Errorf("external id is %q", m.ExternalID)
		}
		w.empty()
	})
}

func TestWindowThatClosesInTheQueue(t *testing.T) {
	within(t, func(n *network) { n.refuse("t1") }, func(w *world) {
		w.run()
		id := w.reply(w.hear("628111"), "late")
		w.wait(25 * time.Hour)
		w.net.refuse("")
		w.wait(10 * time.Minute)
		if f := w.status(id, app.StatusFailed).Failure; f.Advice != "advice.template" {
			t.Errorf("failure is %+v", f)
		}
		w.empty()
	})
}

func TestFilesTravelWithTheirMessage(t *testing.T) {
	within(t, nil, func(w *world) {
		w.run()
		c := w.hear("628111")
		blob, err := w.desk.CreateUpload(w.t.Context(), w.agent, c)
		w.must(err)
		_, err = blob.Write([]byte("%PDF-1.7 sample"))
		w.must(err)
		ref, meta, err := blob.Commit()
		w.must(err)
		meta.Name, meta.Type = "invoice.pdf", "application/pdf"
		m, err := w.desk.Reply(w.t.Context(), w.agent, c, app.Draft{
			Text: "Here it is", File: &app.Upload{Blob: ref, Meta: meta, Type: app.TypeDocument},
		})
		w.must(err)
		synctest.Wait()
		w.status(m.ID, app.StatusSent)
		if got := w.net.calls[0].file; got != "invoice.pdf|application/pdf|%PDF-1.7 sample" {
			t.Errorf("file is %q", got)
		}
	})
}

func TestReplyToAMessageThatWasStillQueued(t *testing.T) {
	within(t, nil, func(w *world) {
		c := w.hear("628111")
		first := w.reply(c, "first")
		_, err := w.desk.Reply(w.t.Context(), w.agent, c, app.Draft{Text: "second", ReplyTo: first})
		w.must(err)
		w.run()
		if got := w.net.calls[1].out.ReplyTo; got != "ext."+first.String() {
			t.Errorf("it quotes %q", got)
		}
	})
}

func TestCourtesiesGiveUpSoon(t *testing.T) {
	within(t, func(n *network) {
		n.on("read:in.628111", slices.Repeat([]answer{fail(channel.Again)}, 9)...)
		n.on("react:👍", slices.Repeat([]answer{fail(channel.SlowDown)}, 9)...)
	}, func(w *world) {
		w.run()
		c := w.hear("628111")
		w.must(w.desk.MarkSeen(w.t.Context(), w.agent, c))
		p, err := w.desk.Messages(w.t.Context(), w.agent, c, app.MessageID{}, 10)
		w.must(err)
		w.must(w.desk.React(w.t.Context(), w.agent, p.Messages[0].ID, "👍"))
		id := w.reply(c, "hello")
		w.wait(time.Minute)
		w.status(id, app.StatusSent)
		if diff := cmp.Diff([]string{"read:in.628111", "read:in.628111", "react:👍", "react:👍", "hello"}, w.net.got()); diff != "" {
			t.Error(diff)
		}
		w.empty()
	})
}

func TestRunEndsWithAnErrorWhenTheStoreCloses(t *testing.T) {
	within(t, func(n *network) { n.on("slow", slowly(time.Minute)) }, func(w *world) {
		w.run()
		w.reply(w.hear("628111"), "slow")
		synctest.Wait()
		w.must(w.db.Close())
		w.wait(2 * time.Minute) // the attempt ends; its outcome cannot be written down
		w.halt()
		w.halt = nil
		if err := <-w.ended; err == nil {
			t.Error("it ended as if nothing had happened")
		}
	})
}
