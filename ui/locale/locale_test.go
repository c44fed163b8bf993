// SPDX-License-Identifier: Apache-2.0

package locale

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/feature/plural"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct{ accept, cookie, want string }{
		{"", "", "en"},
		{"id-ID,id;q=0.9,en;q=0.8", "", "id"},
		{"de-DE,de;q=0.9", "", "en"},
		{"en-GB", "id", "id"},
		{"id", "nonsense", "id"},
		{";;;q=", "", "en"},
		{"", "en-XA", "en-XA"},
		{"", "ar-XB", "ar-XB"},
	} {
		if got := Match(c.accept, c.cookie).Tag; got != c.want {
			t.Errorf("Match(%q, %q) = %s, want %s", c.accept, c.cookie, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	l := English()
	for _, c := range []struct {
		got, want string
	}{
		{l.T("time.minutes_ago", "count", 1), "1 minute ago"},
		{l.T("time.minutes_ago", "count", 1200), "1,200 minutes ago"},
		{l.T("component.reply_to", "name", "X"), "Reply to X"},
		{l.T("component.reply_to"), "Reply to {name}"},
		{l.T("nothing.here"), "nothing.here"},
		{Match("id", "").T("time.minutes_ago", "count", 1), "1 menit lalu"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	jakarta := time.FixedZone("WIB", 7*3600)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, jakarta)
	en, id := English().In(jakarta), Match("id", "").In(jakarta)
	late := time.Date(2026, 11, 19, 17, 30, 0, 0, time.UTC) // 00:30 on the 20th in Jakarta
	for _, c := range []struct {
		name, got, want string
	}{
		{"zone moves the day", en.Stamp(late, now), "00:30"},
		{"clock sign", id.Time(late), "00.30"},
		{"today", en.Day(late, now), "Today"},
		{"yesterday", en.Stamp(now.AddDate(0, 0, -1), now), "Yesterday"},
		{"weekday", id.Stamp(now.AddDate(0, 0, -3), now), "Sel"},
		{"a week", en.Stamp(now.AddDate(0, 0, -7), now), "13 Nov"},
		{"other year", en.Stamp(now.AddDate(-1, 0, 0), now), "20 Nov 2025"},
		{"tomorrow is dated", en.Stamp(now.AddDate(0, 0, 1), now), "21 Nov"},
		{"day", id.Day(now.AddDate(0, 0, -2), now), "Rabu, 18 November"},
		{"day with year", en.Day(now.AddDate(-1, 0, 0), now), "Thursday, 20 November 2025"},
		{"date and time", en.DateTime(now), "20 November 2026, 10:00"},
		{"future is now", en.Ago(now.Add(time.Hour), now), "just now"},
		{"hours", en.Ago(now.Add(-90*time.Minute), now), "1 hour ago"},
		{"days", en.Ago(now.AddDate(0, 0, -3), now), "3 days ago"},
		{"left rounds up", en.Left(46*time.Minute + time.Second), "47 min"},
		{"left hours", id.Left(23*time.Hour + 5*time.Minute), "23 jam 5 mnt"},
		{"left nothing", en.Left(-time.Second), "0 min"},
		{"length", en.Length(24 * time.Second), "0:24"},
		{"long length", en.Length(time.Hour + 5*time.Second), "1:00:05"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	en, id := English(), Match("id", "")
	for _, c := range []struct{ got, want string }{
		{en.Number(0), "0"},
		{en.Number(-1234567), "-1,234,567"},
		{id.Number(46000), "46.000"},
		{id.Decimal(-1234.5, 2), "-1.234,50"},
		{en.Bytes(999), "999 B"},
		{en.Bytes(1_234_567), "1.2 MB"},
		{id.Bytes(1_234_567), "1,2 MB"},
		{en.Bytes(118_000_000), "118 MB"},
		{en.Bytes(999_600), "1.0 MB"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestPseudo(t *testing.T) {
	got := Pseudo().T("component.reply_to", "name", "Sari")
	if !strings.HasPrefix(got, "⟦Réplý tó Sari") || !strings.HasSuffix(got, "·⟧") {
		t.Errorf("pseudo text %q", got)
	}
	if PseudoRTL().Dir != "rtl" || English().Dir != "ltr" {
		t.Error("only the right-to-left language runs from right to left")
	}
}

// TestCatalogues holds every language to the first: same keys, same
// placeholders, nothing empty.
func TestCatalogues(t *testing.T) {
	en := English()
	for _, l := range All() {
		for _, fault := range compare(en.words, l.words) {
			t.Errorf("%s: %s", l.Tag, fault)
		}
	}
}

func TestCompareFindsFaults(t *testing.T) {
	fsys := fstest.MapFS{
		"aa/x.json": {Data: []byte(`{"both": "a {n}", "gone": "b", "empty": "c"}`)},
		"bb/x.json": {Data: []byte(`{"both": "a {m}", "extra": "b", "empty": " "}`)},
	}
	a, err := load(fsys, "aa")
	if err != nil {
		t.Fatal(err)
	}
	b, err := load(fsys, "bb")
	if err != nil {
		t.Fatal(err)
	}
	if got := compare(a, b); len(got) != 4 {
		t.Errorf("want four faults, got %q", got)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"syntax": `{`, "type": `{"a": 1}`, "form": `{"a": {"single": "x", "other": "y"}}`, "no other": `{"a": {"one": "x"}}`,
	} {
		if _, err := load(fstest.MapFS{"en/x.json": {Data: []byte(raw)}}, "en"); err == nil {
			t.Errorf("%s: loaded %s", name, raw)
		}
	}
}

func compare(want, got map[string]message) []string {
	var faults []string
	for key, m := range want {
		other, ok := got[key]
		if !ok {
			faults = append(faults, "missing "+key)
			continue
		}
		if d := cmp.Diff(placeholders(m), placeholders(other)); d != "" {
			faults = append(faults, "placeholders of "+key+" differ: "+d)
		}
	}
	for key, m := range got {
		if _, ok := want[key]; !ok {
			faults = append(faults, "unknown "+key)
		}
		for form, parts := range m {
			if len(parts) == 0 || (len(parts) == 1 && parts[0].arg == "" && strings.TrimSpace(parts[0].text) == "") {
				faults = append(faults, "empty "+key+" "+strconv.Itoa(int(form)))
			}
		}
	}
	return faults
}

func placeholders(m message) []string {
	var names []string
	for _, p := range m[plural.Other] {
		if p.arg != "" && !slices.Contains(names, p.arg) {
			names = append(names, p.arg)
		}
	}
	slices.Sort(names)
	return names
}

// TestKeysUsedExist reads the source of the interface and looks up every key
// that is written out in a call of T.
func TestKeysUsedExist(t *testing.T) {
	en := English()
	used := keysUsed(t, os.DirFS(".."))
	if len(used) < 40 {
		t.Fatalf("found only %d keys: the search is broken", len(used))
	}
	for key, where := range used {
		if !en.Has(key) {
			t.Errorf("%s: no text for %q", where, key)
		}
	}
}

func TestKeysUsedFindsCalls(t *testing.T) {
	fsys := fstest.MapFS{"a.go": {Data: []byte(`package a
func f(l L) { l.T("planted.key"); l.T("dynamic." + x); T("other.func") }`)}}
	if d := cmp.Diff(map[string]string{"planted.key": "a.go"}, keysUsed(t, fsys)); d != "" {
		t.Error(d)
	}
}

func keysUsed(t *testing.T, fsys fs.FS) map[string]string {
	t.Helper()
	used := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, raw, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if key, ok := keyOf(n); ok {
				used[key] = name
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// keyOf returns the key of a call x.T("area.key", ...).
func keyOf(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	lit, isLit := call.Args[0].(*ast.BasicLit)
	if !ok || !isLit || sel.Sel.Name != "T" || lit.Kind != token.STRING {
		return "", false
	}
	key, err := strconv.Unquote(lit.Value)
	return key, err == nil && strings.Contains(key, ".")
}

func TestHardCodedFinds(t *testing.T) {
	for html, want := range map[string]int{
		`<p>⟦Sénd⟧</p>`: 0, `<p>Send</p>`: 1, `<p>⟦Sénd⟧ now</p>`: 1, `<p title="Close">12</p>`: 1,
		`<input placeholder="⟦Séárçh⟧">`: 0, `<p>10:42 · 3</p>`: 0, `<p>⟦Tó ⟦Sárí⟧·⟧</p>`: 0, `<svg><path d="M1 2z"/></svg>`: 0,
	} {
		if got := HardCoded(html); len(got) != want {
			t.Errorf("%s: found %q, want %d", html, got, want)
		}
	}
	if got := HardCoded(`<p>Sari wrote</p>`, "Sari"); len(got) != 1 || got[0] != "wrote" {
		t.Errorf("an allowed word came back: %q", got)
	}
}

// FuzzMatch sends what browsers and strangers may send: any header and any
// cookie give a language that has words.
func FuzzMatch(f *testing.F) {
	f.Add("id-ID,id;q=0.9,en;q=0.8", "")
	f.Add("*;q=0.1, zh-Hant-TW", "ID")
	f.Add("x-y-z-\xff", "en-XA")
	f.Fuzz(func(t *testing.T, header, cookie string) {
		if l := Match(header, cookie); l == nil || !l.Has("component.send") {
			t.Errorf("Match(%q, %q) has no words", header, cookie)
		}
	})
}
