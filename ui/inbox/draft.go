// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// drafts keeps what agents have begun to write, in memory only: a draft may hold personal data, and nobody has decided
// yet how long to keep it. The oldest goes when there are too many.
type drafts struct {
	mu    sync.Mutex
	texts map[draftOf]string
	order []draftOf
}

type draftOf struct {
	agent        uint64
	conversation app.ConversationID
}

const (
	mostDrafts  = 2000
	longestText = 10_000 // bytes of a draft that are kept
)

func (d *drafts) get(a app.Actor, id app.ConversationID) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.texts[draftOf{a.ID, id}]
}

// set keeps text, or forgets the draft when text is empty.
func (d *drafts) set(a app.Actor, id app.ConversationID, text string) {
	key := draftOf{a.ID, id}
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.TrimSpace(text) == "" || len(text) > longestText {
		delete(d.texts, key)
		return
	}
	if d.texts == nil {
		d.texts = map[draftOf]string{}
	}
	if _, have := d.texts[key]; !have {
		d.order = append(d.order, key)
	}
	d.texts[key] = text
	for len(d.order) > mostDrafts {
		delete(d.texts, d.order[0])
		d.order = d.order[1:]
	}
}

// draft keeps what is written so far.
func (p *pages) draft(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	if _, err := p.Desk.Conversation(c.Request().Context(), a, id); err != nil {
		return err
	}
	p.drafts.set(a, id, c.FormValue("text"))
	return c.NoContent(http.StatusNoContent)
}
