// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/app"
	"kith/app/apptest"
)

func (b *bench) post(path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(http.MethodPost, path, form, false)
}

// thread returns the newest message first.
func (b *bench) thread(name string) []app.Message {
	b.t.Helper()
	all, err := b.Thread(b.t.Context(), name)
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

func (b *bench) line(name string) app.Line {
	b.t.Helper()
	l, err := b.Desk.Conversation(b.t.Context(), b.Owner, b.Threads[name])
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *bench) want(w *httptest.ResponseRecorder, status int, holds ...string) {
	b.t.Helper()
	if w.Code != status {
		b.t.Fatalf("answered %d, want %d: %.400s", w.Code, status, w.Body)
	}
	for _, h := range holds {
		if !strings.Contains(w.Body.String(), h) {
			b.t.Errorf("the answer lacks %q: %.1500s", h, w.Body)
		}
	}
}

func TestReplyWithoutScript(t *testing.T) {
	b := newBench(t)
	w := b.post(b.path(apptest.Sari)+"/reply?key=K1", url.Values{"text": {"On its way"}})
	b.want(w, http.StatusSeeOther)
	if to := w.Header().Get("Location"); to != b.path(apptest.Sari)+"#composer" {
		t.Errorf("goes to %q", to)
	}
	m := b.thread(apptest.Sari)[0]
	if m.Content.Text != "On its way" || m.Status != app.StatusQueued || m.Agent != b.Owner.Agent() {
		t.Errorf("wrote %+v", m)
	}
	b.want(b.post(b.path(apptest.Sari)+"/reply?key=K2", url.Values{"text": {" "}}), http.StatusUnprocessableEntity,
		`role="alert"`, "Write something first.")
}

// TestSentTwiceIsOneMessage: a double click, a repeated request and the same words later are three different things.
func TestSentTwiceIsOneMessage(t *testing.T) {
	b := newBench(t)
	before := len(b.thread(apptest.Sari))
	say := func(key, text string) {
		b.want(b.do(http.MethodPost, b.path(apptest.Sari)+"/reply", url.Values{"key": {key}, "text": {text}}, true), http.StatusOK)
	}
	say("A", "ok")
	say("A", "ok") // the same form again
	if n := len(b.thread(apptest.Sari)) - before; n != 1 {
		t.Fatalf("%d messages after the same form twice, want 1", n)
	}
	say("A", "ok, and one more thing") // typed on while the first was under way
	say("B", "ok")                     // the same words in a new form
	if n := len(b.thread(apptest.Sari)) - before; n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

func TestReplyAnswersWithParts(t *testing.T) {
	b := newBench(t)
	w := b.do(http.MethodPost, b.path(apptest.Sari)+"/reply", url.Values{
		"key": {"A"}, "text": {"Yes"}, "reply_to": {b.thread(apptest.Sari)[0].ID.String()}, "list": {"view=unassigned"},
	}, true)
	b.want(w, http.StatusOK, `hx-target="#thread-state"`, `hx-target="#log"`, `id="compose-key"`, "view=unassigned")
	if strings.Contains(w.Body.String(), `value="A"`) {
		t.Error("the next message would be sent under the same key")
	}
	if strings.Contains(w.Body.String(), `<hx-partial hx-target="#composer"`) {
		t.Error("the composer is replaced while somebody may be typing in it")
	}
	w = b.do(http.MethodPost, b.path(apptest.Sari)+"/reply", url.Values{"key": {"B"}, "text": {""}}, true)
	b.want(w, http.StatusUnprocessableEntity, `hx-target="#toasts"`, "Write something first.")
}

func TestNote(t *testing.T) {
	b := newBench(t)
	b.want(b.post(b.path(apptest.Budi)+"/reply", url.Values{"text": {"Call him"}, "note": {"1"}}), http.StatusSeeOther)
	if m := b.thread(apptest.Budi)[0]; m.Direction != app.Note || m.Status != app.StatusNone {
		t.Errorf("wrote %+v", m)
	}
}

func TestWindowClosed(t *testing.T) {
	b := newBench(t)
	form := url.Values{"key": {"A"}, "text": {"Too late"}}
	b.want(b.do(http.MethodPost, b.path(apptest.Budi)+"/reply", form, true), http.StatusConflict, `hx-target="#composer"`, "pickup_reminder")
	b.want(b.post(b.path(apptest.Budi)+"/reply", form), http.StatusUnprocessableEntity, "The reply window is closed", "pickup_reminder")
	if got := b.thread(apptest.Budi)[0].Content.Text; got == "Too late" {
		t.Error("the text was written although the window is closed")
	}
	// The customer writes: the open page gets its composer back.
	in := app.Inbound{Messages: []app.InboundMessage{{
		ExternalID: "again", Person: apptest.Person(apptest.Budi), Direction: app.In, At: b.now, Type: app.TypeText, Content: app.Content{Text: "Hi"},
	}}}
	if err := b.Desk.Receive(t.Context(), b.Inbox, in); err != nil {
		t.Fatal(err)
	}
	b.want(b.do(http.MethodGet, b.path(apptest.Budi)+"/update?until=0", nil, true), http.StatusOK,
		`hx-target="#composer"`, "Reply on WhatsApp", "Too late")
}

func TestTemplate(t *testing.T) {
	b := newBench(t)
	name := func(place string) string { return "v.order_shipped/en." + place }
	form := url.Values{
		"template": {"order_shipped/en"}, name("header.1"): {"4711"}, name("body.1"): {"Budi"}, name("button0.1"): {"x9"},
	}
	b.want(b.post(b.path(apptest.Budi)+"/reply?key=T", form), http.StatusSeeOther)
	use := b.thread(apptest.Budi)[0].Content.Template
	want := &app.TemplateUse{
		Name: "order_shipped", Language: "en", Header: []app.Field{{Value: "4711"}}, Body: []app.Field{{Value: "Budi"}},
		Buttons: []app.Field{{Name: "0", Value: "x9"}}, Text: "Hello Budi, your order is on its way.", Title: "Order 4711",
		Labels: []string{"Track", "Call me"},
	}
	if got, want := fmt.Sprintf("%+v", use), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("sends %s\nwant  %s", got, want)
	}
	form.Del(name("header.1"))
	b.want(b.do(http.MethodPost, b.path(apptest.Budi)+"/reply", form, true), http.StatusUnprocessableEntity, "is empty")
	form.Set("template", "new_collection/en")
	b.want(b.do(http.MethodPost, b.path(apptest.Budi)+"/reply", form, true), http.StatusUnprocessableEntity, "may not be sent")
}

func TestTemplatePreview(t *testing.T) {
	b := newBench(t)
	q := url.Values{"template": {"pickup_reminder/id"}, "v.pickup_reminder/id.body.1": {"Sari"}, "v.pickup_reminder/id.body.2": {"17:00"}}
	w := b.do(http.MethodGet, b.path(apptest.Sari)+"/templates/preview?"+q.Encode(), nil, true)
	b.want(w, http.StatusOK, "Halo Sari, pesanan Anda siap. Anda bisa mengambilnya di toko kami sampai pukul 17:00.")
	w = b.do(http.MethodGet, b.path(apptest.Sari)+"/templates?find=collection", nil, false)
	if strings.Contains(w.Body.String(), "pickup_reminder") {
		t.Error("the search finds what does not fit")
	}
}

// upload posts a multipart form as the composer does.
func (b *bench) upload(path string, fields map[string]string, files map[string][]byte) *httptest.ResponseRecorder {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			b.t.Fatal(err)
		}
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		part, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="files"; filename=%q`, name)}, "Content-Type": {"application/octet-stream"},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := part.Write(files[name]); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("HX-Request", "true")
	out := httptest.NewRecorder()
	b.e.ServeHTTP(out, r)
	return out
}

func TestUpload(t *testing.T) {
	b := newBench(t)
	picture := apptest.Files["p-image"]
	w := b.upload(b.path(apptest.Sari)+"/reply", map[string]string{"text": "Two files", "key": "U"}, map[string][]byte{
		"a\"b/..\\bowl.png": picture, "price list.pdf": []byte("%PDF-1.7 list"),
	})
	b.want(w, http.StatusOK, "price list.pdf", "Two files")
	list := b.thread(apptest.Sari)
	pdf, png := list[0], list[1]
	if png.Type != app.TypeImage || png.Content.Text != "Two files" || png.Attachments[0].MIME != "image/png" || png.Attachments[0].Name != "bowl.png" {
		t.Errorf("picture: %+v", png)
	}
	if pdf.Type != app.TypeDocument || pdf.Content.Text != "" || pdf.Attachments[0].MIME != "application/pdf" {
		t.Errorf("document: %+v", pdf)
	}
	got := b.do(http.MethodGet, FilePath(png.ID, 0), nil, false)
	b.want(got, http.StatusOK)
	if !bytes.Equal(got.Body.Bytes(), picture) {
		t.Error("the file came back changed")
	}
	w = b.upload(b.path(apptest.Sari)+"/reply", nil, map[string][]byte{"empty.png": nil})
	b.want(w, http.StatusUnprocessableEntity, "This file is empty.")
	w = b.upload(b.path(apptest.Sari)+"/reply", nil, map[string][]byte{"setup.exe": []byte("MZ\x90\x00 program")})
	b.want(w, http.StatusOK) // a document of an unknown type; the sample's network takes any but one
	many := map[string][]byte{}
	for i := range mostFiles + 1 {
		many[fmt.Sprintf("%02d.pdf", i)] = []byte("%PDF-1.7")
	}
	b.want(b.upload(b.path(apptest.Sari)+"/reply", nil, many), http.StatusUnprocessableEntity, "at most 10 files")
}

func TestFileIsServedSafely(t *testing.T) {
	b := newBench(t)
	voice := b.Find(t, apptest.Kinds, func(m *app.Message) bool { return m.Type == app.TypeVoice })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, FilePath(voice.ID, 0), nil)
	r.Header.Set("Range", "bytes=0-3")
	w := httptest.NewRecorder()
	b.e.ServeHTTP(w, r)
	if w.Code != http.StatusPartialContent || w.Body.String() != "OggS" {
		t.Errorf("a range answers %d %q", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
		"Content-Type": "audio/ogg", "Content-Disposition": "inline; filename=file.ogg",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	pdf := b.Find(t, apptest.Kinds, func(m *app.Message) bool { return m.Type == app.TypeDocument })
	got := b.do(http.MethodGet, FilePath(pdf.ID, 0), nil, false)
	if d := got.Header().Get("Content-Disposition"); !strings.HasPrefix(d, "attachment;") {
		t.Errorf("a document is shown in the page: %q", d)
	}
	for _, path := range []string{FilePath(pdf.ID, 1), "/files/x/0", "/files/" + pdf.ID.String() + "/x"} {
		if w := b.do(http.MethodGet, path, nil, false); w.Code == http.StatusOK {
			t.Errorf("%s answers", path)
		}
	}
}

func TestTypesServed(t *testing.T) {
	for raw, want := range map[string]string{
		"image/svg+xml": "application/octet-stream", "text/html": "application/octet-stream", "": "application/octet-stream",
		"image/png": "image/png", "audio/ogg; codecs=opus": "audio/ogg", "application/pdf": "application/pdf",
	} {
		if got, shown := servedType(raw); got != want || (shown && !strings.Contains("image/png audio/ogg", got)) {
			t.Errorf("%q is served as %q, shown %t", raw, got, shown)
		}
	}
}

func TestTriage(t *testing.T) {
	b := newBench(t)
	path := b.path(apptest.Sari)
	w := b.do(http.MethodPost, path+"/status", url.Values{"status": {"resolved"}}, true)
	b.want(w, http.StatusOK, "Resolved.", path+"/status?status=open")
	if b.line(apptest.Sari).Status != app.Resolved {
		t.Error("not resolved")
	}
	b.want(b.do(http.MethodPost, path+"/status?status=open", nil, true), http.StatusOK)
	if b.line(apptest.Sari).Status != app.Open {
		t.Error("the toast does not take it back")
	}
	b.want(b.post(path+"/assign", url.Values{"agent": {fmt.Sprint(b.Agent.ID)}}), http.StatusSeeOther)
	if b.line(apptest.Sari).Assignee != b.Agent.Agent() {
		t.Error("not assigned")
	}
	b.want(b.do(http.MethodPost, path+"/assign", url.Values{"agent": {"9999"}}, true), http.StatusUnprocessableEntity, "does not exist")
	b.want(b.post(path+"/labels", url.Values{"label": {fmt.Sprint(b.Labels[1].ID)}, "new": {"Café"}}), http.StatusSeeOther)
	if got := b.line(apptest.Sari).Labels; len(got) != 2 || got[0] != b.Labels[1].ID {
		t.Errorf("labels %v", got)
	}
	b.want(b.post(path+"/labels", nil), http.StatusSeeOther)
	if got := b.line(apptest.Sari).Labels; len(got) != 0 {
		t.Errorf("labels %v, want none", got)
	}
}

func TestContactForm(t *testing.T) {
	b := newBench(t)
	path := b.path(apptest.Kopi)
	form := url.Values{"name": {"Kopi Pagi"}, "phones": {"+62 812 999 888"}, "emails": {"a@kopi.example, b@kopi.example"}, "fields": {"Language: Indonesian\nOrder: 4\n"}}
	b.want(b.post(path+"/contact", form), http.StatusSeeOther)
	c, err := b.Desk.Contact(t.Context(), b.Owner, b.line(apptest.Kopi).Contact)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "Kopi Pagi" || c.Phones[0] != "+62812999888" || len(c.Emails) != 2 || c.Fields["Language"] != "Indonesian" {
		t.Errorf("saved %+v", c)
	}
	form.Set("fields", "Language: Javanese")
	b.want(b.post(path+"/contact", form), http.StatusSeeOther)
	if c, _ = b.Desk.Contact(t.Context(), b.Owner, c.ID); len(c.Fields) != 1 || c.Fields["Language"] != "Javanese" {
		t.Errorf("fields %v", c.Fields)
	}
	form.Set("phones", "not a number")
	b.want(b.do(http.MethodPost, path+"/contact", form, true), http.StatusUnprocessableEntity, "country code")
}

func TestActsOnMessages(t *testing.T) {
	b := newBench(t)
	failed := b.Find(t, apptest.Warung, func(m *app.Message) bool { return m.Status == app.StatusFailed })
	b.want(b.post(messagePath(failed.ID)+"/resend", nil), http.StatusSeeOther)
	if m := b.thread(apptest.Warung)[0]; m.Status != app.StatusQueued {
		t.Errorf("after sending again: %s", m.Status)
	}
	b.want(b.do(http.MethodPost, messagePath(failed.ID)+"/cancel", nil, true), http.StatusOK, "withdrawn")
	b.want(b.do(http.MethodPost, messagePath(failed.ID)+"/resend", nil, true), http.StatusUnprocessableEntity, "Only a message that failed")
	got := b.Find(t, apptest.Kinds, func(m *app.Message) bool { return m.Content.Text == "That is all for today." })
	b.want(b.post(messagePath(got.ID)+"/react", url.Values{"emoji": {"🙏"}}), http.StatusSeeOther)
	if !strings.Contains(b.get(b.path(apptest.Kinds)), "🙏") {
		t.Error("our reaction is not shown")
	}
	elsewhere := strings.Replace(messagePath(got.ID), b.path(apptest.Kinds), b.path(apptest.Sari), 1)
	if w := b.do(http.MethodGet, elsewhere, nil, false); w.Code == http.StatusOK {
		t.Error("a message is shown in a conversation that is not its own")
	}
}

// TestUpdateSendsOnlyWhatDiffers: a page that is up to date gets its state and nothing else.
func TestUpdateSendsOnlyWhatDiffers(t *testing.T) {
	b := newBench(t)
	page := b.get(b.path(apptest.Sari) + "?view=mine")
	state := url.Values{}
	for _, m := range regexp.MustCompile(`name="(from|fresh|head|log|side|list|until)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		state.Set(m[1], m[2])
	}
	state.Set("list", "view=mine")
	ask := func() string {
		w := b.do(http.MethodGet, b.path(apptest.Sari)+"/update?"+state.Encode(), nil, true)
		b.want(w, http.StatusOK)
		return w.Body.String()
	}
	if got := ask(); strings.Count(got, "<hx-partial") != 1 {
		t.Errorf("an unchanged page gets more than its state: %.300s", got)
	}
	if err := b.Desk.ChangeConversation(t.Context(), b.Owner, b.Threads[apptest.Sari], app.ConversationChange{Labels: []uint32{}}); err != nil {
		t.Fatal(err)
	}
	if got := ask(); strings.Contains(got, `hx-target="#log"`) || !strings.Contains(got, `hx-target="#side"`) {
		t.Errorf("labels were taken away, and the answer is %.300s", got)
	}
}

