// SPDX-License-Identifier: Apache-2.0

package component

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"kith/ui/locale"
)

func html(t *testing.T, c templ.Component) string {
	t.Helper()
	var b strings.Builder
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{
		"Sari Wulandari": "SW", "sari": "S", "Warung Kopi Senja": "WS", "Élodie-Marie": "ÉM",
		"": "#", "+62 812": "#", "شكرا جزيلا": "شج", "😀": "😀", "  a  ": "A", "(Sari) 42": "S", "Dewi (sample)": "D", "Budi Santoso (shop)": "BS",
	} {
		if got := Initials(name); got != want {
			t.Errorf("Initials(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestHueOfIsStableAndInRange(t *testing.T) {
	seen := map[int]bool{}
	for id := range strings.SplitSeq("abcdefghijklmnopqrstuvwxyz0123456789", "") {
		hue := HueOf(id)
		if hue != HueOf(id) || hue < 0 || hue >= Hues {
			t.Errorf("hue of %q is %d", id, hue)
		}
		seen[hue] = true
	}
	if len(seen) < Hues/2 {
		t.Errorf("only %d hues in use", len(seen))
	}
	if hueClass(-1) != "hue-0" || hueClass(99) != "hue-0" {
		t.Error("a hue out of range has no class")
	}
}

// TestForeignTextCannotRun puts what a stranger may send into every place.
func TestForeignTextCannotRun(t *testing.T) {
	l, evil := locale.English(), `"><script>alert(1)</script>`
	for name, c := range map[string]templ.Component{
		"text":     TextBody(evil),
		"image":    ImageBody(MediaProps{L: l, Src: "/m/1", Alt: evil, Caption: evil}),
		"document": DocumentBody(MediaProps{L: l, Src: "/m/1", Name: evil, Detail: evil}),
		"contacts": ContactsBody(l, []Card{{Name: evil, Org: evil, Lines: []CardLine{{Icon: evil, Value: evil}}}}),
		"row":      Row(RowProps{L: l, Name: evil, Snippet: evil, Href: "/", Channel: evil}),
		"toast":    Toast(ToastProps{L: l, Text: evil, UndoPath: evil}),
	} {
		if out := html(t, c); strings.Contains(out, "<script") {
			t.Errorf("%s: %s", name, out)
		}
	}
	for _, href := range []string{"javascript:alert(1)", "data:text/html,x", " JaVaScRiPt:x"} {
		out := html(t, LocationBody(LocationProps{L: l, Href: href}))
		if regexp.MustCompile(`(?i)href="\s*(javascript|data):`).MatchString(out) {
			t.Errorf("%s: %s", href, out)
		}
	}
}

func TestFieldTellsItsError(t *testing.T) {
	out := html(t, Field(FieldProps{Name: "mail", Label: "L", Hint: "hint", Error: "fault"}))
	for _, want := range []string{`for="f-mail"`, `id="f-mail"`, `aria-invalid="true"`, `aria-describedby="f-mail-help"`, `id="f-mail-help"`, "fault"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	if strings.Contains(out, "hint") {
		t.Error("an error hides the hint")
	}
}

func TestTicksSayTheStatus(t *testing.T) {
	l := locale.English()
	for _, s := range []Status{Queued, Sent, Delivered, Read, Failed, Unknown} {
		word := l.T("component.status_" + string(s))
		if out := html(t, Ticks(l, s)); !l.Has("component.status_"+string(s)) || !strings.Contains(out, `<span class="sr">`+word) {
			t.Errorf("%s: %s", s, out)
		}
	}
	if out := html(t, Ticks(l, "")); out != "" {
		t.Errorf("an incoming message has no ticks: %s", out)
	}
}

func TestWindow(t *testing.T) {
	l := locale.English()
	for _, c := range []struct {
		left            time.Duration
		text, arc       string
		soon            bool
		secondsInTheDOM string
	}{
		{23*time.Hour + 5*time.Minute, "23 h 5 min left", "96 100", false, "83100"},
		{47*time.Minute - time.Second, "47 min left", "3 100", true, "2819"},
		{-time.Hour, "0 min left", "2 100", true, "0"},
	} {
		w := Window{L: l, Left: c.left, Total: 24 * time.Hour}
		out := html(t, WindowCountdown(w))
		if w.text() != c.text || w.arc() != c.arc || strings.Contains(out, "win soon") != c.soon || !strings.Contains(out, `data-seconds="`+c.secondsInTheDOM+`"`) {
			t.Errorf("%v: %q %q %s", c.left, w.text(), w.arc(), out)
		}
	}
	if (Window{}).arc() != "0 100" {
		t.Error("a window without a length has no arc")
	}
}

func TestComposerKeepsWhatIsNeeded(t *testing.T) {
	l := locale.English()
	out := html(t, Composer(ComposerProps{L: l, Action: "/c/1/reply", Name: "Sari", Channel: "WhatsApp", Draft: "<draft>", Reply: &Quote{Name: "Sari"}, ReplyID: "9", Accept: "image/*", Refresh: "/c/1/composer"}))
	for _, want := range []string{`enctype="multipart/form-data"`, `action="/c/1/reply"`, "&lt;draft&gt;</textarea>", `name="reply_to" value="9"`, `name="files"`, `hx-trigger="window-closed"`, `name="note"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	closed := html(t, ComposerClosed(ClosedProps{L: l, Templates: []TemplateChoice{{ID: "a"}, {ID: "b"}}, Chosen: "b"}))
	if !strings.Contains(closed, `value="b" checked`) || strings.Contains(closed, `value="a" checked`) {
		t.Errorf("the chosen template is not picked: %s", closed)
	}
}

func TestPercent(t *testing.T) {
	for _, c := range [][3]int{{0, 10, 0}, {-1, 10, 0}, {3, 10, 30}, {11, 10, 100}, {399, 400, 99}} {
		if got := percent(c[0], c[1]); got != c[2] {
			t.Errorf("percent(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
