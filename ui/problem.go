// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
	"kith/ui/component"
	"kith/ui/locale"
	"kith/ui/render"
)

// argNames are how the sentences of the catalogues call the arguments of a Problem, in order.
var argNames = [...]string{"a", "b", "c"}

// Problem says an error in the language of l; ok is false when the error is not one for people.
func Problem(l *locale.Locale, err error) (text string, ok bool) {
	if p := (*app.Problem)(nil); errors.As(err, &p) {
		return problemText(l, p), true
	}
	if slow := (*auth.SlowDown)(nil); errors.As(err, &slow) {
		return l.T("problem.slow", "count", int(slow.Wait.Seconds())+1), true
	}
	if big := (*http.MaxBytesError)(nil); errors.As(err, &big) {
		return l.T("problem.too_large", "size", l.Bytes(big.Limit)), true
	}
	return "", false
}

func problemText(l *locale.Locale, p *app.Problem) string {
	if !l.Has(p.Key) {
		return p.Text
	}
	var args []any
	for i, a := range p.Args {
		if i < len(argNames) {
			args = append(args, argNames[i], a)
		}
	}
	return l.T(p.Key, args...)
}

// ErrorPage answers a request that failed: a page for a browser, a toast for htmx. p is nil when nothing is known that
// people can act upon.
func ErrorPage(d Deps) func(c echo.Context, status int, p *app.Problem) error {
	s := &site{Deps: d}
	return func(c echo.Context, status int, p *app.Problem) error {
		v := s.bare(c, "problem.page_"+pageOf(status))
		text := v.Locale.T("problem.page_text_" + pageOf(status))
		if p != nil {
			text = problemText(v.Locale, p)
		}
		if render.IsFragment(c) {
			toast := component.Toast(component.ToastProps{L: v.Locale, Text: text, Kind: component.Danger})
			return render.Fragment(c, status, render.Partial("#toasts", "beforeend", toast))
		}
		return render.Page(c, status, errorPage(v, text, c.Response().Header().Get(echo.HeaderXRequestID)))
	}
}

// pageOf is the kind of page for a status.
func pageOf(status int) string {
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable:
		return strconv.Itoa(status)
	case http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		return strconv.Itoa(status)
	}
	if status < http.StatusInternalServerError {
		return "400"
	}
	return "500"
}