func TestOpeningMarksSeen(t *testing.T) {
	b := newBench(t)
	if b.line("Priya Nair").Unread == 0 {
		t.Fatal("nothing is unread")
	}
	b.get(b.path("Priya Nair"))
	if n := b.line("Priya Nair").Unread; n != 0 {
		t.Errorf("%d unread after opening", n)
	}
}

func TestOlderMessages(t *testing.T) {
	b := newBench(t)
	for i := range 3 * pageMessages {
		in := app.Inbound{Messages: []app.InboundMessage{{
			ExternalID: fmt.Sprint("long", i), Person: apptest.Person("Priya Nair"), Direction: app.In,
			At: b.now.Add(time.Duration(i-3*pageMessages) * time.Second), Type: app.TypeText, Content: app.Content{Text: fmt.Sprint("line ", i, ".")},
		}}}
		if err := b.Desk.Receive(t.Context(), b.Inbox, in); err != nil {
			t.Fatal(err)
		}
	}
	path := b.path("Priya Nair")
	page := b.get(path)
	bubbles := func(s string) int { return strings.Count(s, "<article") }
	if bubbles(page) != pageMessages || !strings.Contains(page, `id="log-older"`) {
		t.Fatalf("%d messages at first", bubbles(page))
	}
	from := regexp.MustCompile(`name="from" value="([^"]+)"`)
	for want := 2 * pageMessages; want <= 3*pageMessages; want += pageMessages {
		page = b.do(http.MethodGet, path+"/update?older=1&from="+from.FindStringSubmatch(page)[1], nil, true).Body.String()
		if bubbles(page) != want {
			t.Fatalf("%d messages, want %d", bubbles(page), want)
		}
	}
	again := b.do(http.MethodGet, path+"/update?from="+from.FindStringSubmatch(page)[1], nil, true).Body.String()
	if bubbles(again) != 3*pageMessages {
		t.Errorf("an update keeps %d messages", bubbles(again))
	}
	if w := b.get(path + "?from=" + from.FindStringSubmatch(page)[1]); bubbles(w) <= 3*pageMessages {
		t.Errorf("the link of the button without script shows %d messages", bubbles(w))
	}
}

