// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"strings"
	"testing"

	"github.com/a-h/templ"

	"kith/ui/component"
	"kith/ui/locale"
)

func html(t *testing.T, c templ.Component) string {
	t.Helper()
	var b strings.Builder
	if err := c.Render(templ.WithChildren(t.Context(), templ.Raw(`<main id="main">CHILD</main>`)), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func view() View {
	return View{
		Title: "Inbox <1>", Locale: locale.English(), Theme: "dark", Live: "/events", Pane: "thread",
		Agent: Agent{Name: "Rina", Initials: "R", SignOut: "/signout"},
		Nav: []NavItem{
			{Path: "/inbox", Icon: "inbox", Label: "layout.inbox", Count: 2, Current: true},
			{Path: "/settings", Icon: "settings", Label: "layout.settings", Foot: true},
		},
	}
}

func TestApp(t *testing.T) {
	out := html(t, App(view()))
	for _, want := range []string{
		"<!doctype html>", `lang="en"`, `dir="ltr"`, `data-theme="dark"`, "<title>Inbox &lt;1&gt; · kith</title>",
		`class="skip" href="#main"`, "CHILD", `aria-label="Inbox, 2 new"`, `aria-current="page"`, `hx-sse:connect="/events"`,
		`id="toasts"`, `id="announce"`, "data-theme-toggle", `action="/signout"`, `class="app" data-pane="thread"`, "<kith-connection",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s", want)
		}
	}
	if n := strings.Count(out, `rel="preload"`); n != 1 {
		t.Errorf("%d preloads, want one font only", n)
	}
}

func TestBareHasNoProductAround(t *testing.T) {
	v := view()
	v.Flash = Notice{Text: "Signed out.", Kind: component.OK}
	out := html(t, Bare(v))
	for _, unwanted := range []string{`class="rail"`, `class="tabbar"`, "hx-sse"} {
		if strings.Contains(out, unwanted) {
			t.Errorf("found %s", unwanted)
		}
	}
	for _, want := range []string{"CHILD", "Signed out.", "<kith-toast", `data-seconds="6"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestADangerStays(t *testing.T) {
	v := view()
	v.Flash = Notice{Text: "Not saved.", Kind: component.Danger}
	if out := html(t, Bare(v)); !strings.Contains(out, `data-seconds="0"`) {
		t.Error("a toast about a failure went away by itself")
	}
}

func TestThemeOf(t *testing.T) {
	for cookie, want := range map[string]string{"": "system", "light": "light", "dark": "dark", `"><script>`: "system"} {
		if got := ThemeOf(cookie); got != want {
			t.Errorf("ThemeOf(%q) = %q, want %q", cookie, got, want)
		}
	}
}

func TestDirection(t *testing.T) {
	v := view()
	v.Locale = locale.PseudoRTL()
	if out := html(t, App(v)); !strings.Contains(out, `dir="rtl"`) {
		t.Error("the document does not run from right to left")
	}
}

// TestMarks: an open page draws the counted places anew where they stand, in the rail and in the tab bar.
func TestMarks(t *testing.T) {
	v := view()
	v.Nav[0].Counted = true
	var out strings.Builder
	for _, part := range Marks(v) {
		out.WriteString(html(t, part))
	}
	page := html(t, App(v))
	for _, id := range []string{"rail-inbox", "tab-inbox"} {
		if !strings.Contains(page, `id="`+id+`"`) || !strings.Contains(out.String(), `hx-target="#`+id+`"`) {
			t.Errorf("%s is not drawn anew", id)
		}
	}
	if strings.Contains(out.String(), "settings") || strings.Count(out.String(), `class="dot"`) != 2 {
		t.Errorf("drew %s", out.String())
	}
}

func TestAnAlertStandsOnThePage(t *testing.T) {
	v := view()
	if out := html(t, App(v)); strings.Contains(out, `class="alert"`) {
		t.Error("an alert without a cause")
	}
	v.Alert = Notice{Text: v.Locale.T("layout.disk_full"), Kind: component.Danger}
	if out := html(t, App(v)); !strings.Contains(out, `class="alert"`) || !strings.Contains(out, "The disk of this server is full") {
		t.Error("no alert")
	}
}
