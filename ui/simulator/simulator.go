// SPDX-License-Identifier: Apache-2.0

// Package simulator is the page of the simulated WhatsApp: the phones of the
// sample customers, and what can go wrong on the network between them and the
// business.
package simulator

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"kith/app/channel/simulator"
	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/render"
)

// Deps is what the page needs from outside.
type Deps struct {
	World *simulator.World
	// View makes the frame of a page with a title.
	View func(c echo.Context, title string) layout.View
	// Now is the clock that dates are told by; nil is time.Now.
	Now func() time.Time
}

// Path is where the page is.
const Path = "/simulator"

// PhonePath is where a customer's phone is.
func PhonePath(customer string) string { return Path + "/" + url.PathEscape(customer) }

func mediaPath(id string) string { return Path + "/media/" + url.PathEscape(id) }

// to is the path of an act on a phone.
func to(customer, act string) string { return PhonePath(customer) + "/" + act }

// site is the page with what it needs.
type site struct{ Deps }

// Register adds the routes below Path to a group that has no prefix of its own.
func Register(g *echo.Group, d Deps) {
	if d.Now == nil {
		d.Now = time.Now
	}
	s := site{d}
	g.GET(Path, s.list)
	g.GET(Path+"/media/:id", s.media)
	g.POST(Path+"/network", s.network)
	g.GET(Path+"/:customer", s.phone)
	g.GET(Path+"/:customer/network", s.panel)
	g.GET(Path+"/:customer/live", s.live)
	for act, h := range map[string]func(echo.Context, string) error{
		"say": s.say, "do": s.do, "tap": s.tap, "react": s.react, "revoke": s.revoke,
		"offline": s.offline, "forge": s.forge, "garble": s.garble,
	} {
		g.POST(Path+"/:customer/"+act, s.act(h))
	}
}

// list shows the customers; where there is room, the first one's phone beside them.
func (s site) list(c echo.Context) error {
	first := s.World.Customers()[0].ID
	return s.show(c, first, "list")
}

func (s site) phone(c echo.Context) error { return s.show(c, c.Param("customer"), "thread") }

func (s site) panel(c echo.Context) error { return s.show(c, c.Param("customer"), "contact") }

func (s site) show(c echo.Context, customer, pane string) error {
	p, err := s.prepare(c, customer)
	if err != nil {
		return err
	}
	p.view.Pane = pane
	p.compose(c.QueryParam("reply"), c.QueryParam("edit"))
	return render.Page(c, http.StatusOK, page(p))
}

func (s site) prepare(c echo.Context, customer string) (screen, error) {
	if _, ok := s.World.Customer(customer); !ok {
		return screen{}, echo.NewHTTPError(http.StatusNotFound)
	}
	v := s.View(c, "")
	v.Title = v.Locale.T("simulator.title")
	v.Live = to(customer, "live")
	return s.screen(v, customer), nil
}

// act wraps what a customer does: the parts of the page that changed on
// success, a sentence that says what to do on a refusal.
func (s site) act(do func(c echo.Context, customer string) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		customer := c.Param("customer")
		p, err := s.prepare(c, customer)
		if err != nil {
			return err
		}
		key := ""
		if err := do(c, customer); err != nil {
			if key = problem(err); key == "" {
				return err
			}
		}
		return s.answer(c, customer, p.view, key)
	}
}

func (s site) answer(c echo.Context, customer string, v layout.View, key string) error {
	if key == "" && !render.IsFragment(c) {
		return render.Redirect(c, PhonePath(customer))
	}
	p := s.screen(v, customer)
	if key == "" {
		return render.Fragment(c, http.StatusOK, parts(p)...)
	}
	if !render.IsFragment(c) {
		p.view.Pane = "thread"
		p.view.Flash = layout.Notice{Text: v.Locale.T(key), Kind: component.Danger}
		return render.Page(c, http.StatusUnprocessableEntity, page(p))
	}
	toast := component.Toast(component.ToastProps{L: v.Locale, Text: v.Locale.T(key), Kind: component.Danger})
	return render.Fragment(c, http.StatusUnprocessableEntity, render.Partial("#toasts", "beforeend", toast))
}

// problem is the key of the sentence for an error that a person can mend.
func problem(err error) string {
	for of, key := range map[error]string{
		simulator.ErrEmpty:     "simulator.error_empty",
		simulator.ErrTooLarge:  "simulator.error_too_large",
		simulator.ErrNoMessage: "simulator.error_no_message",
		simulator.ErrNotYours:  "simulator.error_not_yours",
		simulator.ErrNoChoice:  "simulator.error_no_choice",
		errUnknown:             "simulator.error_unknown",
	} {
		if errors.Is(err, of) {
			return key
		}
	}
	return ""
}

// parts are the pieces of the page that live updates replace.
func parts(p screen) []templ.Component {
	return []templ.Component{
		render.Partial("#sim-people", "outerMorph", people(p)),
		render.Partial("#sim-head", "outerMorph", head(p)),
		render.Partial("#sim-log", "outerMorph", log(p)),
		render.Partial("#sim-posts", "outerMorph", posts(p)),
		render.Partial("#sim-state", "outerMorph", state(p)),
	}
}