// TestMoreRows: the list grows by pages and stays whole when it is fetched again.
func TestMoreRows(t *testing.T) {
	b := newBench(t)
	crowd(t, b, 1000)
	rows := func(s string) int { return strings.Count(s, "data-row") }
	if page := b.get("/inbox?view=all"); rows(page) != pageRows || !strings.Contains(page, `/inbox/rows?c=0&amp;rows=100&amp;view=all`) {
		t.Errorf("%d rows at first", rows(page))
	}
	for _, n := range []int{100, mostRows} {
		w := b.do(http.MethodGet, fmt.Sprintf("/inbox/rows?view=all&rows=%d", n), nil, true)
		if got := rows(w.Body.String()); got != n {
			t.Errorf("%d rows, want %d", got, n)
		}
	}
	w := b.do(http.MethodGet, "/inbox/rows?view=all&rows=100000", nil, true)
	b.want(w, http.StatusOK, "These are the newest 500.")
}

func TestQueues(t *testing.T) {
	b := newBench(t)
	for query, want := range map[string][]string{
		"view=all&queue=failed": {apptest.Warung}, "view=all&queue=closing": {apptest.Ahmad}, "view=all&status=resolved": {apptest.Lena},
		"view=mine&queue=failed": {apptest.Warung}, "view=unassigned&queue=failed": nil,
		"q=budi": {apptest.Budi}, "q=" + url.QueryEscape(apptest.Person(apptest.Budi).Identities[2].Value): {apptest.Budi}, "q=nobody": nil,
		"view=all&label=" + fmt.Sprint(b.Labels[1].ID): {apptest.Ahmad},
	} {
		page := b.get("/inbox?" + query)
		if got := strings.Count(page, "data-row"); got != len(want) {
			t.Errorf("%s shows %d conversations, want %q", query, got, want)
		}
		for _, name := range want {
			if !strings.Contains(page, name) {
				t.Errorf("%s does not show %s", query, name)
			}
		}
	}
}

