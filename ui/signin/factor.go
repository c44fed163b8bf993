// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
	"rsc.io/qr"

	"kith/app"
	"kith/app/auth"
	"kith/ui/layout"
	"kith/ui/render"
)

// Where a second factor is proved and set up, and where people prove anew who they are.
const (
	SecondPath = "/sign-in/second"
	SetUpPath  = "/sign-in/set-up"
	ProvePath  = "/prove"
)

// step is what the pages of the second factor show.
type step struct {
	frame  layout.View
	next   string
	fault  string
	who    string
	secret string // in groups, to be typed
	square square
	forced bool // the role has to have a second factor
	codes  []string
}

// holder returns who holds the session of the browser; ok is false when nobody does, and the answer was given.
func (p *pages) holder(c echo.Context) (who *app.Agent, s *auth.Session, ok bool, err error) {
	who, s, err = p.Auth.Holder(c.Request().Context(), p.token(c))
	if errors.Is(err, auth.ErrUnauthenticated) {
		return nil, nil, false, c.Redirect(http.StatusSeeOther, Path)
	}
	return who, s, err == nil, err
}

// draw answers with a page of a step.
func (p *pages) draw(c echo.Context, status int, title string, st step, page func(step) templ.Component) error {
	st.frame = p.Frame(c, title)
	return render.Page(c, status, page(st))
}

func (p *pages) secondForm(c echo.Context) error {
	_, s, ok, err := p.holder(c)
	if !ok || err != nil {
		return err
	}
	if s.Stage != auth.NeedsFactor {
		return c.Redirect(http.StatusSeeOther, onward(s, c.QueryParam("next")))
	}
	return p.draw(c, http.StatusOK, "signin.second_title", step{next: c.QueryParam("next")}, secondPage)
}

func (p *pages) second(c echo.Context) error {
	who, s, ok, err := p.holder(c)
	if !ok || err != nil {
		return err
	}
	st := step{next: c.FormValue("next")}
	if s.Stage != auth.NeedsFactor {
		return c.Redirect(http.StatusSeeOther, onward(s, st.next))
	}
	token, err := p.Auth.Complete(c.Request().Context(), p.token(c), c.FormValue("code"), p.visitor(c))
	if err != nil {
		return p.refuse(c, err, func(status int, text, _ string) error {
			st.fault = text
			return p.draw(c, status, "signin.second_title", st, secondPage)
		})
	}
	p.setCookie(c, token)
	p.remember(c, who)
	return c.Redirect(http.StatusSeeOther, Next(st.next))
}

// setUpForm shows what an authenticator app has to be told. Somebody who is signed in proves first who they are.
func (p *pages) setUpForm(c echo.Context) error {
	_, s, ok, err := p.holder(c)
	if !ok || err != nil {
		return err
	}
	return p.showSetUp(c, s, http.StatusOK, step{next: c.QueryParam("next")})
}

func (p *pages) showSetUp(c echo.Context, s *auth.Session, status int, st step) error {
	if s.Stage == auth.NeedsFactor {
		return c.Redirect(http.StatusSeeOther, onward(s, st.next))
	}
	if !p.Auth.Fresh(s) {
		return c.Redirect(http.StatusSeeOther, ProvePath+"?next="+url.QueryEscape(SetUpPath+"?next="+url.QueryEscape(Next(st.next))))
	}
	n, err := p.Auth.BeginTOTP(c.Request().Context(), p.token(c))
	if err != nil {
		return err
	}
	if st.square, err = squareOf(n.URI); err != nil {
		return err
	}
	st.secret, st.forced = inGroups(n.Secret), s.Stage == auth.MustEnrol
	return p.draw(c, status, "signin.setup_title", st, setUpPage)
}

func (p *pages) setUp(c echo.Context) error {
	who, s, ok, err := p.holder(c)
	if !ok || err != nil {
		return err
	}
	st := step{next: Next(c.FormValue("next")), who: who.Email}
	if s.Stage == auth.NeedsFactor || !p.Auth.Fresh(s) {
		return p.showSetUp(c, s, http.StatusOK, st)
	}
	token, codes, err := p.Auth.ConfirmTOTP(c.Request().Context(), p.token(c), c.FormValue("code"), p.visitor(c))
	if err != nil {
		return p.refuse(c, err, func(status int, text, _ string) error {
			st.fault = text
			return p.showSetUp(c, s, status, st)
		})
	}
	p.setCookie(c, token)
	p.remember(c, who)
	st.codes = codes
	return p.draw(c, http.StatusOK, "signin.codes_title", st, codesPage)
}

func (p *pages) proveForm(c echo.Context) error {
	return p.showProve(c, http.StatusOK, step{next: c.QueryParam("next")})
}

func (p *pages) showProve(c echo.Context, status int, st step) error {
	who, s, ok, err := p.holder(c)
	if !ok || err != nil {
		return err
	}
	if s.Stage != auth.Whole {
		return c.Redirect(http.StatusSeeOther, onward(s, st.next))
	}
	st.who = who.Email
	return p.draw(c, status, "signin.prove_title", st, provePage)
}

func (p *pages) prove(c echo.Context) error {
	st := step{next: c.FormValue("next")}
	token, err := p.Auth.Prove(c.Request().Context(), p.token(c), c.FormValue("word"), p.visitor(c))
	if errors.Is(err, auth.ErrUnauthenticated) {
		return c.Redirect(http.StatusSeeOther, Path)
	}
	if err != nil {
		return p.refuse(c, err, func(status int, text, _ string) error {
			st.fault = text
			return p.showProve(c, status, st)
		})
	}
	p.setCookie(c, token)
	render.SetFlash(c, render.Flash{Key: "signin.proved"})
	return c.Redirect(http.StatusSeeOther, stay(st.next))
}

// stay is Next for pages of the second factor too.
func stay(next string) string {
	if rest, ok := strings.CutPrefix(next, SetUpPath); ok && (rest == "" || rest[0] == '?') {
		return next
	}
	return Next(next)
}

// square is a QR code: a path of its dark modules, and its width with the quiet zone.
type square struct {
	path string
	size int
}

// quietZone is how many light modules stand around a code.
const quietZone = 4

func squareOf(text string) (square, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return square{}, fmt.Errorf("drawing the square of an authenticator app: %w", err)
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			n := 1
			for x+n < code.Size && code.Black(x+n, y) {
				n++
			}
			fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, n, n)
			x += n
		}
	}
	return square{path: b.String(), size: code.Size + 2*quietZone}, nil
}

func (s square) box() string { return fmt.Sprintf("0 0 %d %d", s.size, s.size) }

func inGroups(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// CodesFile is the address of a text file with recovery codes: the page holds it, so that the server need not keep it.
func CodesFile(who string, codes []string) string {
	return "data:text/plain;charset=utf-8," + url.PathEscape("kith "+who+"\n\n"+strings.Join(codes, "\n")+"\n")
}
