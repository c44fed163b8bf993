// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/channeltest"
	"kith/app/channel/simulator"
	"kith/app/channel/whatsapp"
	"kith/app/egress"
)

// network is the simulator's world with a hook that verifies and reads what it posts. It was written from the same
// pages by other hands: where the two agree, a mistake would have to be made twice.
type network struct {
	*simulator.World
	sender channel.Sender
	read   chan app.Inbound
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{read: make(chan app.Inbound, 100)}
	s := settings()
	var graph http.Handler
	g := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { graph.ServeHTTP(w, r) }))
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			answer, ok := whatsapp.New().Handshake(s, r.URL.Query())
			if !ok {
				t.Error("the handshake is refused")
			}
			_, _ = io.WriteString(w, answer)
			return
		}
		body, _ := io.ReadAll(r.Body)
		if err := whatsapp.New().Verify(s, r.Header, body); err != nil {
			t.Errorf("signature: %v", err)
		}
		in, err := whatsapp.New().Parse(body)
		if err != nil || len(in.Unreadable) > 0 || !slices.Equal(whatsapp.Numbers(body), []string{s[whatsapp.SettingPhoneNumberID]}) {
			t.Errorf("reading %s: %v, %v, numbers %v", body, err, channeltest.Shown(in), whatsapp.Numbers(body))
		}
		channeltest.Complete(t, in)
		n.read <- in
		w.WriteHeader(http.StatusOK)
	}))
	e := egress.New(egress.Options{Trusted: []string{g.URL, hook.URL}})
	n.World = simulator.New(simulator.Options{
		Doer: e.Client("simulator", hook.URL), Webhook: hook.URL, AppSecret: appSecret, AccessToken: s[whatsapp.SettingAccessToken],
		VerifyToken: s[whatsapp.SettingVerifyToken], PhoneNumberID: s[whatsapp.SettingPhoneNumberID], WABAID: s[whatsapp.SettingWABA],
		BaseURL: g.URL, Chaos: simulator.Chaos{Unlimited: true},
	})
	graph = n.Graph()
	s[whatsapp.SettingAPIBase] = g.URL
	n.sender = whatsapp.New().Open(s, e.Client("whatsapp", whatsapp.Hosts(s)...))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Errorf("running: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		g.Close()
		hook.Close()
	})
	return n
}

