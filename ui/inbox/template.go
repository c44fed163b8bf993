// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/component"
	"kith/ui/locale"
	"kith/ui/render"
)

// choice is a template that may be sent, with what is filled in so far.
type choice struct {
	t      app.Template
	values map[string]string // by the form name of the place
}

// hole is a place of a template that waits for a value.
type hole struct {
	name  string // in forms
	label string // 1, 2 or the name
	where string // header, body or button
	index string // of the button
}

func (ch *choice) id() string { return ch.t.Name + "/" + ch.t.Language }

// holes are the places to fill in, in reading order. Forms name them after the template, because the composer shows
// several templates in one form.
func (ch *choice) holes() []hole {
	var out []hole
	add := func(where, text, index string) {
		for _, name := range app.Variables(text) {
			out = append(out, hole{name: "v." + ch.id() + "." + where + index + "." + name, label: name, where: where, index: index})
		}
	}
	add("header", ch.t.Header, "")
	add("body", ch.t.Body, "")
	for i, b := range ch.t.Buttons {
		add("button", b.URL, strconv.Itoa(i))
	}
	return out
}

// choicesOf are the templates that kith can send: those with a picture, film or document as header need a file and are
// left out. Utility templates come first: they are the ones that answer.
func choicesOf(list []app.Template, to *app.Contact) []choice {
	var out []choice
	for _, t := range list {
		if t.HeaderMedia != "" || t.Category == "AUTHENTICATION" || (t.Category == "MARKETING" && to.Consent.MarketingStopped) {
			continue
		}
		out = append(out, choice{t: t})
	}
	slices.SortStableFunc(out, func(a, b choice) int {
		return cmp.Compare(rankOf(a.t.Category), rankOf(b.t.Category))
	})
	first, _, _ := strings.Cut(to.Name, " ")
	for i := range out {
		out[i].values = map[string]string{}
		for _, h := range out[i].holes() {
			if h.where == "body" && (h.label == "1" || strings.Contains(h.label, "name")) {
				out[i].values[h.name] = first
			}
		}
	}
	return out
}

func rankOf(category string) int {
	if category == "UTILITY" {
		return 0
	}
	return 1
}

// component is the template as the closed composer offers it.
func (ch *choice) component(l *locale.Locale) component.TemplateChoice {
	tc := component.TemplateChoice{ID: ch.id(), Name: ch.t.Name, Text: ch.t.Body, Meta: ch.meta(l)}
	for _, h := range ch.holes() {
		tc.Vars = append(tc.Vars, component.TemplateVar{Name: h.name, Label: h.text(l), Value: ch.values[h.name]})
	}
	return tc
}

func (h *hole) text(l *locale.Locale) string {
	return l.T("inbox.hole_"+h.where, "name", strings.ReplaceAll(h.label, "_", " "))
}

func (ch *choice) meta(l *locale.Locale) string {
	category := ch.t.Category
	if key := "inbox.category_" + strings.ToLower(category); l.Has(key) {
		category = l.T(key)
	}
	language := ch.t.Language
	if key := "inbox.language_" + strings.ToLower(language); l.Has(key) {
		language = l.T(key)
	}
	return l.T("inbox.template_meta", "category", category, "language", language)
}

// fill takes the values of a form.
func (ch *choice) fill(value func(string) string) {
	for _, h := range ch.holes() {
		if v := strings.TrimSpace(value(h.name)); v != "" {
			ch.values[h.name] = v
		}
	}
}

