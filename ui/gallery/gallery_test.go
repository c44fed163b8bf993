// SPDX-License-Identifier: Apache-2.0

package gallery

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/assets"
	"kith/ui/locale"
	"kith/ui/render"
)

var update = flag.Bool("update", false, "rewrite testdata")

var hashed = regexp.MustCompile(`/assets/([a-z-]+)\.[0-9A-Za-z]+\.([a-z0-9]+)`)

func draw(t *testing.T, l *locale.Locale) string {
	t.Helper()
	html, err := render.String(t.Context(), Page(l))
	if err != nil {
		t.Fatal(err)
	}
	return html
}

// TestGolden compares the page with the one that was looked at. The names of
// assets lose their hash, one tag stands on a line.
func TestGolden(t *testing.T) {
	for _, l := range locale.All() {
		got := hashed.ReplaceAllString(draw(t, l), "/assets/$1.$2")
		got = strings.ReplaceAll(got, "><", ">\n<") + "\n"
		file := filepath.Join("testdata", l.Tag+".html")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s changed; look at it, then run with -update\n%s", file, d)
		}
	}
}

// TestEveryWordIsFromTheCatalogue draws the page in the pseudo language: what
// is not in brackets was written into the source.
func TestEveryWordIsFromTheCatalogue(t *testing.T) {
	if found := locale.HardCoded(draw(t, locale.Pseudo()), "R", "RT"); len(found) > 0 {
		t.Errorf("text that is not from the catalogue: %q", found)
	}
}

// TestNoMissingKeys looks for keys that came back as themselves.
func TestNoMissingKeys(t *testing.T) {
	key := regexp.MustCompile(`\b(component|layout|gallery|time)\.[a-z_]+\b`)
	for _, l := range locale.All() {
		if found := key.FindAllString(draw(t, l), -1); len(found) > 0 {
			t.Errorf("%s: keys without a text: %q", l.Tag, found)
		}
	}
}

// TestPolicyHolds looks for what the content security policy would block.
func TestPolicyHolds(t *testing.T) {
	html := draw(t, locale.English())
	for _, forbidden := range []string{`\sstyle=`, `\son[a-z]+=`, `<style`, `<script>`, `javascript:`, `\shx-on`, `="https?://[^"]*\.(js|css|woff2)"`} {
		if found := regexp.MustCompile(forbidden).FindString(html); found != "" {
			t.Errorf("the policy forbids %q", found)
		}
	}
}

// TestIDsAreUnique finds two components that would fight for a label. The
// composer is on the page several times, which a real page never does.
func TestIDsAreUnique(t *testing.T) {
	seen := map[string]bool{"reply": false, "composer": false}
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(draw(t, locale.English()), -1) {
		if seen[m[1]] && m[1] != "reply" && m[1] != "composer" {
			t.Errorf("two elements have the id %q", m[1])
		}
		seen[m[1]] = true
	}
}

// TestEveryIconExists finds icons that were never drawn.
func TestEveryIconExists(t *testing.T) {
	if strings.Contains(draw(t, locale.English()), `aria-hidden="true"></svg>`) {
		t.Error("an icon has no drawing: add its svg to packaging/tools/icons/svg and generate")
	}
}

func TestAssetsOfThePageExist(t *testing.T) {
	if html := draw(t, locale.English()); strings.Contains(html, assets.Prefix+"missing/") {
		t.Error("the page names an asset that is not bundled")
	}
}

func BenchmarkPage(b *testing.B) {
	l := locale.English()
	for b.Loop() {
		if _, err := render.String(b.Context(), Page(l)); err != nil {
			b.Fatal(err)
		}
	}
}
