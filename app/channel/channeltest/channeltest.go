// SPDX-License-Identifier: Apache-2.0

// Package channeltest is the suite that every channel runs: what a webhook must prove, and that reading foreign bytes
// never loses a message and never fails the program.
package channeltest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/app/channel"
)

// Suite is a channel with the material of its tests.
type Suite struct {
	Channel  channel.Channel
	Settings channel.Settings               // complete and valid
	Sign     func(body []byte) http.Header  // as the network signs for Settings; nil when it does not sign
	Forge    map[string]func(h http.Header) // further ways to spoil a right signature
	Query    url.Values                     // a right handshake; nil when there is none
	Answer   string                         // what it is answered with
	Spoil    map[string]func(q url.Values)  // ways to spoil the handshake
	Fixtures []Fixture                      // webhooks of the network
	File     map[app.MessageType]string     // a MIME type that is allowed, for each type that carries a file
	Wrong    map[string]channel.Settings    // settings that Check refuses, by the setting that its error names
}

// Fixture is one webhook and how it is shown, in the form of Shown.
type Fixture struct {
	Name  string
	Body  []byte
	Shown []string
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	t.Run("settings", s.settings)
	t.Run("handshake", s.handshake)
	t.Run("verify", s.verify)
	t.Run("limits", s.limits)
	for _, f := range s.Fixtures {
		t.Run("fixture/"+f.Name, func(t *testing.T) { s.fixture(t, f) })
	}
	t.Run("broken", s.broken)
}

func (s *Suite) settings(t *testing.T) {
	if s.Channel.Kind() == "" {
		t.Error("the channel has no kind")
	}
	if err := s.Channel.Check(s.Settings); err != nil {
		t.Fatalf("the right settings are refused: %v", err)
	}
	seen := map[string]bool{}
	for _, d := range s.Channel.Settings() {
		if d.Name == "" || seen[d.Name] {
			t.Errorf("setting %q has no name or appears twice", d.Name)
		}
		seen[d.Name] = true
		if !d.Required {
			continue
		}
		without := maps.Clone(s.Settings)
		delete(without, d.Name)
		s.refused(t, d.Name, without)
	}
	for name, wrong := range s.Wrong {
		s.refused(t, strings.TrimRight(name, "0123456789"), wrong)
	}
}

// refused checks that the error names the setting and repeats no secret.
func (s *Suite) refused(t *testing.T, name string, settings channel.Settings) {
	t.Helper()
	err := s.Channel.Check(settings)
	if err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("wrong %s: got error %v, want one that names it", name, err)
		return
	}
	for _, d := range s.Channel.Settings() {
		if v := settings[d.Name]; d.Secret && v != "" && strings.Contains(err.Error(), v) {
			t.Errorf("the error about %s repeats the secret %s", name, d.Name)
		}
	}
}

func (s *Suite) handshake(t *testing.T) {
	if s.Query == nil {
		t.Skip("the channel has no handshake")
	}
	if got, ok := s.Channel.Handshake(s.Settings, s.Query); !ok || got != s.Answer {
		t.Errorf("right handshake: got %q, %v; want %q", got, ok, s.Answer)
	}
	if _, ok := s.Channel.Handshake(channel.Settings{}, s.Query); ok {
		t.Error("a handshake without settings is answered")
	}
	if _, ok := s.Channel.Handshake(s.Settings, url.Values{}); ok {
		t.Error("an empty handshake is answered")
	}
	for name, spoil := range s.Spoil {
		q := url.Values{}
		for k, v := range s.Query {
			q[k] = slices.Clone(v)
		}
		spoil(q)
		if _, ok := s.Channel.Handshake(s.Settings, q); ok {
			t.Errorf("handshake with %s is answered", name)
		}
	}
}

func (s *Suite) verify(t *testing.T) {
	if s.Sign == nil {
		t.Skip("the network does not sign")
	}
	body := s.Fixtures[0].Body
	right := s.Sign(body)
	if err := s.Channel.Verify(s.Settings, right, body); err != nil {
		t.Fatalf("right signature: %v", err)
	}
	bad := func(name string, settings channel.Settings, h http.Header, body []byte) {
		t.Helper()
		if err := s.Channel.Verify(settings, h, body); !errors.Is(err, channel.ErrSignature) {
			t.Errorf("%s: got %v, want ErrSignature", name, err)
		}
	}
	bad("no signature", s.Settings, http.Header{}, body)
	bad("no settings", channel.Settings{}, right, body)
	bad("signature of another body", s.Settings, s.Sign([]byte("{}")), body)
	bad("empty body", s.Settings, right, nil)
	bad("a byte more", s.Settings, right, append(slices.Clone(body), ' '))
	for i := 0; i < len(body); i += max(1, len(body)/50) {
		spoilt := slices.Clone(body)
		spoilt[i] ^= 1
		bad("a byte changed", s.Settings, right, spoilt)
	}
	for name, forge := range s.Forge {
		h := right.Clone()
		forge(h)
		bad(name, s.Settings, h, body)
	}
}

