// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// Words that exist nowhere else. Each stands for one way by which something personal or secret reaches kith.
const (
	plantedTemplate     = "vexillar_quondamstar"
	plantedTemplateText = "Your sprocketlemma order"
)

var planted = map[string]string{
	"text of a message":        "zwiebelquartz",
	"text beyond ASCII":        "überflüßchen",
	"name of a customer":       "Plinkertonova",
	"username":                 "thrumblecask77",
	"caption":                  "mossgargle",
	"name of a file":           "quibblesnort-2026.pdf",
	"content of a file":        "FILEHEARTwombatly",
	"name of an upload":        "wobblecraft-offer.pdf",
	"content of an upload":     "UPLOADEDmarblethorn",
	"name of a place":          "Glimmerfroth Harbour",
	"address of a place":       "Snortlewick Lane",
	"card of a contact":        "Barnabyxwold",
	"order":                    "crumpetorbit",
	"choice":                   "yondermellow",
	"reaction target":          "wamid.PLANTEDtargetQQ",
	"id of a message":          "wamid.PLANTEDmessageZZ",
	"phone of a customer":      "6281799887766",
	"what cannot be read":      "gibberwockling",
	"notice":                   "noticewhistler",
	"note":                     "splendidgherkin",
	"reply":                    "furlongbiscuit",
	"variable of a template":   "trellisvortex",
	"text of a template":       "sprocketlemma",
	"name of a template":       plantedTemplate,
	"contact's name":           "Ottoliverwhisk",
	"contact's e-mail address": "ottoliver@dapplefen.example",
	"contact's phone":          "4915199887711",
	"contact's field":          "cardamomledger",
	"contact's label":          "velvetanchor",
	"name of an inbox":         "Marzipancounter",
	"agent's name":             "Fenwickelbaum",
	"agent's e-mail address":   "fenwickel@dapplefen.example",
	"password":                 "correct-hazelnut-staple-9",
	"name of a key":            "keynamedthistle",
	"app secret":               appSecret,
	"access token":             accessToken,
	"verify token":             verifyToken,
}

// TestPlantedWords sends distinctive words through every door and then reads every byte of the data directory: while
// kith runs and after it stopped. The same search must find each word in a plaintext copy.
func TestPlantedWords(t *testing.T) {
	dir := dataDir(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	image := graphFile{"image/jpeg", append([]byte("\xff\xd8\xff\xe0 "+planted["content of a file"]+" "), bytes.Repeat([]byte("pixels "), 4000)...)}
	g := newGraph(t, map[string]graphFile{"7001": image, "7002": {"application/pdf", []byte("%PDF-1.4 " + planted["content of a file"])}})
	in := addInbox(t, dir, planted["name of an inbox"], "100000000000888", g.URL)
	run(t, dir, planted["password"]+"\n", "user", "add", "--email", planted["agent's e-mail address"],
		"--name", planted["agent's name"], "--role", "owner", "--password-stdin")
	s := serve(t, dir)
	secrets := maps.Clone(planted)
	secrets["API key"] = run(t, dir, "", "apikey", "add", "--name", planted["name of a key"], "--role", "owner")
	a := &api{tb: t, base: s.base, key: secrets["API key"]}

	plantWebhooks(t, s, in, image)
	plantByAPI(t, a, in)
	wait(t, patience, "files to be fetched and replies to be sent", func() bool {
		sent, _ := g.counts()
		return sent >= 3 && waiting(a, in) == 0
	})
	known(t, a, in)

	needles := needlesOf(secrets)
	report(t, "while kith runs", needles, dir, tmp)
	s.stop()
	report(t, "after kith stopped", needles, dir, tmp)

	// kith still knows what nobody else can read.
	s = serve(t, dir)
	a.base = s.base
	known(t, a, in)
}

// report fails for each word that is found in a file below the folders.
func report(t *testing.T, when string, needles []needle, folders ...string) {
	t.Helper()
	files, bytesRead := 0, 0
	for _, dir := range folders {
		found, n, size, err := search(os.DirFS(dir), needles)
		if err != nil {
			t.Fatal(err)
		}
		files, bytesRead = files+n, bytesRead+size
		for _, f := range found {
			t.Errorf("%s: %s", when, f)
		}
	}
	if bytesRead < 10_000 {
		t.Errorf("%s: only %d bytes were there to be searched", when, bytesRead)
	}
	t.Logf("%s: %d files, %d bytes, %d forms of %d words", when, files, bytesRead, len(needles), len(planted)+1)
}

// TestPlantedControl writes each word into a file in each form that the search knows and must find every one.
func TestPlantedControl(t *testing.T) {
	needles := needlesOf(planted)
	for what, word := range planted {
		for form, write := range forms {
			dir := t.TempDir()
			noise := bytes.Repeat([]byte{0xa5, 0x00, 0x7b, 0x18, 0xff}, 500)
			text := slices.Concat(noise, write("before "+word+" after"), noise)
			if err := os.MkdirAll(filepath.Join(dir, "blobs", "aa"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "blobs", "aa", "copy"), text, 0o600); err != nil {
				t.Fatal(err)
			}
			found, _, _, err := search(os.DirFS(dir), needles)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, what+" ") }) {
				t.Errorf("the search misses %s written as %s", what, form)
			}
		}
	}
}