// next returns the next thing that the hook read and that want accepts.
func (n *network) next(t *testing.T, want func(app.Inbound) bool) app.Inbound {
	t.Helper()
	for {
		select {
		case in := <-n.read:
			if want(in) {
				return in
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the network sent nothing of the kind")
		}
	}
}

func (n *network) said(t *testing.T, customer string, c simulator.Content) app.InboundMessage {
	t.Helper()
	if _, err := n.Say(t.Context(), customer, c); err != nil {
		t.Fatal(err)
	}
	return n.next(t, func(in app.Inbound) bool { return len(in.Messages) > 0 }).Messages[0]
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSimulatorSpeaks(t *testing.T) {
	n := newNetwork(t)
	first := n.said(t, "budi", simulator.Text{Body: "Halo ☀"})
	if first.Content.Text != "Halo ☀" || first.Person.Identities[0].Kind != app.IdentityBSUID || first.Person.Username != "budi.sample" ||
		slices.ContainsFunc(first.Person.Identities, func(i app.Identity) bool { return i.Kind == app.IdentityPhone }) {
		t.Errorf("a text of somebody without a number: %+v", first)
	}
	for _, c := range []struct {
		content simulator.Content
		want    app.MessageType
		action  app.Action
	}{
		{simulator.Location{Latitude: -6.2, Longitude: 106.8, Name: "Monas"}, app.TypeLocation, app.ActNone},
		{simulator.Contact{Name: "Sample Friend", Phone: "+62 800 0000 0009"}, app.TypeContacts, app.ActNone},
		{simulator.Reaction{Message: first.ExternalID, Emoji: "👍"}, app.TypeReaction, app.ActReact},
		{simulator.ReplyTo{Message: first.ExternalID, Content: simulator.Text{Body: "again"}}, app.TypeText, app.ActNone},
		{simulator.Order{Catalog: "c", Items: []simulator.OrderItem{{Product: "p", Quantity: 2, Price: 1.5, Currency: "IDR"}}}, app.TypeOrder, app.ActNone},
		{simulator.Unsupported{Type: "poll"}, app.TypeUnsupported, app.ActNone},
		{simulator.SharePhone{}, app.TypeContacts, app.ActNone},
		{simulator.Edit{Message: first.ExternalID, Body: "Halo lagi"}, app.TypeEdit, app.ActEdit},
		{simulator.Revoke{Message: first.ExternalID}, app.TypeRevoke, app.ActRevoke},
	} {
		m := n.said(t, "budi", c.content)
		if m.Type != c.want || m.Action != c.action {
			t.Errorf("%T: got %s, action %d", c.content, m.Type, m.Action)
		}
	}
	m := n.said(t, "dewi", simulator.Media{Bytes: picture(t), MIME: "image/png", Caption: "look"})
	f, err := n.sender.Fetch(t.Context(), m.Media[0].ProviderID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	if got, err := io.ReadAll(f.Body); err != nil || !bytes.Equal(got, picture(t)) || f.MIME != "image/png" {
		t.Errorf("the picture: %d bytes, %s, %v", len(got), f.MIME, err)
	}
}

func TestSimulatorHears(t *testing.T) {
	n := newNetwork(t)
	for _, customer := range []string{"dewi", "budi"} {
		to := n.said(t, customer, simulator.Text{Body: "Halo"})
		if err := n.sender.MarkRead(t.Context(), to.ExternalID, true); err != nil {
			t.Errorf("mark: %v", err)
		}
		for _, c := range sendCases() {
			switch c.m.Type {
			case app.TypeTemplate, app.TypeVideo, app.TypeVoice, app.TypeSticker, app.TypeAudio: // need true files or templates
				continue
			case app.TypeImage:
				c.m.Files = file("p.png", "image/png", string(picture(t)))
			default: // as it is
			}
			c.m.To, c.m.Callback = to.Person.Identities, "callback-"+c.name
			if c.m.ReplyTo != "" {
				c.m.ReplyTo = to.ExternalID
			}
			if c.m.React != "" {
				c.m.React = to.ExternalID
			}
			sent, err := n.sender.Send(t.Context(), c.m)
			if err != nil {
				t.Errorf("%s to %s: %v", c.name, customer, err)
				continue
			}
			if c.m.Type == app.TypeReaction {
				continue // no statuses come of it here
			}
			in := n.next(t, func(in app.Inbound) bool { return len(in.Receipts) > 0 && in.Receipts[0].ExternalID == sent.ExternalID })
			if in.Receipts[0].Callback != "callback-"+c.name || in.Receipts[0].Status != app.StatusSent {
				t.Errorf("%s to %s: receipt %+v", c.name, customer, in.Receipts[0])
			}
		}
	}
}

func TestSimulatorAccount(t *testing.T) {
	n := newNetwork(t)
	list, err := n.sender.Templates(t.Context())
	if err != nil || len(list) < 3 {
		t.Fatalf("%d templates, %v", len(list), err)
	}
	for _, tpl := range list {
		if tpl.Name == "" || tpl.Body == "" || tpl.Status == "" || tpl.ID == "" {
			t.Errorf("template %+v", tpl)
		}
	}
	facts, err := n.sender.Probe(t.Context())
	if err != nil || !slices.ContainsFunc(facts, func(f app.Field) bool { return f.Name == "display_phone_number" }) {
		t.Errorf("facts %v, %v", facts, err)
	}
	to := n.said(t, "dewi", simulator.Text{Body: "Halo"}).Person.Identities
	for trouble, want := range map[string]channel.Class{
		"131056": channel.SlowPair, "130429": channel.SlowDown, "131000": channel.Again, "131042": channel.Stop, "190": channel.Stop,
		simulator.TroubleServer: channel.Unknown, simulator.TroubleHangUp: channel.Unknown,
	} {
		if err := n.SetTrouble(trouble, 1); err != nil {
			t.Fatal(err)
		}
		_, err := n.sender.Send(t.Context(), channel.Outgoing{To: to, Type: app.TypeText, Content: app.Content{Text: "x"}})
		e, ok := err.(*channel.SendError) //nolint:errorlint // the contract names the type
		if !ok || e.Class != want {
			t.Errorf("trouble %s: got %v", trouble, err)
		}
	}
}
