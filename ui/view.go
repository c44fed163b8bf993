// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a machine without time zone files shows the right hour too

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/account"
	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/locale"
	"kith/ui/people"
	"kith/ui/render"
)

// place is a page that the rail leads to.
type place struct {
	path, icon, label string
	may               app.Permission
	foot              bool
	simulator         bool     // only while the simulator runs
	also              []string // the beginnings of other paths that belong to it
}

// places are the entries of the rail and the tab bar, in order.
var places = []place{
	{path: "/inbox", icon: "inbox", label: "layout.inbox", may: app.MayRead},
	{path: "/channels", icon: "plug", label: "channels.nav", may: app.MaySeeChannels},
	{path: "/simulator", icon: "flask-conical", label: "layout.simulator", may: app.MayConverse, simulator: true},
	{path: "/preferences", icon: "settings", label: "layout.settings", may: app.MayOwnAccount, foot: true, also: []string{"/account", "/settings"}},
}

// settings are the tabs above the pages of the settings, in order.
var settings = []place{
	{path: account.Path, label: "account.tab_browser", may: app.MayOwnAccount},
	{path: account.OwnPath, label: "account.tab_own", may: app.MayOwnAccount},
	{path: people.Path, label: "people.tab", may: app.MayAgents},
}

// tabs returns the tabs of the settings for a page at.
func (s *site) tabs(l *locale.Locale, at string, a app.Actor) []component.Tab {
	var out []component.Tab
	for _, p := range settings {
		if a.May(p.may) {
			out = append(out, component.Tab{Label: l.T(p.label), Href: p.path, Current: p.holds(at)})
		}
	}
	return out
}

// holds reports whether a page at the path belongs to the place.
func (p *place) holds(at string) bool {
	return strings.HasPrefix(at, p.path) ||
		slices.ContainsFunc(p.also, func(prefix string) bool { return strings.HasPrefix(at, prefix) })
}

// view makes the frame of a page. It reads the newest event first: what happens while the page is made is told again by
// the stream.
func (s *site) view(c echo.Context, a app.Actor, title string) (layout.View, error) {
	ctx := c.Request().Context()
	v := s.bare(c, "")
	v.Title = title
	if s.Desk.Full() {
		v.Alert = layout.Notice{Text: v.Locale.T("layout.disk_full"), Kind: component.Danger}
	}
	seq, err := s.Desk.LastEvent(ctx)
	if err != nil {
		return v, err
	}
	if a.May(app.MayRead) || a.May(app.MaySeeChannels) {
		v.Live = "/live?after=" + strconv.FormatUint(seq, 10)
	}
	counts, err := s.counts(ctx, a)
	if err != nil {
		return v, err
	}
	if id := a.Agent(); id != 0 {
		me, err := s.Desk.Agent(ctx, id)
		if err != nil {
			return v, err
		}
		v.Agent = layout.Agent{
			Name: me.Name, Initials: component.Initials(me.Name), Hue: component.HueOf(strconv.FormatUint(a.ID, 10)),
			Path: account.OwnPath, SignOut: "/sign-out",
		}
		if err := s.alert(c, &v, me); err != nil {
			return v, err
		}
	}
	v.Settings = s.tabs(v.Locale, v.Path, a)
	v.Nav = s.nav(v.Path, a, counts)
	v.Marks = "/marks?at=" + url.QueryEscape(v.Path)
	return v, nil
}

// alert says on every page what a person should know about their account, unless something graver is said already. That
// a second factor is missing is not said where people work.
func (s *site) alert(c echo.Context, v *layout.View, me *app.Agent) error {
	ctx := c.Request().Context()
	if v.Alert.Text != "" || strings.HasPrefix(v.Path, account.OwnPath) {
		return nil
	}
	news, err := s.Auth.News(ctx, me.ID)
	if err != nil {
		return err
	}
	if len(news) > 0 {
		v.Alert = layout.Notice{Text: account.Headline(v.Locale, &news[0]), Kind: component.Warn}
		v.AlertPath = account.OwnPath
		return nil
	}
	if strings.HasPrefix(v.Path, "/inbox") || strings.HasPrefix(v.Path, "/simulator") {
		return nil
	}
	f, err := s.Auth.Factors(ctx, me)
	if err == nil && f.Reminded {
		v.Alert = layout.Notice{Text: v.Locale.T("account.second_reminder"), Kind: component.Warn}
		v.AlertPath = account.OwnPath
	}
	return err
}

