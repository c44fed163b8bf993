// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/channeltest"
	"kith/app/channel/whatsapp"
)

var update = flag.Bool("update", false, "write the golden files")

const appSecret = "an-app-secret-for-tests"

func settings() channel.Settings {
	return channel.Settings{
		whatsapp.SettingPhoneNumberID: "106540352242922", whatsapp.SettingWABA: "102290129340398",
		whatsapp.SettingAppSecret: appSecret, whatsapp.SettingAccessToken: "a-token-for-tests",
		whatsapp.SettingVerifyToken: "a-verify-token",
	}
}

func with(name, value string) channel.Settings {
	s := settings()
	s[name] = value
	return s
}

func sign(body []byte) http.Header {
	h := http.Header{}
	h.Set(whatsapp.SignatureHeader, whatsapp.Sign(appSecret, body))
	return h
}

// sharedFixtures is the folder of Meta's own examples, beside the checkout; they are not part of it.
const sharedFixtures = "../../../../shared/fixtures/whatsapp"

// load reads the fixtures of a folder; each must have a line in shown, and each line its fixture.
func load(tb testing.TB, folder string, shown map[string][]string) []channeltest.Fixture {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		tb.Fatal(err)
	}
	left := maps.Clone(shown)
	var out []channeltest.Fixture
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		if _, ok := shown[name]; !ok {
			tb.Errorf("%s: no line says how it is shown", name)
		}
		delete(left, name)
		out = append(out, channeltest.Fixture{Name: name, Body: body, Shown: shown[name]})
	}
	for name := range left {
		tb.Errorf("%s: the fixture is missing", name)
	}
	return out
}

func fixtures(tb testing.TB) []channeltest.Fixture {
	tb.Helper()
	out := load(tb, "testdata/own", shownOwn)
	if _, err := os.Stat(sharedFixtures); err == nil {
		out = append(out, load(tb, sharedFixtures, shownShared)...)
	}
	return out
}

func TestChannel(t *testing.T) {
	channeltest.Run(t, channeltest.Suite{
		Channel: whatsapp.New(), Settings: settings(), Sign: sign, Fixtures: fixtures(t),
		Forge: map[string]func(http.Header){
			"upper case": func(h http.Header) {
				h.Set(whatsapp.SignatureHeader, "sha256="+strings.ToUpper(strings.TrimPrefix(h.Get(whatsapp.SignatureHeader), "sha256=")))
			},
			"SHA-1": func(h http.Header) {
				h.Set("X-Hub-Signature", h.Get(whatsapp.SignatureHeader))
				h.Del(whatsapp.SignatureHeader)
			},
			"no prefix": func(h http.Header) {
				h.Set(whatsapp.SignatureHeader, strings.TrimPrefix(h.Get(whatsapp.SignatureHeader), "sha256="))
			},
			"two headers": func(h http.Header) { h.Add(whatsapp.SignatureHeader, h.Get(whatsapp.SignatureHeader)) },
			"cut":         func(h http.Header) { h.Set(whatsapp.SignatureHeader, h.Get(whatsapp.SignatureHeader)[:60]) },
			"not hex":     func(h http.Header) { h.Set(whatsapp.SignatureHeader, "sha256="+strings.Repeat("g", 64)) },
			"empty":       func(h http.Header) { h.Set(whatsapp.SignatureHeader, "") },
		},
		Query: url.Values{
			"hub.mode": {"subscribe"}, "hub.challenge": {"1158201444"}, "hub.verify_token": {"a-verify-token"},
		},
		Answer: "1158201444",
		Spoil: map[string]func(url.Values){
			"a wrong token": func(q url.Values) { q.Set("hub.verify_token", "a-verify-tokem") },
			"no token":      func(q url.Values) { q.Del("hub.verify_token") },
			"another mode":  func(q url.Values) { q.Set("hub.mode", "unsubscribe") },
			"mark-up":       func(q url.Values) { q.Set("hub.challenge", "<script>") },
			"no challenge":  func(q url.Values) { q.Del("hub.challenge") },
		},
		File: map[app.MessageType]string{
			app.TypeImage: "image/jpeg", app.TypeVideo: "video/mp4", app.TypeAudio: "audio/mpeg", app.TypeVoice: "audio/ogg; codecs=opus",
			app.TypeDocument: "application/pdf", app.TypeSticker: "image/webp",
		},
		Wrong: map[string]channel.Settings{
			"phone_number_id": with(whatsapp.SettingPhoneNumberID, "+62 811"),
			"waba_id":         with(whatsapp.SettingWABA, "../me"),
			"app_secret":      with(whatsapp.SettingAppSecret, "good-secret-1\nbad secret"),
			"access_token":    with(whatsapp.SettingAccessToken, "a token\r\nX-Header: 1"),
			"verify_token":    with(whatsapp.SettingVerifyToken, "two words"),
			"api_version":     with(whatsapp.SettingAPIVersion, "25"),
			"api_base":        with(whatsapp.SettingAPIBase, "graph.facebook.com"),
			"api_base1":       with(whatsapp.SettingAPIBase, "https://user:pass@graph.facebook.com"),
			"api_base2":       with(whatsapp.SettingAPIBase, "ftp://graph.facebook.com"),
		},
	})
}