// forms are the ways of writing a text that a store might use.
var forms = map[string]func(string) []byte{
	"UTF-8":      func(s string) []byte { return []byte(s) },
	"UTF-16 LE":  func(s string) []byte { return wide(s, 0) },
	"UTF-16 BE":  func(s string) []byte { return wide(s, 1) },
	"base64":     func(s string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(s))) },
	"base64 +1":  func(s string) []byte { return []byte(base64.RawURLEncoding.EncodeToString([]byte("x" + s))) },
	"base64 +2":  func(s string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte("xy" + s))) },
	"hex":        func(s string) []byte { return []byte(hex.EncodeToString([]byte(s))) },
	"HEX":        func(s string) []byte { return []byte(strings.ToUpper(hex.EncodeToString([]byte(s)))) },
	"JSON":       func(s string) []byte { return []byte(escaped(s)) },
	"upper case": func(s string) []byte { return []byte(strings.ToUpper(s)) },
	"reversed": func(s string) []byte {
		b := []byte(s)
		slices.Reverse(b)
		return b
	},
	"CBOR": func(s string) []byte { return append([]byte{0xa1, 0x01, 0x78, byte(len(s))}, s...) },
}

func wide(s string, high int) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		pair := [2]byte{byte(u), byte(u >> 8)}
		out = append(out, pair[high], pair[1-high])
	}
	return out
}

// needle is one word in one form. Where letters have a case, both the bytes and the searched file are lower case.
type needle struct {
	what, form string
	bytes      []byte
	anyCase    bool
}

// needlesOf writes the words in all forms. Of a long word its first ten bytes count: a cut or indexed word is a find.
func needlesOf(words map[string]string) []needle {
	var out []needle
	add := func(what, form string, b []byte, anyCase bool) {
		if anyCase {
			b = lower(b)
		}
		out = append(out, needle{what, form, b, anyCase})
	}
	for what, word := range words {
		add(what, "text", []byte(strings.ToLower(word)), true)
		add(what, "text in upper case", []byte(strings.ToUpper(word)), true)
		head := []byte(word)
		if len(word) > 12 && len(word) == len([]rune(word)) {
			head = head[:10]
		}
		add(what, "text", head, true)
		back := slices.Clone(head)
		slices.Reverse(back)
		add(what, "text from behind", back, true)
		add(what, "UTF-16 LE", wide(string(head), 0), true)
		add(what, "UTF-16 BE", wide(string(head), 1), true)
		add(what, "hex", []byte(hex.EncodeToString(head)), true)
		add(what, "JSON", []byte(strings.Trim(escaped(string(head)), `"`)), true)
		for shift := range 3 {
			// The first and last characters depend on the neighbours: only what lies between them is certain.
			text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), word...))
			from, to := (shift*8+5)/6, (shift+len(word))*8/6
			add(what, "base64", []byte(text[from:to]), false)
			add(what, "base64 for addresses", []byte(strings.NewReplacer("+", "-", "/", "_").Replace(text[from:to])), false)
		}
	}
	return out
}