// marks answers with the counted places of the rail, for the page at ?at=.
func (s *site) marks(c echo.Context, a app.Actor) error {
	counts, err := s.counts(c.Request().Context(), a)
	if err != nil {
		return err
	}
	v := layout.View{Locale: s.locale(c), Nav: s.nav(c.QueryParam("at"), a, counts)}
	return render.Fragment(c, http.StatusOK, layout.Marks(v)...)
}

// counts are the numbers of the rail; who reads no conversations has none.
func (s *site) counts(ctx context.Context, a app.Actor) (app.Counts, error) {
	if !a.May(app.MayRead) {
		return app.Counts{}, nil
	}
	return s.Desk.Counts(ctx, a)
}

func (s *site) nav(at string, a app.Actor, counts app.Counts) []layout.NavItem {
	var items []layout.NavItem
	for _, p := range places {
		if !a.May(p.may) || (p.simulator && s.Simulator == nil) {
			continue
		}
		item := layout.NavItem{
			Path: p.path, Icon: p.icon, Label: p.label, Foot: p.foot,
			Current: p.holds(at),
		}
		if p.path == "/inbox" {
			item.Count, item.Counted = counts.Unread, true
		}
		items = append(items, item)
	}
	return items
}

// viewOfGroup is view for pages whose handlers take no actor. A fault leaves the rail empty rather than the page.
func (s *site) viewOfGroup(c echo.Context, title string) layout.View {
	a, _ := c.Get(actorKey).(app.Actor) //nolint:errcheck // the zero Actor may nothing
	v, err := s.view(c, a, title)
	if err != nil {
		s.Log.Warn("making the frame of a page", "error", err)
	}
	return v
}

// bare makes the frame for somebody who is not known; title is a key of the catalogues.
func (s *site) bare(c echo.Context, title string) layout.View {
	l := s.locale(c)
	v := layout.View{Locale: l, Theme: s.theme(c), Path: c.Request().URL.Path}
	if title != "" {
		v.Title = l.T(title)
	}
	if f := render.TakeFlash(c); f.Key != "" && l.Has(f.Key) {
		v.Flash = layout.Notice{Text: l.T(f.Key), Kind: component.Kind(f.Kind)}
	}
	return v
}

func (s *site) theme(c echo.Context) string {
	cookie, err := c.Cookie(layout.ThemeCookie)
	if err != nil {
		return layout.ThemeOf("")
	}
	return layout.ThemeOf(cookie.Value)
}

// locale is the language that the cookie or the browser asks for, in the installation's time zone.
func (s *site) locale(c echo.Context) *locale.Locale {
	chosen := ""
	if cookie, err := c.Cookie(locale.Cookie); err == nil {
		chosen = cookie.Value
	}
	l := locale.Match(c.Request().Header.Get("Accept-Language"), chosen)
	if cookie, err := c.Cookie(locale.ZoneCookie); err == nil && cookie.Value != "" {
		return l.In(s.zones.load(cookie.Value)) // what the person chose
	}
	settings, err := s.Desk.Settings(c.Request().Context())
	if err != nil || settings.TimeZone == "" {
		return l // times are in UTC until somebody says otherwise
	}
	return l.In(s.zones.load(settings.TimeZone))
}

// zones keeps time zones, which are read from files or from the program itself.
type zones struct{ loaded sync.Map }

func (z *zones) load(name string) *time.Location {
	if loc, ok := z.loaded.Load(name); ok {
		return loc.(*time.Location) //nolint:errcheck // nothing else is stored
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC // and nothing is kept: browsers may send what they like
	}
	z.loaded.Store(name, loc)
	return loc
}
