// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"kith/app"
	"kith/app/channel"
)

// composeTemplate writes a template with its variables (PROTOCOLS 1.8).
func composeTemplate(c *app.Content) object {
	t := c.Template
	var parts []object
	if c.Location != nil {
		parts = append(parts, object{
			"type": "header", "parameters": []object{{"type": "location", "location": composeLocation(c.Location)}},
		})
	} else if len(t.Header) > 0 {
		parts = append(parts, object{"type": "header", "parameters": variables(t.Header)})
	}
	if len(t.Body) > 0 {
		parts = append(parts, object{"type": "body", "parameters": variables(t.Body)})
	}
	for _, b := range t.Buttons {
		index, kind := buttonOf(b.Name)
		parameter := buttonParameter(kind)
		parts = append(parts, object{
			"type": "button", "sub_type": kind, "index": index,
			"parameters": []object{{"type": parameter, parameter: b.Value}},
		})
	}
	out := object{"name": t.Name, "language": object{"code": t.Language}}
	if parts != nil {
		out["components"] = parts
	}
	return out
}

// variables writes values; those with a name are named, those without or with a number are positional.
func variables(list []app.Field) []object {
	out := make([]object, 0, len(list))
	for _, f := range list {
		v := object{"type": "text", "text": f.Value}
		if _, err := strconv.Atoi(f.Name); err != nil && f.Name != "" {
			v["parameter_name"] = f.Name
		}
		out = append(out, v)
	}
	return out
}

// buttonOf splits the name of a button's value: "0" is a link, "0:quick_reply" and "0:copy_code" say what else it is.
func buttonOf(name string) (index, kind string) {
	index, kind, ok := strings.Cut(name, ":")
	if !ok {
		kind = "url"
	}
	return index, strings.ToLower(kind)
}

// buttonParameter is the kind of parameter that a button takes, "" when it takes none that kith knows.
func buttonParameter(kind string) string {
	return map[string]string{"url": "text", "quick_reply": "payload", "copy_code": "coupon_code"}[kind]
}

// attachHeader makes an uploaded file the header of a template.
func attachHeader(body object, m *channel.Outgoing, file object) {
	kind := wireType(fileType(m))
	if kind == "document" {
		file["filename"] = fileName(app.TypeDocument, &m.Files[0])
	}
	t, _ := body["template"].(object)
	rest, _ := t["components"].([]object)
	head := object{"type": "header", "parameters": []object{{"type": kind, kind: file}}}
	t["components"] = append([]object{head}, rest...)
}

const (
	maxPages       = 20
	templateFields = "name,status,category,language,components,quality_score,parameter_format,rejected_reason,id"
)

type wireTemplate struct {
	ID         text            `json:"id"`
	Name       text            `json:"name"`
	Language   text            `json:"language"`
	Category   text            `json:"category"`
	Status     text            `json:"status"`
	Format     text            `json:"parameter_format"`
	Components []wireComponent `json:"components"`
}

type wireComponent struct {
	Type    text `json:"type"`
	Format  text `json:"format"`
	Text    text `json:"text"`
	Buttons []struct {
		Type text `json:"type"`
		Text text `json:"text"`
		URL  text `json:"url"`
	} `json:"buttons"`
	Example struct {
		Body  [][]text `json:"body_text"`
		Named []struct {
			Name  text `json:"param_name"`
			Value text `json:"example"`
		} `json:"body_text_named_params"`
	} `json:"example"`
}

// Templates lists the templates of the account, whatever their status, over at most 20 pages of 100.
func (s *sender) Templates(ctx context.Context) ([]app.Template, error) {
	var out []app.Template
	after := ""
	for range maxPages {
		q := url.Values{"fields": {templateFields}, "limit": {"100"}}
		if after != "" {
			q.Set("after", after)
		}
		raw, err := s.call(ctx, request{method: "GET", url: s.base + "/" + url.PathEscape(s.waba) + "/message_templates?" + q.Encode()})
		if err != nil {
			return nil, err
		}
		var page struct {
			Data   []json.RawMessage `json:"data"`
			Paging struct {
				Cursors struct {
					After text `json:"after"`
				} `json:"cursors"`
				Next text `json:"next"`
			} `json:"paging"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return nil, again("WhatsApp answered with a list of templates that kith cannot read.", nil)
		}
		for _, raw := range page.Data {
			var w wireTemplate
			if json.Unmarshal(raw, &w) == nil && w.Name != "" { // a template of an unknown form must not hide the others
				out = append(out, w.template())
			}
		}
		next := string(page.Paging.Cursors.After)
		if page.Paging.Next == "" || next == "" || next == after {
			break
		}
		after = next
	}
	return out, nil
}

func (w *wireTemplate) template() app.Template {
	t := app.Template{
		ID: w.ID.cut(maxID), Name: w.Name.cut(maxID), Language: w.Language.cut(32), Category: w.Category.cut(64),
		Status: w.Status.cut(64), Named: strings.EqualFold(string(w.Format), "named"),
	}
	for i := range w.Components {
		c := &w.Components[i]
		switch strings.ToUpper(string(c.Type)) {
		case "HEADER":
			if f := strings.ToUpper(string(c.Format)); f == "TEXT" || f == "" {
				t.Header = string(c.Text)
			} else {
				t.HeaderMedia = f
			}
		case "BODY":
			t.Body = string(c.Text)
			t.Examples = c.examples()
		case "FOOTER":
			t.Footer = string(c.Text)
		case "BUTTONS":
			for _, b := range c.Buttons {
				t.Buttons = append(t.Buttons, app.TemplateButton{Kind: b.Type.cut(64), Text: string(b.Text), URL: string(b.URL)})
			}
		}
	}
	return t
}

func (c *wireComponent) examples() []app.Field {
	var out []app.Field
	for _, n := range c.Example.Named {
		out = append(out, app.Field{Name: n.Name.cut(maxName), Value: n.Value.cut(maxTitle)})
	}
	if len(out) == 0 && len(c.Example.Body) > 0 {
		for i, v := range c.Example.Body[0] {
			out = append(out, app.Field{Name: strconv.Itoa(i + 1), Value: v.cut(maxTitle)})
		}
	}
	return out
}
