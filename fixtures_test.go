// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// message is what these tests read of the API's messages.
type message struct {
	ID          text           `json:"id"`
	Direction   string         `json:"direction"`
	Type        string         `json:"type"`
	Text        string         `json:"text"`
	Content     map[string]any `json:"content"`
	Status      string         `json:"status"`
	External    string         `json:"external_id"`
	SentAt      string         `json:"sent_at"`
	Edited      bool           `json:"edited"`
	RevokedAt   string         `json:"revoked_at"`
	ReplyTo     text           `json:"reply_to"`
	Forwarded   bool           `json:"forwarded"`
	Attachments []struct {
		Name  string `json:"name"`
		Type  string `json:"type"`
		Size  int64  `json:"size"`
		URL   string `json:"url"`
		State string `json:"state"`
	} `json:"attachments"`
	Reactions []struct {
		Emoji string `json:"emoji"`
	} `json:"reactions"`
	Error *struct {
		Code   int    `json:"code"`
		Title  string `json:"title"`
		Advice string `json:"advice"`
	} `json:"error"`
}

// shown writes a message as one line: which way it went, what it is, how far it got, what an agent reads of it.
func (m message) shown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", m.Direction, m.Type)
	if m.Status != "" {
		fmt.Fprintf(&b, " [%s]", m.Status)
	}
	if m.Text != "" {
		fmt.Fprintf(&b, " %q", m.Text)
	}
	for _, kind := range sortedKeys(m.Content) {
		fmt.Fprintf(&b, " %s(%s)", kind, strings.Join(leaves(kind, m.Content[kind]), ", "))
	}
	for _, f := range m.Attachments {
		fmt.Fprintf(&b, " <%s>", strings.Join(strings.Fields(f.Type+" "+f.Name+" "+f.State), " "))
	}
	for _, r := range m.Reactions {
		b.WriteString(" +" + r.Emoji)
	}
	for _, mark := range []struct {
		word string
		set  bool
	}{
		{"edited", m.Edited},
		{"revoked", m.RevokedAt != ""},
		{"forwarded", m.Forwarded},
		{"reply", m.ReplyTo != "" && m.ReplyTo != "null"},
	} {
		if mark.set {
			b.WriteString(" " + mark.word)
		}
	}
	if m.Error != nil {
		fmt.Fprintf(&b, " error %d %s", m.Error.Code, m.Error.Advice)
	}
	return b.String()
}

// leaves writes what a JSON value holds as name=value, in the order of the names.
func leaves(name string, v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			out = append(out, leaves(k, v[k])...)
		}
	case []any:
		for _, one := range v {
			out = append(out, leaves(name, one)...)
		}
	default:
		out = append(out, fmt.Sprintf("%s=%v", name, v))
	}
	return out
}

// TestFixtures posts every webhook that we have, each twice and all in random order, over HTTP with a right signature.
// Each has an inbox of its own, because the examples of the network's documentation share ids. All must be answered 200,
// every message must be there exactly once, and the names of the subtests say how each kind is shown or where it went.
func TestFixtures(t *testing.T) {
	files := fixtureFiles(t)
	dir := dataDir(t)
	g := newGraph(t, map[string]graphFile{
		"3000000000000001": {"audio/ogg", []byte("OggS a voice")}, "3000000000000002": {"image/png", []byte("\x89PNG a picture")},
	})
	inboxes := map[string]hook{}
	for i, name := range sortedKeys(files) {
		inboxes[name] = addInbox(t, dir, name, fmt.Sprintf("7%014d", i), g.URL)
	}
	s := serve(t, dir)
	seed := rand.Uint64()
	t.Logf("%d files, seed %d", len(files), seed)
	for _, name := range sortedKeys(files) { // what a webhook speaks of was there before
		for _, body := range earlier[name] {
			mustDeliver(t, s, inboxes[name], []byte(body))
		}
	}
	posts := append(sortedKeys(files), sortedKeys(files)...)
	rand.New(rand.NewPCG(seed, 2)).Shuffle(len(posts), func(i, j int) { posts[i], posts[j] = posts[j], posts[i] })
	for _, name := range posts {
		mustDeliver(t, s, inboxes[name], files[name])
	}
	a := s.api()
	signedIn := s.browserless()
	for _, name := range sortedKeys(files) {
		want, listed := fixtures[name]
		t.Run(name+": "+strings.Join(want, "; "), func(t *testing.T) {
			a := &api{tb: t, base: a.base, key: a.key}
			if !listed {
				t.Error("this file is not in the table: say how it is shown")
			}
			got := append(settled(a, inboxes[name]), peopleOf(a, people[name], strings.HasPrefix(name, "own/"))...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("shown otherwise (-want +got):\n%s", diff)
			}
			once(t, a, inboxes[name], files[name])
			onPages(t, a, signedIn, inboxes[name])
		})
	}
}

// fixtureFiles reads our own webhooks and those beside the checkout, if they are there.
func fixtureFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	read := func(prefix, dir string) {
		paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			body, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			files[prefix+strings.TrimSuffix(filepath.Base(p), ".json")] = body
		}
	}
	read("own/", filepath.Join("testdata", "whatsapp"))
	for dir, up := ".", 0; up < 4; dir, up = filepath.Join(dir, ".."), up+1 {
		shared := filepath.Join(dir, "shared", "fixtures", "whatsapp")
		if _, err := os.Stat(shared); err == nil {
			read("", shared)
			return files
		}
	}
	t.Log("no shared/fixtures/whatsapp beside the checkout: only our own webhooks are posted")
	return files
}

