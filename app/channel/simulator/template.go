// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Template is a message template of the business account, as the network lists it.
type Template struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"`
	Language   string              `json:"language"`
	Status     string              `json:"status"`
	Category   string              `json:"category"`
	Format     string              `json:"parameter_format"`
	Rejected   string              `json:"rejected_reason,omitempty"`
	Components []TemplateComponent `json:"components"`
}

// TemplateComponent is the header, body, footer or button row of a template.
type TemplateComponent struct {
	Type    string           `json:"type"`
	Format  string           `json:"format,omitempty"`
	Text    string           `json:"text,omitempty"`
	Example map[string]any   `json:"example,omitempty"`
	Buttons []TemplateButton `json:"buttons,omitempty"`
}

// TemplateButton is a button of a template.
type TemplateButton struct {
	Type    string   `json:"type"`
	Text    string   `json:"text"`
	URL     string   `json:"url,omitempty"`
	Phone   string   `json:"phone_number,omitempty"`
	Example []string `json:"example,omitempty"`
}

var variable = regexp.MustCompile(`\{\{\s*([A-Za-z0-9_]+)\s*\}\}`)

// variables are the names of a text's variables, each once, in order.
func variables(text string) []string {
	var out []string
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

func (t *Template) component(kind string) *TemplateComponent {
	for i := range t.Components {
		if t.Components[i].Type == kind {
			return &t.Components[i]
		}
	}
	return nil
}

// pick finds the template that a request names, or says why it cannot be sent.
func (w *World) pick(req map[string]any) (*Template, *fault) {
	name, lang := str(req, "name"), str(at(req, "language"), "code")
	i := slices.IndexFunc(w.templates, func(t Template) bool { return t.Name == name && t.Language == lang })
	if i < 0 || w.templates[i].Status == "PENDING" || w.templates[i].Status == "REJECTED" {
		return nil, &fault{code: 132001, detail: "template name (" + name + ") does not exist in " + lang}
	}
	switch w.templates[i].Status {
	case "PAUSED":
		return nil, &fault{code: 132015, detail: "Template " + name + " is paused because of low quality."}
	case "DISABLED":
		return nil, &fault{code: 132016, detail: "Template " + name + " is disabled for good."}
	}
	return &w.templates[i], nil
}

// fill checks the parameters of a request against a template and makes the
// bubble that the phone shows.
func (t *Template) fill(req map[string]any, b *Bubble) *fault {
	given := map[string]map[string]any{}
	buttons := map[string]map[string]any{}
	for _, c := range items(req, "components") {
		kind := strings.ToUpper(str(c, "type"))
		if kind == "BUTTON" {
			buttons[indexOf(c)] = c
			continue
		}
		if given[kind] != nil {
			return &fault{code: 132012, detail: "component " + strings.ToLower(kind) + " is given twice"}
		}
		given[kind] = c
	}
	b.Kind = "text"
	for _, c := range t.Components {
		var f *fault
		switch {
		case c.Type == "BODY":
			b.Text, f = t.hydrate("body", c.Text, items(given["BODY"], "parameters"))
		case c.Type == "HEADER" && c.Format == "TEXT":
			b.Header, f = t.hydrate("header", c.Text, items(given["HEADER"], "parameters"))
		case c.Type == "HEADER":
			f = headerMedia(c, items(given["HEADER"], "parameters"))
		case c.Type == "FOOTER":
			b.Footer = c.Text
		case c.Type == "BUTTONS":
			b.Choices, f = tapped(c.Buttons, buttons)
		}
		if f != nil {
			return f
		}
	}
	if given["HEADER"] != nil && t.component("HEADER") == nil && len(items(given["HEADER"], "parameters")) > 0 {
		return countFault("header", len(items(given["HEADER"], "parameters")), 0)
	}
	if t.component("BUTTONS") == nil && len(buttons) > 0 {
		return countFault("button", len(buttons), 0)
	}
	return nil
}

func countFault(part string, have, want int) *fault {
	return &fault{code: 132000, detail: part + ": number of localizable_params (" + strconv.Itoa(have) +
		") does not match the expected number of params (" + strconv.Itoa(want) + ")"}
}

// hydrate puts parameters into a text.
func (t *Template) hydrate(part, text string, params []map[string]any) (string, *fault) {
	names := variables(text)
	if len(params) != len(names) {
		return "", countFault(part, len(params), len(names))
	}
	values := map[string]string{}
	for i, p := range params {
		key := strconv.Itoa(i + 1)
		if t.Format == "NAMED" {
			key = str(p, "parameter_name")
			if !slices.Contains(names, key) {
				return "", &fault{code: 100, message: "(#100) Invalid parameter", detail: part + ": parameter_name " + strconv.Quote(key) + " is not in the template"}
			}
		}
		v, ok := inWords(p)
		if !ok {
			return "", &fault{code: 132012, detail: part + ": parameter " + key + " must be text, currency or date_time"}
		}
		if strings.ContainsAny(v, "\n\t") || strings.Contains(v, "     ") {
			return "", &fault{code: 100, message: "(#100) Invalid parameter", detail: "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"}
		}
		values[key] = v
	}
	if len(values) != len(names) {
		return "", countFault(part, len(values), len(names))
	}
	out := variable.ReplaceAllStringFunc(text, func(s string) string { return values[variable.FindStringSubmatch(s)[1]] })
	if part == "body" && len([]rune(out)) > 1600 {
		return "", &fault{code: 132005, detail: "The body is longer than 1600 characters with its parameters."}
	}
	return out, nil
}

// inWords is what a parameter looks like in text.
func inWords(p map[string]any) (string, bool) {
	switch kind := str(p, "type"); kind {
	case "text":
		return str(p, "text"), true
	case "currency", "date_time":
		return str(at(p, kind), "fallback_value"), true
	}
	return "", false
}

func headerMedia(c TemplateComponent, params []map[string]any) *fault {
	want := strings.ToLower(c.Format)
	if len(params) != 1 {
		return countFault("header", len(params), 1)
	}
	if got := str(params[0], "type"); got != want {
		return &fault{code: 132012, detail: "header: Format mismatch, expected " + c.Format + ", received " + strings.ToUpper(got)}
	}
	return nil
}

func indexOf(c map[string]any) string {
	if s := str(c, "index"); s != "" {
		return s
	}
	if n, ok := c["index"].(interface{ String() string }); ok {
		return n.String()
	}
	return "0"
}

// tapped makes the buttons of a template's bubble.
func tapped(have []TemplateButton, given map[string]map[string]any) ([]Choice, *fault) {
	for i := range given {
		if n, err := strconv.Atoi(i); err != nil || n >= len(have) {
			return nil, &fault{code: 132012, detail: "buttons: the template has no button at index " + i}
		}
	}
	out := make([]Choice, 0, len(have))
	for i, b := range have {
		c := given[strconv.Itoa(i)]
		if c != nil && !strings.EqualFold(str(c, "sub_type"), b.Type) {
			return nil, &fault{code: 132012, detail: "buttons: Button at index " + strconv.Itoa(i) + " is of type " + b.Type}
		}
		choice, f := b.filled(i, items(c, "parameters"))
		if f != nil {
			return nil, f
		}
		out = append(out, choice)
	}
	return out, nil
}

// filled is a button with its parameters: the payload of a quick reply, the end
// of an address.
func (b TemplateButton) filled(i int, params []map[string]any) (Choice, *fault) {
	c := Choice{ID: b.Text, Title: b.Text}
	switch b.Type {
	case "QUICK_REPLY":
		if len(params) == 1 && str(params[0], "type") == "payload" {
			c.ID = str(params[0], "payload")
		} else if len(params) > 0 {
			return c, &fault{code: 132012, detail: "buttons: a quick reply takes one payload"}
		}
	case "URL":
		want := len(variables(b.URL))
		if len(params) != want {
			return c, &fault{code: 131008, detail: "buttons: Button at index " + strconv.Itoa(i) + " of type Url requires " + strconv.Itoa(want) + " parameters"}
		}
		c.URL = b.URL
		if want == 1 {
			c.URL = variable.ReplaceAllLiteralString(b.URL, str(params[0], "text"))
		}
	case "PHONE_NUMBER":
		c.URL = "tel:" + b.Phone
	}
	return c, nil
}
