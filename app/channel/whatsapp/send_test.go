// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/whatsapp"
	"kith/app/egress"
)

// graph is a Graph API that answers as told and keeps what it was asked.
type graph struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []call
	answer func(w http.ResponseWriter, r *http.Request, body []byte)
}

type call struct {
	method, path, auth, agent, contentType string
	body                                   []byte
}

func newGraph(t *testing.T, answer func(http.ResponseWriter, *http.Request, []byte)) *graph {
	t.Helper()
	g := &graph{answer: answer}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		g.mu.Lock()
		g.calls = append(g.calls, call{
			r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.UserAgent(), r.Header.Get("Content-Type"), body,
		})
		g.mu.Unlock()
		g.answer(w, r, body)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *graph) sender(t *testing.T) channel.Sender {
	t.Helper()
	e := egress.New(egress.Options{Trusted: []string{g.URL}})
	t.Cleanup(e.Close)
	s := with(whatsapp.SettingAPIBase, g.URL)
	return whatsapp.New().Open(s, e.Client(whatsapp.Kind, whatsapp.Hosts(s)...))
}

func (g *graph) last() call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[len(g.calls)-1]
}

func (g *graph) all() []call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

const accepted = `{"messaging_product":"whatsapp","contacts":[{"input":"+628110001","wa_id":"628110001","user_id":"ID.1"}],` +
	`"messages":[{"id":"wamid.NEW"}]}`

// accept takes every upload and message.
func accept(w http.ResponseWriter, r *http.Request, _ []byte) {
	if strings.HasSuffix(r.URL.Path, "/media") {
		fmt.Fprint(w, `{"id":"4490709327384033"}`)
		return
	}
	fmt.Fprint(w, accepted)
}

var toPhone = []app.Identity{
	{Kind: app.IdentityBSUID, Value: "ID.1"}, {Kind: app.IdentityWaID, Value: "628110001"}, {Kind: app.IdentityPhone, Value: "+628110001"},
}

func file(name, mime, content string) []channel.File {
	return []channel.File{{Name: name, MIME: mime, Size: int64(len(content)), Body: io.NopCloser(strings.NewReader(content))}}
}

// webp is the head of an animated WebP picture.
const webp = "RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00abcdef"

type sendCase struct {
	name string
	m    channel.Outgoing
	want string // without what all have
}

