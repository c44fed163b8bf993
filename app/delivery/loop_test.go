// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/simulator"
	"kith/app/channel/whatsapp"
	"kith/app/delivery"
	"kith/app/ingress"
	"kith/store"
)

// inside carries requests to a handler without a network, so that the clock of the bubble holds for them.
type inside struct{ http.Handler }

func (h inside) Do(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil { // the handler hangs up
			err = errors.New("connection reset")
		}
	}()
	r.RequestURI = r.URL.RequestURI()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// loop is kith and a simulated WhatsApp that speak to each other only by the Cloud API.
type loop struct {
	*world
	sim *simulator.World
}

// connected runs a test with both sides at work.
func connected(t *testing.T, chaos simulator.Chaos, fn func(*loop)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)))
		db, err := store.Open(t.TempDir()+"/data", store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		set := channel.NewSet(whatsapp.New())
		l := &loop{world: &world{t: t, db: db, net: newNetwork()}}
		l.agent = app.Actor{Kind: app.ActorAgent, ID: 7, Role: app.Owner}
		l.desk = app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"whatsapp": {
			Window: 24 * time.Hour, File: whatsapp.New().Limits().File,
		}}})
		in := ingress.New(l.desk, set, nil)
		l.sim = simulator.New(simulator.Options{
			Chaos: chaos, BaseURL: "https://graph.example", Webhook: "https://kith.example/hooks/whatsapp/1",
			Doer: inside{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					answer, err := in.Handshake(r.Context(), "whatsapp", l.inbox, r.URL.Query())
					if err != nil {
						http.Error(w, err.Error(), http.StatusForbidden)
					}
					_, _ = io.WriteString(w, answer)
					return
				}
				body, err := io.ReadAll(r.Body)
				if err == nil {
					err = in.Accept(r.Context(), "whatsapp", l.inbox, r.Header, body)
				}
				if err != nil {
					http.Error(w, err.Error(), http.StatusServiceUnavailable)
				}
			})},
		})
		l.connect()
		d := delivery.New(l.desk, set, delivery.Options{Client: func(*app.Inbox) channel.Doer { return inside{l.sim.Graph()} }})
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		var g errgroup.Group
		g.Go(func() error { return d.Run(ctx) })
		g.Go(func() error { return l.sim.Run(ctx) })
		defer func() {
			cancel()
			if err := errors.Join(g.Wait(), db.Close()); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		fn(l)
	})
}

func (l *loop) connect() {
	l.t.Helper()
	c := l.sim.Connection()
	settings := channel.Settings{
		whatsapp.SettingPhoneNumberID: c.PhoneNumberID, whatsapp.SettingWABA: c.WABAID, whatsapp.SettingAppSecret: c.AppSecret,
		whatsapp.SettingAccessToken: c.AccessToken, whatsapp.SettingVerifyToken: c.VerifyToken, whatsapp.SettingAPIBase: c.BaseURL,
	}
	l.must(whatsapp.New().Check(settings))
	in, err := l.desk.AddInbox(l.t.Context(), app.Host(), app.NewInbox{
		Kind: "whatsapp", Name: "Simulator", Address: c.PhoneNumberID, Settings: settings,
	})
	l.must(err)
	l.inbox = in.ID
}

// say lets a customer write and returns the conversation and its messages once they are here.
func (l *loop) say(customer string, what simulator.Content) (app.ConversationID, []app.Message) {
	l.t.Helper()
	_, err := l.sim.Say(l.t.Context(), customer, what)
	l.must(err)
	l.wait(time.Minute)
	lines, _, err := l.desk.Conversations(l.t.Context(), l.agent, app.ConversationQuery{Limit: 1})
	l.must(err)
	if len(lines) == 0 {
		l.t.Fatal("nothing arrived")
	}
	p, err := l.desk.Messages(l.t.Context(), l.agent, lines[0].ID, app.MessageID{}, 100)
	l.must(err)
	return lines[0].ID, p.Messages
}