// TestGolden compares everything that is read with testdata/golden; -update writes it.
func TestGolden(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.Name, func(t *testing.T) {
			in, err := whatsapp.New().Parse(f.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := readable(t, in)
			file := filepath.Join("testdata", "golden", f.Name+".golden")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("read differently (-want +got):\n%s", diff)
			}
		})
	}
}

// readable writes in as JSON without empty members, with hashes and raw parts as text.
func readable(t *testing.T, in app.Inbound) []byte {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	for i, n := range in.Notices {
		tree["Notices"].([]any)[i].(map[string]any)["Digest"] = hex.EncodeToString(n.Digest[:])
	}
	for i, u := range in.Unreadable {
		tree["Unreadable"].([]any)[i].(map[string]any)["Raw"] = string(u.Raw)
	}
	out, err := json.MarshalIndent(prune(tree), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = prune(e); e == nil {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" || v == "0001-01-01T00:00:00Z" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

func TestVerifyDuringRotation(t *testing.T) {
	body := []byte(`{"object":"whatsapp_business_account"}`)
	both := with(whatsapp.SettingAppSecret, "the-new-secret\r\n"+appSecret+"\n\n")
	if err := whatsapp.New().Verify(both, sign(body), body); err != nil {
		t.Errorf("the old secret beside the new one: %v", err)
	}
	if err := whatsapp.New().Check(both); err != nil {
		t.Errorf("two secrets: %v", err)
	}
	err := whatsapp.New().Verify(with(whatsapp.SettingAppSecret, "the-new-secret"), sign(body), body)
	if !errors.Is(err, channel.ErrSignature) {
		t.Errorf("the old secret after the change: got %v", err)
	}
	if err := whatsapp.New().Verify(with(whatsapp.SettingAppSecret, " \n"), sign(body), body); err == nil {
		t.Error("an empty secret verifies")
	}
}

// The vector was computed with openssl: echo -n '{"a":"\u00e4"}' | openssl dgst -sha256 -hmac 'app-secret-1'.
func TestVerifyVector(t *testing.T) {
	h := http.Header{}
	h.Set(whatsapp.SignatureHeader, "sha256=5aea691891550bcb052d9878ac644ad2e596b9b80e5691467a6bc21f60908f05")
	if err := whatsapp.New().Verify(with(whatsapp.SettingAppSecret, "app-secret-1"), h, []byte(`{"a":"\u00e4"}`)); err != nil {
		t.Error(err)
	}
}

func TestNumbersAndOnly(t *testing.T) {
	body, err := os.ReadFile("testdata/own/two_numbers.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"106540352242922", "106540352242999"}, whatsapp.Numbers(body)); diff != "" {
		t.Error(diff)
	}
	part, err := whatsapp.Only(body, "106540352242999")
	if err != nil {
		t.Fatal(err)
	}
	in, err := whatsapp.New().Parse(part)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Messages) != 1 || in.Messages[0].Content.Text != "to the second" || len(in.Notices) != 1 {
		t.Errorf("the part of the second number: got %v", channeltest.Shown(in))
	}
	if got := whatsapp.Numbers([]byte("rubbish")); got != nil {
		t.Errorf("numbers of rubbish: %v", got)
	}
	if _, err := whatsapp.Only([]byte("rubbish"), "1"); !errors.Is(err, channel.ErrBody) {
		t.Errorf("part of rubbish: %v", err)
	}
}

// TestDigest: a notice that comes twice is the same, one that differs in a letter is another.
func TestDigest(t *testing.T) {
	read := func(decision string) app.Notice {
		in, err := whatsapp.New().Parse([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` +
			`{"field":"account_review_update","value":{"decision":"` + decision + `"}}]}]}`))
		if err != nil || len(in.Notices) != 1 {
			t.Fatalf("got %v, %v", in, err)
		}
		return in.Notices[0]
	}
	first, again, other := read("APPROVED"), read("APPROVED"), read("REJECTED")
	if first.Digest != again.Digest {
		t.Error("the same notice has two digests")
	}
	if first.Digest == other.Digest {
		t.Error("two notices have one digest")
	}
}

func TestIdentities(t *testing.T) {
	kinds := func(contact, ids string) []string {
		t.Helper()
		in, err := whatsapp.New().Parse([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages",` +
			`"value":{"contacts":[` + contact + `],"messages":[{"id":"wamid.1","timestamp":"1","type":"text","text":{"body":"x"}` + ids + `}]}}]}]}`))
		if err != nil || len(in.Messages) != 1 {
			t.Fatalf("got %v, %v", channeltest.Shown(in), err)
		}
		var out []string
		for _, id := range in.Messages[0].Person.Identities {
			out = append(out, string(id.Kind)+"="+id.Value)
		}
		return out
	}
	for name, c := range map[string]struct {
		contact, ids string
		want         []string
	}{
		"everything": {
			`{"profile":{"name":"S","username":"@Sample.One"},"wa_id":"628110001","user_id":"ID.1","parent_user_id":"ID.ENT.2"}`,
			`,"from":"628110001","from_user_id":"ID.1"`,
			[]string{"bsuid=ID.1", "parent_bsuid=ID.ENT.2", "wa_id=628110001", "username=sample.one", "phone=+628110001"},
		},
		"only a user id":                {`{"user_id":"ID.1"}`, `,"from_user_id":"ID.1"`, []string{"bsuid=ID.1"}},
		"only a card":                   {`{"wa_id":"628110001"}`, ``, []string{"wa_id=628110001", "phone=+628110001"}},
		"no card":                       {``, `,"from":"628110001"`, []string{"wa_id=628110001", "phone=+628110001"}},
		"somebody else's card":          {`{"wa_id":"628119999","user_id":"ID.9"}`, `,"from":"628110001"`, []string{"wa_id=628110001", "phone=+628110001"}},
		"Mexico keeps a 1":              {``, `,"from":"5215512345678"`, []string{"wa_id=5215512345678"}},
		"Brazil without the ninth":      {``, `,"from":"551187654321"`, []string{"wa_id=551187654321"}},
		"Brazil, a land line":           {``, `,"from":"551132654321"`, []string{"wa_id=551132654321", "phone=+551132654321"}},
		"a user id where a phone stood": {``, `,"from":"ID.77"`, []string{"bsuid=ID.77"}},
	} {
		if diff := cmp.Diff(c.want, kinds(c.contact, c.ids)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestBodyTooLarge(t *testing.T) {
	_, err := whatsapp.New().Parse(slices.Repeat([]byte(" "), whatsapp.MaxBody+1))
	if !errors.Is(err, channel.ErrBody) {
		t.Errorf("got %v", err)
	}
}

// TestWords: every advice, system message and topic has its sentence in both languages.
func TestWords(t *testing.T) {
	for _, lang := range []string{"en", "id"} {
		for file, keys := range map[string][]string{"advice": whatsapp.AdviceKeys(), "channel": whatsapp.WordKeys()} {
			raw, err := os.ReadFile(filepath.Join("../../../ui/locale", lang, file+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var words map[string]string
			if err := json.Unmarshal(raw, &words); err != nil {
				t.Fatalf("%s/%s: %v", lang, file, err)
			}
			for _, k := range keys {
				if words[strings.TrimPrefix(k, file+".")] == "" {
					t.Errorf("%s/%s.json lacks %s", lang, file, k)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, x := range fixtures(f) {
		f.Add(x.Body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := whatsapp.New().Parse(body)
		if err != nil {
			if !errors.Is(err, channel.ErrBody) {
				t.Errorf("got %v, want ErrBody", err)
			}
			return
		}
		channeltest.Complete(t, in)
		whatsapp.Numbers(body)
	})
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"object":"whatsapp_business_account"}`), whatsapp.Sign(appSecret, []byte(`{}`)), appSecret)
	f.Add([]byte(`{}`), whatsapp.Sign(appSecret, []byte(`{}`)), appSecret)
	f.Add([]byte{}, "sha256=", "")
	f.Fuzz(func(t *testing.T, body []byte, signature, secret string) {
		h := http.Header{}
		h.Set(whatsapp.SignatureHeader, signature)
		err := whatsapp.New().Verify(with(whatsapp.SettingAppSecret, secret), h, body)
		if err == nil && !slices.ContainsFunc(strings.Split(secret, "\n"), func(line string) bool {
			return whatsapp.Sign(strings.TrimSpace(line), body) == signature
		}) {
			t.Error("a signature of nobody verifies")
		}
	})
}