func sendCases() []sendCase {
	return []sendCase{
		{"text", channel.Outgoing{Type: app.TypeText, Content: app.Content{Text: "Hi <you> & me ☀"}}, `"type":"text","text":{"body":"Hi <you> & me ☀"}`},
		{
			"text with a link",
			channel.Outgoing{Type: app.TypeText, Content: app.Content{Text: "see https://example.com"}},
			`"type":"text","text":{"body":"see https://example.com","preview_url":true}`,
		},
		{
			"reply",
			channel.Outgoing{Type: app.TypeText, Content: app.Content{Text: "yes"}, ReplyTo: "wamid.Q", Callback: "77"},
			`"type":"text","text":{"body":"yes"},"context":{"message_id":"wamid.Q"},"biz_opaque_callback_data":"77"`,
		},
		{
			"reaction",
			channel.Outgoing{Type: app.TypeReaction, React: "wamid.R", Content: app.Content{Text: "👍"}},
			`"type":"reaction","reaction":{"message_id":"wamid.R","emoji":"👍"}`,
		},
		{
			"reaction removed",
			channel.Outgoing{Type: app.TypeReaction, React: "wamid.R"},
			`"type":"reaction","reaction":{"message_id":"wamid.R","emoji":""}`,
		},
		{
			"location",
			channel.Outgoing{Type: app.TypeLocation, Content: app.Content{Location: &app.Location{Latitude: -6.2, Longitude: 106.816, Name: "Office"}}},
			`"type":"location","location":{"latitude":-6.2,"longitude":106.816,"name":"Office"}`,
		},
		{
			"contacts",
			channel.Outgoing{Type: app.TypeContacts, Content: app.Content{Cards: []app.Card{{
				Name: "Sample Friend", Phones: []string{"+628110002"}, Emails: []string{"f@example.com"}, Org: "Example", Birthday: "1990-01-02",
				Addresses: []string{"Jalan Contoh 1"}, URLs: []string{"https://example.com"},
			}}}},
			`"type":"contacts","contacts":[{"name":{"formatted_name":"Sample Friend","first_name":"Sample"},"phones":[{"phone":"+628110002"}],` +
				`"emails":[{"email":"f@example.com"}],"org":{"company":"Example"},"birthday":"1990-01-02",` +
				`"addresses":[{"street":"Jalan Contoh 1"}],"urls":[{"url":"https://example.com"}]}]`,
		},
		{
			"image",
			channel.Outgoing{Type: app.TypeImage, Content: app.Content{Text: "menu"}, Files: file("menu.jpg", "image/jpeg", "jpeg")},
			`"type":"image","image":{"id":"4490709327384033","caption":"menu"}`,
		},
		{
			"video",
			channel.Outgoing{Type: app.TypeVideo, Files: file("v.mp4", "video/mp4", "mp4")},
			`"type":"video","video":{"id":"4490709327384033"}`,
		},
		{
			"document",
			channel.Outgoing{Type: app.TypeDocument, Files: file(`C:\tmp\of"fer.pdf`, "application/pdf", "%PDF-1.7\n")},
			`"type":"document","document":{"id":"4490709327384033","filename":"of\"fer.pdf"}`,
		},
		{
			"audio",
			channel.Outgoing{Type: app.TypeAudio, Files: file("", "audio/mpeg", "mp3")},
			`"type":"audio","audio":{"id":"4490709327384033"}`,
		},
		{
			"voice",
			channel.Outgoing{Type: app.TypeVoice, Files: file("", "audio/ogg", "OggS")},
			`"type":"audio","audio":{"id":"4490709327384033","voice":true}`,
		},
		{
			"sticker",
			channel.Outgoing{Type: app.TypeSticker, Files: file("", "image/webp", webp)},
			`"type":"sticker","sticker":{"id":"4490709327384033"}`,
		},
		{
			"template without variables",
			channel.Outgoing{Type: app.TypeTemplate, Content: app.Content{Template: &app.TemplateUse{Name: "hello", Language: "id"}}},
			`"type":"template","template":{"name":"hello","language":{"code":"id"}}`,
		},
		{
			"template with numbers",
			channel.Outgoing{Type: app.TypeTemplate, Content: app.Content{Template: &app.TemplateUse{
				Name: "order", Language: "en_US", Header: []app.Field{{Value: "42"}}, Body: []app.Field{{Value: "Ana"}, {Name: "2", Value: "Tuesday"}},
				Buttons: []app.Field{{Name: "0", Value: "abc"}, {Name: "1:quick_reply", Value: "STOP"}, {Name: "2:copy_code", Value: "SAVE10"}},
			}}},
			`"type":"template","template":{"name":"order","language":{"code":"en_US"},"components":[` +
				`{"type":"header","parameters":[{"type":"text","text":"42"}]},` +
				`{"type":"body","parameters":[{"type":"text","text":"Ana"},{"type":"text","text":"Tuesday"}]},` +
				`{"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"abc"}]},` +
				`{"type":"button","sub_type":"quick_reply","index":"1","parameters":[{"type":"payload","payload":"STOP"}]},` +
				`{"type":"button","sub_type":"copy_code","index":"2","parameters":[{"type":"coupon_code","coupon_code":"SAVE10"}]}]}`,
		},
		{
			"template with names and a picture",
			channel.Outgoing{Type: app.TypeTemplate, Files: file("p.png", "image/png", "png"), Content: app.Content{Template: &app.TemplateUse{
				Name: "order", Language: "id", Body: []app.Field{{Name: "first_name", Value: "Ana"}},
			}}},
			`"type":"template","template":{"name":"order","language":{"code":"id"},"components":[` +
				`{"type":"header","parameters":[{"type":"image","image":{"id":"4490709327384033"}}]},` +
				`{"type":"body","parameters":[{"type":"text","parameter_name":"first_name","text":"Ana"}]}]}`,
		},
		{
			"buttons",
			channel.Outgoing{Type: app.TypeInteractive, Content: app.Content{Text: "Which?", Interactive: &app.Interactive{
				Header: "Size", Footer: "Choose one", Buttons: []app.Option{{ID: "s", Title: "Small"}, {ID: "l", Title: "Large"}},
			}}},
			`"type":"interactive","interactive":{"type":"button","header":{"type":"text","text":"Size"},"body":{"text":"Which?"},` +
				`"footer":{"text":"Choose one"},"action":{"buttons":[{"type":"reply","reply":{"id":"s","title":"Small"}},` +
				`{"type":"reply","reply":{"id":"l","title":"Large"}}]}}`,
		},
		{
			"list",
			channel.Outgoing{Type: app.TypeInteractive, Content: app.Content{Text: "When?", Interactive: &app.Interactive{
				Button: "Days", Rows: []app.Option{{ID: "mo", Title: "Monday", Description: "9 to 5"}, {ID: "tu", Title: "Tuesday"}},
			}}},
			`"type":"interactive","interactive":{"type":"list","body":{"text":"When?"},"action":{"button":"Days","sections":[{"rows":[` +
				`{"id":"mo","title":"Monday","description":"9 to 5"},{"id":"tu","title":"Tuesday"}]}]}}`,
		},
	}
}

