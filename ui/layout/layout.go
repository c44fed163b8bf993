// SPDX-License-Identifier: Apache-2.0

// Package layout is the frame around every page: the document, the rail with
// the places of the product, the tab bar on a phone, and the corners where
// notices appear.
package layout

import (
	"strings"

	"github.com/a-h/templ"

	"kith/assets"
	"kith/ui/component"
	"kith/ui/locale"
	"kith/ui/render"
)

// ThemeCookie is the name of the cookie that keeps the theme.
const ThemeCookie = "theme"

// View is what the frame needs to know about a page and about who looks.
type View struct {
	// Title names the page in words; the product's name is added.
	Title  string
	Locale *locale.Locale
	// Theme is system, light or dark; ThemeOf reads it from the cookie.
	Theme string
	// Path is the path of this page.
	Path string
	Nav  []NavItem
	// Settings are the tabs above the pages of the settings; other pages do not draw them.
	Settings []component.Tab
	// Agent is who is signed in; the zero Agent shows no account.
	Agent Agent
	// Live is the path of the event stream; empty means none.
	Live string
	// Marks is the path that answers with the marks of the rail as they are now; empty leaves them as drawn.
	Marks string
	// Flash is shown as a toast.
	Flash Notice
	// Alert says, on every page, what keeps kith from working; the zero Notice shows nothing.
	Alert Notice
	// AlertPath leads to where something can be done about the alert; empty shows no link.
	AlertPath string
	// Pane names the pane that a phone shows: list, thread or contact. Pages
	// without panes leave it empty. In a thread the tab bar makes room.
	Pane string
}

// NavItem is a place in the rail and the tab bar.
type NavItem struct {
	Path, Icon string
	// Label is a key of the catalogue: "layout.inbox".
	Label string
	// Count shows a dot in the rail and is read aloud; 0 shows nothing. Counted says that it changes while the page is open.
	Count            int
	Counted, Current bool
	// Foot puts it at the lower end of the rail.
	Foot bool
}

// Agent is who is signed in.
type Agent struct {
	Name, Initials string
	Hue            int
	// Path leads to the account; SignOut is posted to.
	Path, SignOut string
}

// Notice is a sentence, already in the language of the page.
type Notice struct {
	Text string
	Kind component.Kind
}

// ThemeOf makes a theme of the value of ThemeCookie: light and dark are kept,
// everything else is system.
func ThemeOf(cookie string) string {
	switch cookie {
	case "light", "dark":
		return cookie
	}
	return "system"
}

func (v View) theme() string { return ThemeOf(v.Theme) }

func (v View) main() []NavItem { return v.items(false) }

func (v View) foot() []NavItem { return v.items(true) }

func (v View) items(foot bool) []NavItem {
	var items []NavItem
	for _, n := range v.Nav {
		if n.Foot == foot {
			items = append(items, n)
		}
	}
	return items
}

func (v View) toast() component.ToastProps {
	p := component.ToastProps{L: v.Locale, Text: v.Flash.Text, Kind: v.Flash.Kind, Seconds: 6}
	if p.Kind == component.Danger {
		p.Seconds = 0
	}
	return p
}

// Marks are the counted places of the rail and the tab bar, drawn anew for a page that is open.
func Marks(v View) []templ.Component {
	var parts []templ.Component
	for _, n := range v.Nav {
		if n.Counted {
			parts = append(parts,
				render.Partial("#"+n.id("rail"), "outerMorph", railItem(v, n)),
				render.Partial("#"+n.id("tab"), "outerMorph", tabItem(v, n)))
		}
	}
	return parts
}

// id is the id of the link to a place in the rail or the tab bar.
func (n NavItem) id(where string) string { return where + strings.ReplaceAll(n.Path, "/", "-") }

func (n NavItem) name(l *locale.Locale) string {
	if n.Count > 0 {
		return l.T("layout.unread_of", "label", l.T(n.Label), "count", n.Count)
	}
	return l.T(n.Label)
}

func current(on bool) string {
	if on {
		return "page"
	}
	return "false"
}

// places tells whether the page is neither the inbox nor one before sign-in: only the others load their sheet.
func (v View) places() bool { return len(v.Nav) > 0 && !strings.HasPrefix(v.Path, "/inbox") }

func asset(name string) string { return assets.URL(name) }

// htmxConfig is the configuration of htmx: which extension may run, when a
// request is given up, how soon a lost stream is tried again (so that a page is
// right within two seconds after the server came back), and that morphing
// leaves a playing voice message alone.
const htmxConfig = `{"extensions":"sse","defaultTimeout":20000,"sse":{"reconnectDelay":300,"reconnectMaxDelay":1000,"connectTimeout":5000},"includeIndicatorCSS":false,"morphSkip":"[hx-morph-skip],kith-voice"}`
