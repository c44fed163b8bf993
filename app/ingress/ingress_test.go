// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/whatsapp"
	"kith/app/ingress"
	"kith/store"
	"kith/store/storetest"
)

const secret = "sample-app-secret"

// world is a desk with two numbers of one app, and one of another.
type world struct {
	testing.TB
	db                 *store.DB
	desk               *app.Desk
	ingress            *ingress.Ingress
	first, second, far app.InboxID
}

func newWorld(tb testing.TB, o store.Options, chs ...channel.Channel) *world {
	tb.Helper()
	w := &world{TB: tb, db: storetest.OpenAt(tb, tb.TempDir()+"/data", o)}
	set, rules := channel.NewSet(append(chs, whatsapp.New())...), map[string]app.Rules{}
	for kind := range set {
		rules[kind] = app.Rules{}
	}
	w.desk = app.NewDesk(w.db, app.Options{Rules: rules})
	w.ingress = ingress.New(w.desk, set, nil)
	w.first, w.second = w.inbox("whatsapp", "1000001", secret), w.inbox("whatsapp", "1000002", secret)
	w.far = w.inbox("whatsapp", "1000003", "another-secret")
	return w
}

func (w *world) inbox(kind, number, secret string) app.InboxID {
	w.Helper()
	in, err := w.desk.AddInbox(w.Context(), app.Host(), app.NewInbox{Kind: kind, Name: number, Address: number, Settings: map[string]string{
		whatsapp.SettingPhoneNumberID: number, whatsapp.SettingAppSecret: secret, whatsapp.SettingVerifyToken: "verify-me",
		whatsapp.SettingWABA: "2000001", whatsapp.SettingAccessToken: "sample-access-token",
	}})
	if err != nil {
		w.Fatal(err)
	}
	return in.ID
}

// change is the part of a webhook that a text to a number makes.
func change(number, id, text string) string {
	return fmt.Sprintf(`{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"62000",`+
		`"phone_number_id":%q},"contacts":[{"profile":{"name":"Siti"},"wa_id":"628111"}],"messages":[{"from":"628111","id":%q,`+
		`"timestamp":"1764000000","type":"text","text":{"body":%q}}]}}`, number, id, text)
}