func TestSendBodies(t *testing.T) {
	s := loadSchema(t)
	g := newGraph(t, accept)
	sender := g.sender(t)
	for _, c := range sendCases() {
		t.Run(c.name, func(t *testing.T) {
			c.m.To = toPhone
			sent, err := sender.Send(t.Context(), c.m)
			if err != nil {
				t.Fatal(err)
			}
			if sent.ExternalID != "wamid.NEW" || len(sent.Recipient) != 3 || sent.Recipient[0].Value != "ID.1" {
				t.Errorf("got %+v", sent)
			}
			got := g.last()
			if got.method != "POST" || got.path != "/v25.0/106540352242922/messages" || got.auth != "Bearer a-token-for-tests" ||
				got.contentType != "application/json" {
				t.Errorf("called %s %s with %q as %s", got.method, got.path, got.auth, got.contentType)
			}
			sameJSON(t, `{"messaging_product":"whatsapp","recipient_type":"individual","to":"+628110001",`+c.want+`}`, got.body)
			if s == nil {
				return
			}
			if err := s.check(got.body); err != nil {
				t.Errorf("Meta's schema: %v", err)
			}
		})
	}
}

func sameJSON(t *testing.T, want string, got []byte) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the wanted body: %v", err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("the sent body: %v", err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if bytes.Contains(got, []byte(`\u003c`)) {
		t.Error("the body escapes what people type")
	}
}

func TestRecipients(t *testing.T) {
	g := newGraph(t, accept)
	sender := g.sender(t)
	for name, c := range map[string]struct {
		to   []app.Identity
		want string
	}{
		"a phone number": {[]app.Identity{{Kind: app.IdentityPhone, Value: "+628110001"}}, `"recipient_type":"individual","to":"+628110001"`},
		"a user id only": {
			[]app.Identity{{Kind: app.IdentityUsername, Value: "x"}, {Kind: app.IdentityBSUID, Value: "ID.1"}},
			`"recipient_type":"individual","recipient":"ID.1"`,
		},
		"a parent id": {[]app.Identity{{Kind: app.IdentityParent, Value: "ID.ENT.1"}}, `"recipient_type":"individual","recipient":"ID.ENT.1"`},
		"a group":     {[]app.Identity{{Kind: app.IdentityGroup, Value: "G1"}}, `"recipient_type":"group","to":"G1"`},
	} {
		m := channel.Outgoing{To: c.to, Type: app.TypeText, Content: app.Content{Text: "x"}}
		if _, err := sender.Send(t.Context(), m); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sameJSON(t, `{"messaging_product":"whatsapp","type":"text","text":{"body":"x"},`+c.want+`}`, g.last().body)
	}
	_, err := sender.Send(t.Context(), channel.Outgoing{
		To: []app.Identity{{Kind: app.IdentityEmail, Value: "a@example.com"}}, Type: app.TypeText, Content: app.Content{Text: "x"},
	})
	wantClass(t, "no address", err, channel.Refused, whatsapp.AdvicePhone)
}

