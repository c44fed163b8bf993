// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/render"
)

// reveal shows the contact in full, in this answer only: the next update of the page is masked again.
func (p *pages) reveal(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	v, err := p.open(c, a, id, stateOf(c.FormValue), false)
	if err != nil {
		return err
	}
	if v.contact, err = p.Desk.Reveal(c.Request().Context(), a, v.contact.ID); err != nil {
		return err
	}
	v.line.Name = v.contact.DisplayName()
	if render.IsFragment(c) {
		return render.Fragment(c, http.StatusOK, render.Partial("#side", "innerHTML", side(v)))
	}
	v.pane = paneContact
	return p.page(c, a, v, http.StatusOK)
}