func webhook(changes ...string) []byte {
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"2000001","changes":[%s]}]}`, strings.Join(changes, ","))
}

func signed(body []byte) http.Header {
	return http.Header{http.CanonicalHeaderKey(whatsapp.SignatureHeader): {whatsapp.Sign(secret, body)}}
}

func (w *world) accept(id app.InboxID, body []byte) error {
	return w.ingress.Accept(w.Context(), "whatsapp", id, signed(body), body)
}

// texts are all messages that an inbox holds.
func (w *world) texts(id app.InboxID) (out []string) {
	w.Helper()
	lines, _, err := w.desk.Conversations(w.Context(), app.Host(), app.ConversationQuery{Inbox: id, Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	for _, l := range lines {
		p, err := w.desk.Messages(w.Context(), app.Host(), l.ID, app.MessageID{}, 100)
		if err != nil {
			w.Fatal(err)
		}
		for _, m := range p.Messages {
			out = append(out, m.Content.Text)
		}
	}
	return out
}

func (w *world) unreadable(id app.InboxID) []app.Unreadable {
	w.Helper()
	list, err := w.desk.Unreadable(w.Context(), app.Host(), id, 100)
	if err != nil {
		w.Fatal(err)
	}
	return list
}

func (w *world) want(id app.InboxID, texts ...string) {
	w.Helper()
	if got := w.texts(id); fmt.Sprint(got) != fmt.Sprint(texts) {
		w.Errorf("inbox %d holds %q, want %q", id, got, texts)
	}
}

func TestAcceptStoresOnce(t *testing.T) {
	w := newWorld(t, store.Options{})
	body := webhook(change("1000001", "wamid.1", "Halo"))
	for range 3 {
		if err := w.accept(w.first, body); err != nil {
			t.Fatal(err)
		}
	}
	w.want(w.first, "Halo")
}

func TestTurnedAway(t *testing.T) {
	w := newWorld(t, store.Options{})
	body := webhook(change("1000001", "wamid.1", "Halo"))
	right := signed(body)
	for _, c := range []struct {
		name, kind string
		inbox      app.InboxID
		header     http.Header
		body       []byte
		want       error
	}{
		{"unknown inbox", "whatsapp", 999, right, body, ingress.ErrUnknownInbox},
		{"unknown kind", "telegram", w.first, right, body, ingress.ErrUnknownInbox},
		{"unsigned", "whatsapp", w.first, http.Header{}, body, ingress.ErrUnsigned},
		{"another secret", "whatsapp", w.far, right, body, ingress.ErrUnsigned},
		{"tampered", "whatsapp", w.first, right, append([]byte(" "), body...), ingress.ErrUnsigned},
		{"too large", "whatsapp", w.first, right, make([]byte, ingress.MaxBody+1), ingress.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := w.ingress.Accept(t.Context(), c.kind, c.inbox, c.header, c.body); !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
	w.want(w.first)
	if n := len(w.unreadable(w.first)); n != 0 {
		t.Errorf("%d unreadable entries of strangers", n)
	}
}

func TestRouting(t *testing.T) {
	one := func(number string) []byte { return webhook(change(number, "wamid.1", "to "+number)) }
	for _, c := range []struct {
		name          string
		body          []byte
		first, second []string
	}{
		{"own number", one("1000001"), []string{"to 1000001"}, nil},
		{"another number of the app", one("1000002"), nil, []string{"to 1000002"}},
		{"a number of another app stays", one("1000003"), []string{"to 1000003"}, nil},
		{"a number that nobody connected stays", one("1000009"), []string{"to 1000009"}, nil},
		{
			"several numbers are split",
			webhook(change("1000001", "wamid.1", "a"), change("1000002", "wamid.2", "b"), change("1000009", "wamid.3", "c")),
			[]string{"a", "c"},
			[]string{"b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, store.Options{})
			for range 2 {
				if err := w.accept(w.first, c.body); err != nil {
					t.Fatal(err)
				}
			}
			w.want(w.first, c.first...)
			w.want(w.second, c.second...)
			w.want(w.far)
		})
	}
}

func TestUnreadableIsKept(t *testing.T) {
	w := newWorld(t, store.Options{})
	for _, body := range []string{"not json", `{"object":"page","entry":[]}`, ""} {
		if err := w.accept(w.first, []byte(body)); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	}
	list := w.unreadable(w.first)
	if len(list) != 3 || string(list[2].Raw) != "not json" || list[2].Reason == "" {
		t.Errorf("kept are %+v", list)
	}
}

// odd is WhatsApp with a reader that stumbles.
type odd struct {
	whatsapp.Channel
	parse func([]byte) (app.Inbound, error)
}

func (odd) Kind() string                             { return "odd" }
func (o odd) Parse(body []byte) (app.Inbound, error) { return o.parse(body) }

func TestMistakesOfOursLoseNothing(t *testing.T) {
	broken := true
	w := newWorld(t, store.Options{}, odd{parse: func(body []byte) (app.Inbound, error) {
		if broken {
			panic("mistake: " + string(body))
		}
		return whatsapp.New().Parse(body)
	}})
	id := w.inbox("odd", "1000004", secret)
	body := webhook(change("1000004", "wamid.1", "Halo"))
	if err := w.ingress.Accept(t.Context(), "odd", id, signed(body), body); err != nil {
		t.Fatal(err)
	}
	list := w.unreadable(id)
	if len(list) != 1 || strings.Contains(list[0].Reason, "Halo") {
		t.Fatalf("kept are %+v", list)
	}
	if err := w.ingress.Replay(t.Context(), app.Host(), list[0].ID); err == nil {
		t.Error("a replay that stumbles again succeeds")
	}
	broken = false
	if err := w.ingress.Replay(t.Context(), app.Host(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	w.want(id, "Halo")
	if n := len(w.unreadable(id)); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}

func TestReplayNeedsPermission(t *testing.T) {
	w := newWorld(t, store.Options{})
	if err := w.accept(w.first, []byte("not json")); err != nil {
		t.Fatal(err)
	}
	agent := app.Actor{Kind: app.ActorAgent, ID: 1, Role: app.AgentRole}
	if err := w.ingress.Replay(t.Context(), agent, w.unreadable(w.first)[0].ID); !errors.Is(err, app.ErrForbidden) {
		t.Errorf("error is %v", err)
	}
}

func TestStoreFailuresPassThrough(t *testing.T) {
	w := newWorld(t, store.Options{})
	body := webhook(change("1000001", "wamid.1", "Halo"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := w.ingress.Accept(ctx, "whatsapp", w.first, signed(body), body)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{body, []byte("not json")} {
		err := w.accept(w.first, b)
		if err == nil || errors.Is(err, ingress.ErrUnknownInbox) || errors.Is(err, ingress.ErrUnsigned) {
			t.Errorf("after the store closed: %v", err)
		}
	}
}

func TestFullStore(t *testing.T) {
	w := newWorld(t, store.Options{MaxSize: 1 << 20})
	var err error
	for i := 0; err == nil && i < 2000; i++ {
		err = w.accept(w.first, webhook(change("1000001", fmt.Sprint("wamid.", i), strings.Repeat("x", 4000))))
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("error is %v, want one that makes the network try again", err)
	}
}

func TestHandshake(t *testing.T) {
	w := newWorld(t, store.Options{})
	query := func(token string) url.Values {
		return url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"12345"}, "hub.verify_token": {token}}
	}
	answer, err := w.ingress.Handshake(t.Context(), "whatsapp", w.first, query("verify-me"))
	if err != nil || answer != "12345" {
		t.Errorf("answer is %q, %v", answer, err)
	}
	if _, err := w.ingress.Handshake(t.Context(), "whatsapp", w.first, query("wrong")); !errors.Is(err, ingress.ErrUnsigned) {
		t.Errorf("error is %v", err)
	}
	if _, err := w.ingress.Handshake(t.Context(), "whatsapp", 999, query("verify-me")); !errors.Is(err, ingress.ErrUnknownInbox) {
		t.Errorf("error is %v", err)
	}
}