// lower folds the letters A to Z and leaves every other byte where and what it is.
func lower(b []byte) []byte {
	out := slices.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

// search reads every file below a folder, names too, and tells which words it found where.
func search(folder fs.FS, needles []needle) (found []string, files, size int, err error) {
	err = fs.WalkDir(folder, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		data := []byte(path)
		if d.Type().IsRegular() {
			text, err := fs.ReadFile(folder, path)
			if err != nil {
				return fmt.Errorf("reading %s: %w", path, err)
			}
			files, size = files+1, size+len(text)
			data = append(append(data, 0), text...)
		}
		low := lower(data)
		for _, n := range needles {
			if hay := map[bool][]byte{true: low, false: data}[n.anyCase]; bytes.Contains(hay, n.bytes) {
				found = append(found, fmt.Sprintf("%s is in %s as %s", n.what, path, n.form))
			}
		}
		return nil
	})
	return found, files, size, err
}

// plantWebhooks lets a customer send everything.
func plantWebhooks(t *testing.T, s *server, in hook, image graphFile) {
	t.Helper()
	p := planted
	from, now := p["phone of a customer"], time.Now().Unix()
	message := func(id, kind, body string) []byte {
		return webhook("messages", fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881",`+
			`"phone_number_id":"100000000000888"},"contacts":[{"profile":{"name":%s,"username":%s},"wa_id":%q}],"messages":[`+
			`{"from":%q,"id":%q,"timestamp":"%d","type":%q,%q:%s}]}`,
			escaped(p["name of a customer"]), escaped(p["username"]), from, from, id, now, kind, kind, body))
	}
	id := p["id of a message"]
	bodies := [][]byte{
		message(id+"1", "text", `{"body":`+escaped(p["text of a message"]+" and "+p["text beyond ASCII"])+`}`),
		message(id+"2", "image", fmt.Sprintf(`{"caption":%s,"mime_type":"image/jpeg","sha256":%q,"id":"7001"}`, escaped(p["caption"]), image.sum())),
		message(id+"3", "document", fmt.Sprintf(`{"filename":%s,"mime_type":"application/pdf","id":"7002"}`, escaped(p["name of a file"]))),
		message(id+"4", "location", fmt.Sprintf(`{"latitude":1.5,"longitude":2.5,"name":%s,"address":%s}`, escaped(p["name of a place"]), escaped(p["address of a place"]))),
		message(id+"5", "contacts", `[{"name":{"formatted_name":`+escaped(p["card of a contact"])+`},"phones":[{"phone":"+1 650-555-1234"}]}]`),
		message(id+"6", "order", `{"catalog_id":"1","text":`+escaped(p["order"])+`,"product_items":[{"product_retailer_id":"a","quantity":1,"item_price":3,"currency":"USD"}]}`),
		message(id+"7", "interactive", `{"type":"button_reply","button_reply":{"id":"b","title":`+escaped(p["choice"])+`}}`),
		message(id+"8", "reaction", `{"message_id":`+escaped(p["reaction target"])+`,"emoji":"\ud83d\udc4d"}`),
		webhook("account_alerts", `{"entity_type":"BUSINESS","alert_info":{"alert_severity":"WARNING","alert_description":`+escaped(p["notice"])+`}}`),
		[]byte(`{"object":"page","word":"` + p["what cannot be read"] + `"}`),
	}
	for i, body := range bodies {
		if status := deliver(http.DefaultClient, s.base+in.Path, body, sign(appSecret, body)); status != http.StatusOK {
			t.Fatalf("webhook %d was answered %d", i, status)
		}
	}
}

