// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/app"
	"kith/app/channel"
	"kith/app/delivery"
	"kith/store"
)

// network is a network that answers by script. Texts and file ids name the scripts; without one it accepts.
type network struct {
	limits    channel.Limits
	otherwise answer // what it does without a script; nil accepts

	mu        sync.Mutex
	calls     []call
	script    map[string][]answer
	files     map[string][]byte
	templates []app.Template
	facts     []app.Field
	refused   string // the token that is refused everywhere
	probes    int
}

// call is one request that the network got.
type call struct {
	what string // the text, "read:id", "react:emoji" or "fetch:id"
	at   time.Time
	out  channel.Outgoing
	file string
}

// answer is what the network does about one request.
type answer func(context.Context, channel.Outgoing) (channel.Sent, error)

func newNetwork() *network {
	return &network{script: map[string][]answer{}, files: map[string][]byte{}}
}

func (n *network) Kind() string                                          { return "fake" }
func (n *network) Settings() []channel.Setting                           { return nil }
func (n *network) Check(channel.Settings) error                          { return nil }
func (n *network) Handshake(channel.Settings, url.Values) (string, bool) { return "", false }
func (n *network) Verify(channel.Settings, http.Header, []byte) error    { return channel.ErrSignature }

func (n *network) Parse([]byte) (app.Inbound, error) { return app.Inbound{}, channel.ErrBody }
func (n *network) Limits() channel.Limits            { return n.limits }
func (n *network) Open(s channel.Settings, _ channel.Doer) channel.Sender {
	return &sender{n, s["token"]}
}
func (n *network) on(what string, a ...answer) { n.script[what] = append(n.script[what], a...) }

// next notes a call and returns what to do about it.
func (n *network) next(c call, token string) answer {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.at = time.Now()
	n.calls = append(n.calls, c)
	if token != "" && token == n.refused {
		return fail(channel.Stop)
	}
	if s := n.script[c.what]; len(s) > 0 {
		n.script[c.what] = s[1:]
		return s[0]
	}
	return n.otherwise
}

// got returns what was called so far, in order.
func (n *network) got() (what []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.calls {
		what = append(what, c.what)
	}
	return what
}

// times returns when the network was called with what.
func (n *network) times(what string) (at []time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.calls {
		if c.what == what {
			at = append(at, c.at)
		}
	}
	return at
}

func (n *network) refuse(token string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = token
}

type sender struct {
	n     *network
	token string
}

func (s *sender) Send(ctx context.Context, m channel.Outgoing) (channel.Sent, error) {
	c := call{what: m.Content.Text, out: m}
	if m.Type == app.TypeReaction {
		c.what = "react:" + m.Content.Text
	}
	for _, f := range m.Files {
		b, err := io.ReadAll(f.Body)
		if err != nil {
			return channel.Sent{}, err
		}
		c.file += f.Name + "|" + f.MIME + "|" + string(b)
	}
	if a := s.n.next(c, s.token); a != nil {
		return a(ctx, m)
	}
	return channel.Sent{ExternalID: "ext." + m.Callback}, nil
}

func (s *sender) MarkRead(ctx context.Context, id string, _ bool) error {
	if a := s.n.next(call{what: "read:" + id}, s.token); a != nil {
		_, err := a(ctx, channel.Outgoing{})
		return err
	}
	return nil
}

func (s *sender) Fetch(ctx context.Context, id string) (*channel.File, error) {
	if a := s.n.next(call{what: "fetch:" + id}, s.token); a != nil {
		if _, err := a(ctx, channel.Outgoing{}); err != nil {
			return nil, err
		}
	}
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	b, ok := s.n.files[id]
	if !ok {
		return nil, &channel.SendError{Class: channel.Refused, Failure: app.Failure{Title: "gone", Advice: "advice.file_gone"}}
	}
	return &channel.File{Size: int64(len(b)), Body: io.NopCloser(bytes.NewReader(b))}, nil
}

func (s *sender) Templates(context.Context) ([]app.Template, error) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if s.token != "" && s.token == s.n.refused {
		return nil, &channel.SendError{Class: channel.Stop, Failure: app.Failure{Code: 190}}
	}
	return s.n.templates, nil
}

func (s *sender) Probe(context.Context) ([]app.Field, error) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	s.n.probes++
	if s.token != "" && s.token == s.n.refused {
		return nil, &channel.SendError{Class: channel.Stop, Failure: app.Failure{Code: 190, Title: "token expired"}}
	}
	return s.n.facts, nil
}

// fail answers with an error of the class.
func fail(c channel.Class) answer {
	return func(context.Context, channel.Outgoing) (channel.Sent, error) {
		return channel.Sent{}, &channel.SendError{Class: c, Failure: app.Failure{Code: int(c), Title: "scripted"}}
	}
}