func (s *Suite) limits(t *testing.T) {
	l := s.Channel.Limits()
	if l.File == nil {
		t.Fatal("Limits has no File")
	}
	for typ, mime := range s.File {
		if n, err := l.File(typ, mime); err != nil || n <= 0 {
			t.Errorf("%s as %s: got %d, %v", mime, typ, n, err)
		}
		if _, err := l.File(typ, "application/x-no-such-thing"); err == nil || len(err.Error()) < 20 {
			t.Errorf("a file that is not allowed as %s: got error %v, want one that tells what is", typ, err)
		}
	}
	if _, err := l.File(app.TypeText, "text/plain"); err == nil {
		t.Error("a text message carries a file")
	}
}

func (s *Suite) fixture(t *testing.T, f Fixture) {
	t.Helper()
	body := slices.Clone(f.Body)
	in, err := s.Channel.Parse(body)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if diff := cmp.Diff(f.Shown, Shown(in)); diff != "" {
		t.Errorf("shown differently (-want +got):\n%s", diff)
	}
	again, err := s.Channel.Parse(f.Body)
	if err != nil {
		t.Fatalf("Parse again: %v", err)
	}
	for i := range body {
		body[i] = 'x' // the result must not lean on the caller's memory
	}
	if diff := cmp.Diff(again, in); diff != "" {
		t.Errorf("reading twice differs, or the result shares memory with the body:\n%s", diff)
	}
	Complete(t, in)
}

// Complete fails the test unless every part of in has what Desk.Receive needs.
func Complete(tb testing.TB, in app.Inbound) {
	tb.Helper()
	for i := range in.Messages {
		if lacks := messageLacks(&in.Messages[i]); lacks != "" {
			tb.Errorf("message %d: %s", i, lacks)
		}
	}
	for i, r := range in.Receipts {
		if r.ExternalID == "" || r.Status == app.StatusNone || (r.Status == app.StatusFailed) != (r.Failure != nil) {
			tb.Errorf("receipt %d lacks id, status or failure", i)
		}
	}
	for i, n := range in.Notices {
		if n.Topic == "" || n.Level == 0 || n.Digest == [16]byte{} {
			tb.Errorf("notice %d lacks topic, level or digest", i)
		}
	}
	for i, u := range in.Unreadable {
		if u.Reason == "" {
			tb.Errorf("unreadable part %d has no reason", i)
		}
	}
}

func messageLacks(m *app.InboundMessage) string {
	switch {
	case m.ExternalID == "":
		return "it has no id"
	case m.Type == 0 || m.Origin == 0 || (m.Direction != app.In && m.Direction != app.Out):
		return "it lacks type, origin or direction"
	case len(m.Person.Identities) == 0:
		return "it has no person"
	case m.Action != app.ActNone && m.Target == "":
		return "it acts upon nothing"
	case slices.ContainsFunc(m.Media, func(f app.InboundMedia) bool { return f.ProviderID == "" }):
		return "it has a file without id"
	}
	return ""
}

// broken feeds cut and spoilt fixtures and rubbish: Parse must come back, and its only error is ErrBody.
func (s *Suite) broken(t *testing.T) {
	parse := func(name string, body []byte) {
		t.Helper()
		in, err := s.Channel.Parse(body)
		if err != nil && !errors.Is(err, channel.ErrBody) {
			t.Errorf("%s: got %v, want ErrBody", name, err)
		}
		if err == nil {
			Complete(t, in)
		}
	}
	for _, rubbish := range []string{"", " ", "null", "[]", "{}", "0", `"x"`, "\x00\xff", "<html>", `{"object":1,"entry":{}}`} {
		parse("rubbish", []byte(rubbish))
	}
	if in, err := s.Channel.Parse([]byte("<html>")); err == nil && in.Empty() {
		t.Error("rubbish vanishes without an error")
	}
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a repeatable test
	for _, f := range s.Fixtures {
		for i := 0; i < len(f.Body); i += max(1, len(f.Body)/40) {
			parse(f.Name+" cut", f.Body[:i])
		}
		for range 60 {
			b := slices.Clone(f.Body)
			for range 1 + chance.IntN(4) {
				b[chance.IntN(len(b))] = byte(chance.IntN(256)) //nolint:gosec // below 256
			}
			parse(f.Name+" spoilt", b)
		}
	}
}