func wantClass(t *testing.T, name string, err error, class channel.Class, advice string) *channel.SendError {
	t.Helper()
	var e *channel.SendError
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want a SendError", name, err)
		return &channel.SendError{}
	}
	if e.Class != class || e.Failure.Advice != advice {
		t.Errorf("%s: got class %d and %q, want %d and %q (%v)", name, e.Class, e.Failure.Advice, class, advice, e)
	}
	return e
}

func TestHeldBackTemplate(t *testing.T) {
	g := newGraph(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		fmt.Fprint(w, `{"messages":[{"id":"wamid.H","message_status":"held_for_quality_assessment"}]}`)
	})
	sent, err := g.sender(t).Send(t.Context(), channel.Outgoing{
		To: toPhone, Type: app.TypeTemplate, Content: app.Content{Template: &app.TemplateUse{Name: "promo", Language: "id"}},
	})
	if err != nil || !sent.Held || sent.ExternalID != "wamid.H" {
		t.Errorf("got %+v, %v", sent, err)
	}
}

// TestLimits: what WhatsApp would refuse is refused before anything is sent, in words for people.
func TestLimits(t *testing.T) {
	g := newGraph(t, accept)
	sender := g.sender(t)
	text := func(s string) app.Content { return app.Content{Text: s} }
	option := func(id, title string) app.Option { return app.Option{ID: id, Title: title} }
	interactive := func(i app.Interactive) channel.Outgoing {
		return channel.Outgoing{Type: app.TypeInteractive, Content: app.Content{Text: "x", Interactive: &i}}
	}
	template := func(u app.TemplateUse) channel.Outgoing {
		return channel.Outgoing{Type: app.TypeTemplate, Content: app.Content{Template: &u}}
	}
	still := strings.Replace(webp, "\x02", "\x00", 1) + strings.Repeat("x", 100<<10)
	for name, c := range map[string]struct {
		m      channel.Outgoing
		advice string
	}{
		"an empty text":         {channel.Outgoing{Type: app.TypeText, Content: text(" \n")}, whatsapp.AdviceRequest},
		"a long text":           {channel.Outgoing{Type: app.TypeText, Content: text(strings.Repeat("ä", 4097))}, whatsapp.AdviceTooLong},
		"a note":                {channel.Outgoing{Type: app.TypeNote, Content: text("x")}, whatsapp.AdviceRequest},
		"a long callback":       {channel.Outgoing{Type: app.TypeText, Content: text("x"), Callback: strings.Repeat("x", 513)}, whatsapp.AdviceRequest},
		"a file with a text":    {channel.Outgoing{Type: app.TypeText, Content: text("x"), Files: file("a", "image/png", "x")}, whatsapp.AdviceFile},
		"a reaction to nothing": {channel.Outgoing{Type: app.TypeReaction, Content: text("👍")}, whatsapp.AdviceRequest},
		"a place off the map":   {channel.Outgoing{Type: app.TypeLocation, Content: app.Content{Location: &app.Location{Latitude: 91}}}, whatsapp.AdviceRequest},
		"a card without name":   {channel.Outgoing{Type: app.TypeContacts, Content: app.Content{Cards: []app.Card{{}}}}, whatsapp.AdviceRequest},
		"no file":               {channel.Outgoing{Type: app.TypeImage}, whatsapp.AdviceFile},
		"an empty file":         {channel.Outgoing{Type: app.TypeImage, Files: file("a", "image/png", "")}, whatsapp.AdviceFile},
		"a GIF":                 {channel.Outgoing{Type: app.TypeImage, Files: file("a.gif", "image/gif", "x")}, whatsapp.AdviceFile},
		"a large image":         {channel.Outgoing{Type: app.TypeImage, Files: []channel.File{{MIME: "image/png", Size: 5<<20 + 1, Body: http.NoBody}}}, whatsapp.AdviceFile},
		"a long caption": {
			channel.Outgoing{Type: app.TypeImage, Content: text(strings.Repeat("x", 1025)), Files: file("a", "image/png", "x")}, whatsapp.AdviceTooLong,
		},
		"a caption on a voice note": {channel.Outgoing{Type: app.TypeVoice, Content: text("x"), Files: file("a", "audio/ogg", "x")}, whatsapp.AdviceRequest},
		"a still sticker too large": {channel.Outgoing{Type: app.TypeSticker, Files: file("a", "image/webp", still)}, whatsapp.AdviceFile},
		"a sticker that is none":    {channel.Outgoing{Type: app.TypeSticker, Files: file("a", "image/webp", strings.Repeat("x", 40))}, whatsapp.AdviceFile},
		"a template without name":   {template(app.TemplateUse{Language: "id"}), whatsapp.AdviceRequest},
		"an empty variable":         {template(app.TemplateUse{Name: "a", Language: "id", Body: []app.Field{{Value: " "}}}), whatsapp.AdviceVariables},
		"a button without index":    {template(app.TemplateUse{Name: "a", Language: "id", Buttons: []app.Field{{Name: "x", Value: "1"}}}), whatsapp.AdviceVariables},
		"a button of a new kind":    {template(app.TemplateUse{Name: "a", Language: "id", Buttons: []app.Field{{Name: "0:dance", Value: "1"}}}), whatsapp.AdviceVariables},
		"neither buttons nor list":  {interactive(app.Interactive{}), whatsapp.AdviceRequest},
		"four buttons": {
			interactive(app.Interactive{Buttons: []app.Option{option("1", "1"), option("2", "2"), option("3", "3"), option("4", "4")}}), whatsapp.AdviceTooLong,
		},
		"a long button":       {interactive(app.Interactive{Buttons: []app.Option{option("1", strings.Repeat("x", 21))}}), whatsapp.AdviceTooLong},
		"two equal buttons":   {interactive(app.Interactive{Buttons: []app.Option{option("1", "x"), option("2", "x")}}), whatsapp.AdviceRequest},
		"a list without name": {interactive(app.Interactive{Rows: []app.Option{option("1", "x")}}), whatsapp.AdviceRequest},
		"eleven rows":         {interactive(app.Interactive{Button: "x", Rows: make([]app.Option, 11)}), whatsapp.AdviceTooLong},
		"a long header":       {interactive(app.Interactive{Header: strings.Repeat("x", 61), Buttons: []app.Option{option("1", "x")}}), whatsapp.AdviceTooLong},
	} {
		c.m.To = toPhone
		_, err := sender.Send(t.Context(), c.m)
		e := wantClass(t, name, err, channel.Refused, c.advice)
		if len(e.Failure.Title) < 15 {
			t.Errorf("%s: %q does not tell enough", name, e.Failure.Title)
		}
	}
	for _, c := range g.all() {
		t.Errorf("called %s %s for a message that breaks a limit", c.method, c.path)
	}
}

func TestMarkRead(t *testing.T) {
	g := newGraph(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { fmt.Fprint(w, `{"success":true}`) })
	sender := g.sender(t)
	if err := sender.MarkRead(t.Context(), "wamid.1", false); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.1"}`, g.last().body)
	if err := sender.MarkRead(t.Context(), "wamid.1", true); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.1","typing_indicator":{"type":"text"}}`, g.last().body)
	if s := loadSchema(t); s != nil {
		if err := s.check(g.last().body); err != nil {
			t.Errorf("Meta's schema: %v", err)
		}
	}
}