func TestDraft(t *testing.T) {
	b := newBench(t)
	path := b.path(apptest.Sari)
	b.want(b.post(path+"/draft", url.Values{"text": {"Half a sen"}}), http.StatusNoContent)
	if !strings.Contains(b.get(path), ">Half a sen</textarea>") {
		t.Error("the draft is gone")
	}
	b.who = b.Agent
	if strings.Contains(b.get(path), "Half a sen") {
		t.Error("somebody else sees the draft")
	}
	b.who = b.Owner
	b.want(b.post(path+"/reply", url.Values{"text": {"A whole sentence"}}), http.StatusSeeOther)
	if strings.Contains(b.get(path), "Half a sen") {
		t.Error("the draft outlives its message")
	}
}

func TestDraftsAreBounded(t *testing.T) {
	var d drafts
	for i := range mostDrafts + 10 {
		d.set(app.Actor{ID: 1}, app.ConversationID(i), "x")
	}
	if len(d.texts) != mostDrafts || d.get(app.Actor{ID: 1}, 3) != "" || d.get(app.Actor{ID: 1}, mostDrafts) != "x" {
		t.Errorf("%d drafts are kept", len(d.texts))
	}
}

// TestCustomersCannotWriteMarkup: whatever a customer is called or writes stays text.
func TestCustomersCannotWriteMarkup(t *testing.T) {
	b := newBench(t)
	evil := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	p := app.Person{Name: evil, Username: evil, Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: evil}}}
	msgs := []app.InboundMessage{
		{Type: app.TypeText, Content: app.Content{Text: evil + " https://x.example/\"onmouseover=alert(1) javascript:alert(1)"}},
		{Type: app.TypeContacts, Content: app.Content{Cards: []app.Card{{Name: evil, Phones: []string{evil}, URLs: []string{"javascript:alert(1)"}}}}},
		{Type: app.TypeText, Content: app.Content{Text: "x", Referral: &app.Referral{URL: "javascript:alert(1)", Headline: evil}}},
		{Type: app.TypeDocument, Media: []app.InboundMedia{{Name: evil, MIME: evil}}},
		{Type: app.TypeOrder, Content: app.Content{Order: &app.Order{Items: []app.OrderItem{{Product: evil, Price: evil, Currency: evil}}}}},
	}
	for i := range msgs {
		msgs[i].ExternalID, msgs[i].Person, msgs[i].Direction, msgs[i].At = fmt.Sprint("evil", i), p, app.In, b.now
	}
	if err := b.Desk.Receive(t.Context(), b.Inbox, app.Inbound{Messages: msgs}); err != nil {
		t.Fatal(err)
	}
	lines, _, err := b.Desk.Conversations(t.Context(), b.Owner, app.ConversationQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	page := b.get(Path(lines[0].ID))
	for _, bad := range []string{"<script>alert", "<img src=x", `href="javascript:`, `"onmouseover`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
}

// A form that no browser makes is the caller's mistake, not ours.
func TestBrokenForms(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/reply", "/labels"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, b.path(apptest.Sari)+path, strings.NewReader("%zz=%"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("HX-Request", "true")
		w := httptest.NewRecorder()
		b.e.ServeHTTP(w, r)
		if w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s answers %d, want 422", path, w.Code)
		}
	}
}
