// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// messageRequest is what a program writes: exactly one of text, note, template and location; interactive belongs to a
// text.
type messageRequest struct {
	Text        *string          `json:"text"`
	Note        *string          `json:"note"`
	Template    *templateRequest `json:"template"`
	Interactive *app.Interactive `json:"interactive"`
	Location    *app.Location    `json:"location"`
	ReplyTo     string           `json:"reply_to"`
}

// templateRequest names an approved text and the values of its variables: ["Siti","12 May"] in the order of the
// variables, or [{"name":"who","value":"Siti"}] by name.
type templateRequest struct {
	Name     string `json:"name"`
	Language string `json:"language"`
	Header   values `json:"header"`
	Body     values `json:"body"`
	Buttons  values `json:"buttons"`
}

type values []app.Field

// UnmarshalJSON reads a list of strings or of names and values.
func (v *values) UnmarshalJSON(b []byte) error {
	var plain []string
	if err := json.Unmarshal(b, &plain); err == nil {
		for _, s := range plain {
			*v = append(*v, app.Field{Value: s})
		}
		return nil
	}
	var named []app.Field
	if err := json.Unmarshal(b, &named); err != nil {
		return &json.UnmarshalTypeError{Value: "neither texts nor names with values", Type: reflect.TypeFor[values]()}
	}
	*v = named
	return nil
}

func (x *API) addMessage(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 64)
	if err != nil {
		return err
	}
	conv := app.ConversationID(n)
	var draft app.Draft
	if strings.HasPrefix(c.Request().Header.Get(echo.HeaderContentType), echo.MIMEMultipartForm) {
		draft, err = x.uploaded(c, a, conv)
	} else {
		draft, err = x.drafted(c, a, conv)
	}
	if err != nil {
		return err
	}
	if draft.Key, err = repeatKey(c); err != nil {
		return err
	}
	m, err := x.desk.Reply(c.Request().Context(), a, conv, draft)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/messages/"+m.ID.String())
	return x.answerMessage(c, a, http.StatusCreated, m)
}

func (x *API) drafted(c echo.Context, a app.Actor, conv app.ConversationID) (d app.Draft, err error) {
	var r messageRequest
	if err := body(c, &r); err != nil {
		return d, err
	}
	given := 0
	for _, there := range []bool{r.Text != nil, r.Note != nil, r.Template != nil, r.Location != nil} {
		if there {
			given++
		}
	}
	if given != 1 {
		return d, invalid("text", "problem.message_kind", "Send exactly one of text, note, template and location.")
	}
	d = app.Draft{Interactive: r.Interactive, Location: r.Location}
	if d.ReplyTo, err = quoted(r.ReplyTo); err != nil {
		return d, err
	}
	switch {
	case r.Text != nil:
		d.Text = *r.Text
	case r.Note != nil:
		d.Note, d.Text = true, *r.Note
	case r.Template != nil:
		d.Template, err = x.filled(c.Request().Context(), a, conv, r.Template)
	case r.Interactive != nil:
		return d, invalid("interactive", "problem.interactive_text", "Buttons and lists need a text.")
	}
	return d, err
}

func quoted(s string) (app.MessageID, error) {
	if s == "" {
		return app.MessageID{}, nil
	}
	mid, err := app.ParseMessageID(s)
	if err != nil {
		return mid, invalid("reply_to", "problem.message_missing", "The message you reply to does not exist.")
	}
	return mid, nil
}

// filled looks the template up among the inbox's approved ones and writes down what the customer will read.
func (x *API) filled(ctx context.Context, a app.Actor, conv app.ConversationID, r *templateRequest) (*app.TemplateUse, error) {
	use := &app.TemplateUse{Name: r.Name, Language: r.Language, Header: r.Header, Body: r.Body, Buttons: r.Buttons}
	line, err := x.desk.Conversation(ctx, a, conv)
	if err != nil {
		return nil, err
	}
	approved, at, err := x.desk.Templates(ctx, a, line.Inbox)
	if err != nil || at == 0 {
		return use, err // the list was never fetched: the network decides
	}
	for _, t := range approved {
		if t.Name == r.Name && t.Language == r.Language {
			return use, fill(use, &t)
		}
	}
	return nil, invalid("template", "problem.template_missing",
		fmt.Sprintf("There is no approved template %q in language %q; see /api/v1/inboxes/%d/templates.", r.Name, r.Language, line.Inbox))
}

func fill(use *app.TemplateUse, t *app.Template) error {
	for _, part := range []struct {
		field, text string
		values      []app.Field
	}{{"template.header", t.Header, use.Header}, {"template.body", t.Body, use.Body}} {
		if want := app.Variables(part.text); len(want) != len(part.values) {
			return invalid(part.field, "problem.template_values",
				fmt.Sprintf("This part of the template has %d variables, %d values were given.", len(want), len(part.values)))
		}
	}
	use.Title, use.Text, use.Footer = app.Fill(t.Header, use.Header), app.Fill(t.Body, use.Body), t.Footer
	for _, b := range t.Buttons {
		use.Labels = append(use.Labels, b.Text)
	}
	return nil
}