// slowly accepts after a while, or ends unknown when it is cancelled first.
func slowly(d time.Duration) answer {
	return func(ctx context.Context, m channel.Outgoing) (channel.Sent, error) {
		select {
		case <-time.After(d):
			return channel.Sent{ExternalID: "ext." + m.Callback}, nil
		case <-ctx.Done():
			return channel.Sent{}, &channel.SendError{Class: channel.Unknown, Err: ctx.Err()}
		}
	}
}

// world is a desk with one inbox, a network and a delivery, under the clock of a bubble.
type world struct {
	t     *testing.T
	dir   string
	db    *store.DB
	desk  *app.Desk
	net   *network
	inbox app.InboxID
	agent app.Actor
	halt  context.CancelFunc
	ended chan error
}

// within runs a test in a bubble whose clock starts at a real date and moves when everybody waits.
func within(t *testing.T, prepare func(*network), fn func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)))
		w := &world{t: t, dir: t.TempDir() + "/data", net: newNetwork()}
		w.net.limits = channel.Limits{Window: 24 * time.Hour}
		if prepare != nil {
			prepare(w.net)
		}
		w.open()
		in, err := w.desk.AddInbox(t.Context(), app.Host(), app.NewInbox{
			Kind: "fake", Name: "Front desk", Address: "1", Settings: map[string]string{"token": "t1"},
		})
		w.must(err)
		w.inbox = in.ID
		w.agent = app.Actor{Kind: app.ActorAgent, ID: 7, Role: app.Owner}
		defer func() {
			w.stop()
			if err := w.db.Close(); err != nil {
				t.Error(err)
			}
		}()
		fn(w)
	})
}

func (w *world) open() {
	w.t.Helper()
	db, err := store.Open(w.dir, store.Options{})
	w.must(err)
	w.db = db
	w.desk = app.NewDesk(db, app.Options{Rules: map[string]app.Rules{"fake": {Window: w.net.limits.Window}}})
}

// run starts the delivery; stop ends it and waits.
func (w *world) run() {
	w.t.Helper()
	ctx, halt := context.WithCancel(context.WithoutCancel(w.t.Context()))
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	}
	d := delivery.New(w.desk, channel.NewSet(w.net), delivery.Options{
		Client: func(*app.Inbox) channel.Doer { return http.DefaultClient }, Log: log,
	})
	w.halt, w.ended = halt, make(chan error, 1)
	go func() { w.ended <- d.Run(ctx) }()
	synctest.Wait()
}

func (w *world) stop() {
	w.t.Helper()
	if w.halt == nil {
		return
	}
	w.halt()
	w.halt = nil
	if err := <-w.ended; err != nil {
		w.t.Error(err)
	}
}

// crash leaves the store as a killed process does: what was not committed is not there.
func (w *world) reopen() {
	w.t.Helper()
	w.must(w.db.Close())
	w.open()
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// wait lets time pass and everything happen that is due by then.
func (w *world) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// hear lets a customer write and returns the conversation.
func (w *world) hear(who string, media ...app.InboundMedia) app.ConversationID {
	w.t.Helper()
	w.must(w.desk.Receive(w.t.Context(), w.inbox, app.Inbound{Messages: []app.InboundMessage{{
		ExternalID: "in." + who, Person: app.Person{Identities: []app.Identity{{Kind: app.IdentityWaID, Value: who}}},
		Direction: app.In, At: time.Now(), Type: app.TypeText, Content: app.Content{Text: "Halo"}, Media: media,
	}}}))
	lines, _, err := w.desk.Conversations(w.t.Context(), w.agent, app.ConversationQuery{Limit: 1})
	w.must(err)
	return lines[0].ID
}

func (w *world) reply(id app.ConversationID, text string) app.MessageID {
	w.t.Helper()
	m, err := w.desk.Reply(w.t.Context(), w.agent, id, app.Draft{Text: text})
	w.must(err)
	return m.ID
}

func (w *world) message(id app.MessageID) *app.Message {
	w.t.Helper()
	m, err := w.desk.Message(w.t.Context(), w.agent, id)
	w.must(err)
	return m
}

// status fails the test unless the message has the status.
func (w *world) status(id app.MessageID, want app.Status) *app.Message {
	w.t.Helper()
	m := w.message(id)
	if m.Status != want {
		w.t.Fatalf("message %q is %v, want %v (%+v)", m.Content.Text, m.Status, want, m.Failure)
	}
	return m
}

// empty fails the test unless nothing is left to do.
func (w *world) empty() {
	w.t.Helper()
	n, err := w.desk.OutboxLen(w.t.Context())
	if n != 0 || err != nil {
		w.t.Fatalf("%d jobs are left, %v", n, err)
	}
}

var errBroken = errors.New("connection reset")