// use is the template as a message, or a Problem when a place is empty.
func (ch *choice) use(l *locale.Locale) (*app.TemplateUse, error) {
	u := &app.TemplateUse{Name: ch.t.Name, Language: ch.t.Language, Footer: ch.t.Footer}
	for _, h := range ch.holes() {
		v := ch.values[h.name]
		if v == "" {
			return nil, &app.Problem{
				Kind: app.ErrInvalid, Field: h.name, Key: "problem.template_value", Args: []any{h.text(l)},
				Text: "Fill in every place of the template: " + h.label + " is empty.",
			}
		}
		f := app.Field{Value: v}
		if ch.t.Named {
			f.Name = h.label
		}
		switch h.where {
		case "header":
			u.Header = append(u.Header, f)
		case "body":
			u.Body = append(u.Body, f)
		case "button":
			u.Buttons = append(u.Buttons, app.Field{Name: h.index, Value: v})
		}
	}
	u.Title, u.Text = app.Fill(ch.t.Header, u.Header), app.Fill(ch.t.Body, u.Body)
	for _, b := range ch.t.Buttons {
		u.Labels = append(u.Labels, b.Text)
	}
	return u, nil
}

// phone is the template as it looks on the customer's phone, with what is filled in.
func (ch *choice) phone(l *locale.Locale) component.ChoiceProps {
	values := func(where string) []app.Field {
		var out []app.Field
		for _, h := range ch.holes() {
			if v := ch.values[h.name]; h.where == where && v != "" {
				out = append(out, app.Field{Name: h.label, Value: v})
			}
		}
		return out
	}
	p := component.ChoiceProps{
		L: l, Header: app.Fill(ch.t.Header, values("header")), Text: app.Fill(ch.t.Body, values("body")), Footer: ch.t.Footer,
	}
	icons := map[string]string{"URL": "arrow-up-right", "PHONE_NUMBER": "phone", "QUICK_REPLY": "corner-down-left"}
	for _, b := range ch.t.Buttons {
		p.Buttons = append(p.Buttons, component.Choice{Label: b.Text, Icon: icons[b.Kind]})
	}
	return p
}

// picker is the page where a template is chosen and filled in.
type picker struct {
	*threadView
	search  string
	choices []choice
	chosen  *choice
	without int // templates that kith cannot send
}

// templates shows the approved templates of the inbox, the chosen one with its places and a preview.
func (p *pages) templates(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	v, err := p.open(c, a, id, p.fresh(c), false)
	if err != nil {
		return err
	}
	pk, err := p.picker(c, v)
	if err != nil {
		return err
	}
	v.pane = paneTemplates
	v.pick = pk
	return p.page(c, a, v, http.StatusOK)
}

func (p *pages) picker(c echo.Context, v *threadView) (*picker, error) {
	list, _, err := p.Desk.Templates(c.Request().Context(), v.a, v.line.Inbox)
	if err != nil {
		return nil, err
	}
	pk := &picker{threadView: v, search: strings.TrimSpace(c.QueryParam("find"))}
	all := choicesOf(list, v.contact)
	pk.without = len(list) - len(all)
	for i := range all {
		if pk.search == "" || strings.Contains(strings.ToLower(all[i].t.Name+" "+all[i].t.Body), strings.ToLower(pk.search)) {
			pk.choices = append(pk.choices, all[i])
		}
	}
	for i := range pk.choices {
		if pk.choices[i].id() == c.QueryParam("template") {
			pk.chosen = &pk.choices[i]
		}
	}
	if pk.chosen == nil && len(pk.choices) > 0 {
		pk.chosen = &pk.choices[0]
	}
	if pk.chosen != nil {
		pk.chosen.fill(c.QueryParam)
	}
	return pk, nil
}

// preview answers with the phone alone while somebody types.
func (p *pages) preview(c echo.Context, a app.Actor) error {
	id, err := conversation(c)
	if err != nil {
		return err
	}
	v := &threadView{l: p.Locale(c), a: a}
	if v.line, err = p.Desk.Conversation(c.Request().Context(), a, id); err != nil {
		return err
	}
	if v.contact, err = p.Desk.Contact(c.Request().Context(), a, v.line.Contact); err != nil {
		return err
	}
	in, err := p.Desk.Inbox(c.Request().Context(), v.line.Inbox)
	if err != nil {
		return err
	}
	v.inbox = *in
	pk, err := p.picker(c, v)
	if err != nil || pk.chosen == nil {
		return err
	}
	return render.Fragment(c, http.StatusOK, component.TemplatePreview(v.l, v.inbox.Name, pk.chosen.phone(v.l)))
}