// plantByAPI writes what an agent writes.
func plantByAPI(t *testing.T, a *api, in hook) {
	t.Helper()
	p := planted
	a.post("/api/v1/contacts", map[string]any{
		"name": p["contact's name"], "phones": []string{"+" + p["contact's phone"]}, "emails": []string{p["contact's e-mail address"]},
		"fields": map[string]string{"Kind": p["contact's field"]}, "labels": []string{p["contact's label"]},
	}, nil)
	path := threadOf(a, in) + "/messages"
	a.post(path, map[string]any{"note": p["note"]}, nil)
	a.post(path, map[string]any{"text": p["reply"]}, nil)
	large := strings.Repeat("%PDF-1.4 "+p["content of an upload"]+" ", 1_200_000) // more than servers keep in memory
	a.upload(path, p["name of an upload"], "application/pdf", strings.NewReader(large))
	wait(t, patience, "the templates of the inbox", func() bool {
		status, text := a.call(http.MethodPost, path, map[string]any{"template": map[string]any{
			"name": plantedTemplate, "language": "en", "body": []any{map[string]string{"value": p["variable of a template"]}},
		}})
		if status == http.StatusCreated {
			return true
		}
		if status/100 == 5 || status == http.StatusUnauthorized {
			t.Fatalf("sending a template: %d %s", status, text)
		}
		return false
	})
}

// threadOf returns the path of the only conversation of the inbox.
func threadOf(a *api, in hook) string {
	a.tb.Helper()
	all := list[conversation](a, "/api/v1/conversations?inbox="+in.ID.String())
	if len(all) != 1 {
		a.tb.Fatalf("%d conversations, want 1", len(all))
	}
	return "/api/v1/conversations/" + string(all[0].ID)
}

// waiting counts the files that are still at the network.
func waiting(a *api, in hook) (n int) {
	a.tb.Helper()
	for _, m := range list[message](a, threadOf(a, in)+"/messages") {
		for _, f := range m.Attachments {
			if f.State == "waiting" {
				n++
			}
		}
	}
	return n
}

// known proves that the words did arrive: without it, a kith that forgets would pass.
func known(t *testing.T, a *api, in hook) {
	t.Helper()
	_, thread := a.call(http.MethodGet, threadOf(a, in)+"/messages?limit=100", nil)
	_, people := a.call(http.MethodGet, "/api/v1/contacts?limit=100", nil)
	_, unread := a.call(http.MethodGet, "/api/v1/inboxes/"+in.ID.String()+"/unreadable", nil)
	_, notices := a.call(http.MethodGet, "/api/v1/inboxes/"+in.ID.String()+"/notices", nil)
	_, inboxes := a.call(http.MethodGet, "/api/v1/inboxes", nil)
	_, agents := a.call(http.MethodGet, "/api/v1/agents", nil)
	all := slices.Concat(thread, people, unread, notices, inboxes, agents)
	never := []string{"password", "app secret", "access token", "verify token", "name of a key", "content of a file", "content of an upload", "what cannot be read", "reaction target"}
	for what, word := range planted {
		if !slices.Contains(never, what) && !bytes.Contains(all, []byte(word)) {
			t.Errorf("the API does not show the %s (%s)", what, word)
		}
	}
	for _, what := range []string{"app secret", "access token", "verify token"} {
		if bytes.Contains(all, []byte(planted[what])) {
			t.Errorf("the API shows the %s", what)
		}
	}
	var path string
	for _, m := range list[message](a, threadOf(a, in)+"/messages") {
		for _, f := range m.Attachments {
			if f.Name == planted["name of a file"] {
				path = f.URL
			}
		}
	}
	if status, file := a.call(http.MethodGet, path, nil); status != http.StatusOK || !bytes.Contains(file, []byte(planted["content of a file"])) {
		t.Errorf("the document at %q: %d, %d bytes", path, status, len(file))
	}
}
