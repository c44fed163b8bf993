// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"crypto/rand"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/component"
	"kith/ui/render"
)

// compose is what the composer holds when it is drawn.
type compose struct {
	key     string // makes a form that is sent twice one message
	draft   string
	note    bool
	fault   string
	reply   *app.Message
	choices []choice
}

// accept lists the types that the file chooser offers; the network's own rules are asked when a file is sent.
const accept = "image/jpeg,image/png,video/mp4,video/3gpp,audio/*,application/pdf,text/plain,.doc,.docx,.xls,.xlsx,.ppt,.pptx"

// prepare fills the composer: the draft that was kept, the message that is answered, or the templates.
func (p *pages) prepare(c echo.Context, v *threadView) error {
	ctx := c.Request().Context()
	v.compose.key = rand.Text()
	v.compose.draft = p.drafts.get(v.a, v.line.ID)
	if id, err := app.ParseMessageID(c.QueryParam("reply")); err == nil && id.Conversation() == v.line.ID {
		if m, err := p.Desk.Message(ctx, v.a, id); err == nil { // a message that is gone is not quoted
			v.compose.reply = m
		}
	}
	if !v.closed() {
		return nil
	}
	list, _, err := p.Desk.Templates(ctx, v.a, v.line.Inbox)
	v.compose.choices = choicesOf(list, v.contact)
	return err
}

// composer answers with the composer alone: when the window closed, or to quote a message.
func (p *pages) composer(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	if !render.IsFragment(c) {
		return render.Redirect(c, Path(id)+"?reply="+c.QueryParam("reply"))
	}
	v, err := p.open(c, a, id, p.fresh(c), false)
	if err != nil {
		return err
	}
	return render.Fragment(c, 200, composerOf(v))
}

// composerOf draws the composer that the conversation allows now.
func composerOf(v *threadView) templ.Component {
	name, action := nameOf(v.l, v.line.Name), Path(v.line.ID)+"/reply?key="+v.compose.key
	attrs := templ.Attributes{
		"hx-post": Path(v.line.ID) + "/reply", "hx-include": "#thread-state, #compose-key", "hx-swap": "none",
		"hx-encoding": "multipart/form-data",
	}
	if v.closed() {
		p := component.ClosedProps{
			L: v.l, Action: action, Name: name, Channel: channelName(v.l, v.inbox.Kind),
			AllPath: v.f.path(Path(v.line.ID) + "/templates"), Error: v.compose.fault, Attrs: attrs,
		}
		for i := range min(len(v.compose.choices), 6) {
			p.Templates = append(p.Templates, v.compose.choices[i].component(v.l))
		}
		return component.ComposerClosed(p)
	}
	p := component.ComposerProps{
		L: v.l, Action: action, Name: name, Channel: channelName(v.l, v.inbox.Kind), Draft: v.compose.draft,
		Note: v.compose.note, Window: v.window(), Accept: accept, TemplatesPath: v.f.path(Path(v.line.ID) + "/templates"),
		Error: v.compose.fault, Attrs: attrs, Refresh: Path(v.line.ID) + "/composer",
	}
	if m := v.compose.reply; m != nil {
		p.Reply, p.ReplyID, p.CancelReply = v.maker.quoteOf(m), m.ID.String(), v.f.path(Path(v.line.ID))
	}
	return component.Composer(p)
}

// window is how long free text is allowed; nil where it always is.
func (v *threadView) window() *component.Window {
	if v.line.Window.IsZero() {
		return nil
	}
	return &component.Window{L: v.l, Left: v.line.Window.Sub(v.now), Total: 24 * time.Hour}
}
