// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kith/app"
	"kith/app/apptest"
	"kith/ui/locale"
)

// find searches in the list and returns the page.
func (b *bench) find(q string) string {
	b.t.Helper()
	return b.get("/inbox?view=all&q=" + url.QueryEscape(q))
}

// receive lets somebody write a message.
func (b *bench) receive(text string) {
	b.t.Helper()
	err := b.Desk.Receive(b.t.Context(), b.Inbox, app.Inbound{Messages: []app.InboundMessage{{
		ExternalID: "wamid.search", Direction: app.In, At: apptest.Start, Type: app.TypeText,
		Person:  app.Person{Name: "Sample", Identities: []app.Identity{{Kind: app.IdentityPhone, Value: "+628000001"}}},
		Content: app.Content{Text: text},
	}}})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestSearchFindsMessages(t *testing.T) {
	b := newBench(t)
	said := b.Find(t, apptest.Sari, func(m *app.Message) bool { return strings.Contains(m.Content.Text, "40 is possible") })
	page := b.find("possible 40")
	for _, want := range []string{
		">Messages</h2>", "<mark>40</mark>", "<mark>possible</mark>", Path(b.Threads[apptest.Sari]) + "?from=" + said.ID.String(), "#" + domID(said.ID),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, ">People</h2>") {
		t.Error("somebody is called “possible 40”")
	}
	page = b.get(Path(b.Threads[apptest.Sari]) + "?from=" + said.ID.String() + "&q=possible+40&view=all")
	if !strings.Contains(page, `data-at="`+domID(said.ID)+`"`) || !strings.Contains(page, `id="`+domID(said.ID)+`"`) || !strings.Contains(page, "<mark>possible</mark>") {
		t.Error("the conversation does not open at the message beside the search")
	}
}

func TestSearchFindsPeopleAndMessages(t *testing.T) {
	b := newBench(t)
	b.receive("Is Sari in today?")
	page := b.find("sari")
	people, messages := strings.Index(page, ">People</h2>"), strings.Index(page, ">Messages</h2>")
	if people < 0 || messages < people {
		t.Errorf("people at %d, messages at %d", people, messages)
	}
}

func TestSearchWithoutResult(t *testing.T) {
	b := newBench(t)
	for q, want := range map[string]string{
		"nobody-says-this": "No person and no message has all of these words.",
		"glaze from:today": "Write the day as 2026-11-30",
		"glaze agent:xyz":  "No agent has this name.",
	} {
		if page := b.find(q); !strings.Contains(page, want) || strings.Contains(page, "<mark>") {
			t.Errorf("%s: the page does not say %q", q, want)
		}
	}
	b.l = locale.Match("id", "")
	if page := b.find("nobody-says-this"); !strings.Contains(page, "Tidak ada orang atau pesan yang memuat semua kata ini.") {
		t.Error("not in Indonesian")
	}
	b.want(b.do(http.MethodGet, "/inbox/rows?view=all&q=glaze", nil, true), http.StatusOK, "<mark>glaze</mark>")
}

func TestSearchEscapes(t *testing.T) {
	b := newBench(t)
	b.receive("<b>quixotic</b> & <script>")
	page := b.find("quixotic")
	if !strings.Contains(page, "&lt;b&gt;<mark>quixotic</mark>&lt;/b&gt; &amp; &lt;script&gt;") {
		t.Error("what a message says is not escaped")
	}
}