func TestConversationWithTheSimulator(t *testing.T) {
	for name, chaos := range map[string]simulator.Chaos{"calm": simulator.Calm(), "lively": simulator.Lively()} {
		t.Run(name, func(t *testing.T) {
			connected(t, chaos, func(l *loop) {
				customer := l.sim.Customers()[0].ID
				c, got := l.say(customer, simulator.Text{Body: "Apakah buka hari ini?"})
				if len(got) != 1 || got[0].Content.Text != "Apakah buka hari ini?" {
					t.Fatalf("messages are %+v", got)
				}
				l.must(l.desk.MarkSeen(l.t.Context(), l.agent, c))
				l.must(l.desk.React(l.t.Context(), l.agent, got[0].ID, "👍"))
				id := l.reply(c, "Ya, sampai jam 9.")
				l.wait(time.Minute)
				if m := l.message(id); m.Status < app.StatusDelivered || m.Status > app.StatusRead {
					t.Errorf("the reply is %v: %+v", m.Status, m.Failure)
				}
				thread := l.sim.Thread(customer)
				if len(thread) != 2 || thread[0].Reaction != "👍" || thread[0].Ticks != simulator.TicksRead ||
					thread[1].Text != "Ya, sampai jam 9." {
					t.Errorf("the phone shows %+v", thread)
				}
				l.empty()
			})
		})
	}
}

func TestPictureFromTheSimulatorAndBack(t *testing.T) {
	connected(t, simulator.Calm(), func(l *loop) {
		var picture bytes.Buffer
		l.must(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 40, 40))))
		customer := l.sim.Customers()[0].ID
		c, got := l.say(customer, simulator.Media{Bytes: picture.Bytes(), MIME: "image/png"})
		if len(got) != 1 || len(got[0].Attachments) != 1 || got[0].Attachments[0].State != app.AttachmentReady {
			t.Fatalf("messages are %+v", got)
		}
		w, err := l.desk.CreateUpload(l.t.Context(), l.agent, c)
		l.must(err)
		_, err = w.Write(picture.Bytes())
		l.must(err)
		ref, meta, err := w.Commit()
		l.must(err)
		meta.Name, meta.Type = "map.png", "image/png"
		m, err := l.desk.Reply(l.t.Context(), l.agent, c, app.Draft{File: &app.Upload{Blob: ref, Meta: meta, Type: app.TypeImage}})
		l.must(err)
		l.wait(time.Minute)
		l.status(m.ID, app.StatusDelivered)
		list, _, err := l.desk.Templates(l.t.Context(), l.agent, l.inbox)
		l.must(err)
		if len(list) == 0 {
			t.Error("no templates were fetched")
		}
	})
}

func TestTroublesOfTheSimulator(t *testing.T) {
	for _, c := range []struct {
		trouble string
		times   int
		want    app.Status
		sends   int // how many copies the phone shows
	}{
		{"131026", 1, app.StatusFailed, 0},
		{"131047", 1, app.StatusFailed, 0},
		{"131056", 2, app.StatusDelivered, 1},
		{"130429", 3, app.StatusDelivered, 1},
		{"131016", 2, app.StatusDelivered, 1},
		{"190", 3, app.StatusDelivered, 1},
		{simulator.TroubleHangUp, 1, app.StatusDelivered, 1}, // the status with our callback settles it
		{simulator.TroubleTimeout, 1, app.StatusDelivered, 1},
		{simulator.TroubleSilence, 1, app.StatusSent, 0},
	} {
		t.Run(c.trouble, func(t *testing.T) {
			connected(t, simulator.Calm(), func(l *loop) {
				customer := l.sim.Customers()[0].ID
				conv, _ := l.say(customer, simulator.Text{Body: "Halo"})
				l.must(l.sim.SetTrouble(c.trouble, c.times))
				id := l.reply(conv, "the reply")
				l.wait(30 * time.Minute)
				m := l.status(id, c.want)
				if c.want == app.StatusFailed && (m.Failure == nil || !strings.HasPrefix(m.Failure.Advice, "advice.")) {
					t.Errorf("failure is %+v", m.Failure)
				}
				copies := 0
				for _, b := range l.sim.Thread(customer) {
					if b.Text == "the reply" {
						copies++
					}
				}
				if copies != c.sends {
					t.Errorf("the phone shows it %d times, want %d", copies, c.sends)
				}
				l.empty()
			})
		})
	}
}