// ownWebhooks are the bodies of testdata/whatsapp.
func ownWebhooks(tb testing.TB) (bodies [][]byte) {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "whatsapp", "*.json"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no webhooks of our own: %v", err)
	}
	for _, p := range paths {
		body, err := os.ReadFile(p)
		if err != nil {
			tb.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func mustDeliver(t *testing.T, s *server, in hook, body []byte) {
	t.Helper()
	if status := deliver(http.DefaultClient, s.base+in.Path, body, sign(appSecret, body)); status != http.StatusOK {
		t.Errorf("a webhook of %s was answered %d", in.Path, status)
	}
}

// settled waits until no file of the inbox waits at the network and lists what the inbox shows.
func settled(a *api, in hook) []string {
	a.tb.Helper()
	var got []string
	wait(a.tb, 30*1e9, "files to be fetched or lost", func() bool {
		got = shownIn(a, in)
		return !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, " waiting>") })
	})
	return got
}

// shownIn lists all that an agent finds in the inbox: threads, then notices, then what could not be read.
func shownIn(a *api, in hook) []string {
	a.tb.Helper()
	var all []message
	for _, c := range list[conversation](a, "/api/v1/conversations?inbox="+in.ID.String()) {
		all = append(all, list[message](a, "/api/v1/conversations/"+string(c.ID)+"/messages")...)
	}
	slices.SortStableFunc(all, func(x, y message) int {
		return strings.Compare(x.SentAt+x.External, y.SentAt+y.External)
	})
	var lines []string
	for _, m := range all {
		lines = append(lines, m.shown())
	}
	for _, n := range list[struct{ Topic, Level, Event string }](a, "/api/v1/inboxes/"+in.ID.String()+"/notices") {
		lines = append(lines, strings.TrimSpace("notice "+n.Level+" "+n.Topic+" "+n.Event))
	}
	for _, u := range list[struct{ Reason string }](a, "/api/v1/inboxes/"+in.ID.String()+"/unreadable") {
		lines = append(lines, "unreadable: "+u.Reason)
	}
	return lines
}

// peopleOf says who has each of the identities, and "nobody" where no contact has it. The examples of the documentation
// share their people, so the name depends on the order: it is told of our own webhooks only.
func peopleOf(a *api, identities []string, named bool) (lines []string) {
	a.tb.Helper()
	if len(identities) == 0 {
		return nil
	}
	contacts := list[struct {
		Name       string `json:"name"`
		Identities []struct {
			Kind, Value string
		} `json:"identities"`
	}](a, "/api/v1/contacts")
	for _, id := range identities {
		who := "nobody"
		for _, c := range contacts {
			for _, have := range c.Identities {
				if have.Kind+" "+have.Value == id {
					who = map[bool]string{true: c.Name, false: "somebody"}[named]
				}
			}
		}
		lines = append(lines, id+": "+who)
	}
	return lines
}

// once checks without the table that every message id that the webhook names as its own is there exactly once.
func once(t *testing.T, a *api, in hook, body []byte) {
	t.Helper()
	have := map[string]int{}
	for _, c := range list[conversation](a, "/api/v1/conversations?inbox="+in.ID.String()) {
		for _, m := range list[message](a, "/api/v1/conversations/"+string(c.ID)+"/messages") {
			have[m.External]++
		}
	}
	for _, m := range wireMessages(t, body) {
		n := have[m.ID] + have[m.ID+"#media_placeholder"]
		applied := n == 0 && slices.Contains([]string{"edit", "revoke", "reaction"}, m.Type) // its target shows it
		if n != 1 && !applied && !slices.Contains(unreadableIDs, m.ID) {
			t.Errorf("%s is there %d times", m.ID, n)
		}
	}
	for id, n := range have {
		if id != "" && n != 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
}

// onPages checks that the page of each conversation can be drawn and holds the words of its messages.
func onPages(t *testing.T, a *api, signedIn *http.Client, in hook) {
	t.Helper()
	for _, c := range list[conversation](a, "/api/v1/conversations?inbox="+in.ID.String()) {
		page := read(t, signedIn, a.base+"/inbox/"+string(c.ID))
		for _, m := range list[message](a, "/api/v1/conversations/"+string(c.ID)+"/messages") {
			words, _, _ := strings.Cut(m.Text, "http") // addresses become links
			told := m.Type == "system" || m.Type == "unsupported" || m.RevokedAt != ""
			if words = strings.TrimSpace(words); !told && !strings.Contains(page, html.EscapeString(words)) {
				t.Errorf("the page of conversation %s does not show %q", c.ID, words)
			}
		}
	}
}

// read returns a page, unpacked.
func read(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	res, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var r io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		if r, err = gzip.NewReader(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", address, res.Status, err)
	}
	return string(text)
}

// wire is the part of a webhook that names messages.
type wire struct {
	Entry []struct {
		Changes []struct {
			Value struct {
				Messages []wireID
				Echoes   []wireID `json:"message_echoes"`
				History  []struct {
					Threads []struct{ Messages []wireID }
				}
			}
		}
	}
}

type wireID struct{ ID, Type string }

func wireMessages(t *testing.T, body []byte) (all []wireID) {
	t.Helper()
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		t.Fatal(err)
	}
	for _, e := range w.Entry {
		for _, c := range e.Changes {
			all = append(append(all, c.Value.Messages...), c.Value.Echoes...)
			for _, h := range c.Value.History {
				for _, th := range h.Threads {
					all = append(all, th.Messages...)
				}
			}
		}
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
