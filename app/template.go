// SPDX-License-Identifier: Apache-2.0

package app

import "strings"

// Template is a text that the network approved; outside the reply window it is the only thing that may be sent.
type Template struct {
	Name     string `cbor:"1,keyasint"           json:"name"`
	Language string `cbor:"2,keyasint"           json:"language"`
	Category string `cbor:"3,keyasint,omitempty" json:"category"` // MARKETING, UTILITY, AUTHENTICATION
	Status   string `cbor:"4,keyasint,omitempty" json:"status"`   // APPROVED ...
	Header   string `cbor:"5,keyasint,omitempty" json:"header,omitempty"`
	// HeaderMedia is IMAGE, VIDEO, DOCUMENT or LOCATION when the header is not text.
	HeaderMedia string           `cbor:"6,keyasint,omitempty"  json:"header_media,omitempty"`
	Body        string           `cbor:"7,keyasint,omitempty"  json:"body"`
	Footer      string           `cbor:"8,keyasint,omitempty"  json:"footer,omitempty"`
	Buttons     []TemplateButton `cbor:"9,keyasint,omitempty"  json:"buttons,omitempty"`
	Named       bool             `cbor:"10,keyasint,omitempty" json:"named"` // variables have names, not numbers
	ID          string           `cbor:"11,keyasint,omitempty" json:"id"`
	Examples    []Field          `cbor:"12,keyasint,omitempty" json:"examples,omitempty"`
}

// TemplateButton is a button of a template; Kind is the network's word, such as QUICK_REPLY or URL.
type TemplateButton struct {
	Kind string `cbor:"1,keyasint"           json:"kind"`
	Text string `cbor:"2,keyasint"           json:"text"`
	URL  string `cbor:"3,keyasint,omitempty" json:"url,omitempty"` // may end in {{1}}
}

// Variables returns the names of the variables of a template's text in order of first use: "1", "2" ... or names.
func Variables(text string) []string {
	var out []string
	seen := map[string]bool{}
	forVariables(text, func(name string, _, _ int) {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	})
	return out
}

// Fill replaces the variables of a template's text by values: positional ones ("1") take values in order, named ones by
// name. Variables without a value stay as they are written.
func Fill(text string, values []Field) string {
	var out []byte
	last, n := 0, 0
	position := map[string]int{}
	forVariables(text, func(name string, from, to int) {
		if _, ok := position[name]; !ok {
			position[name] = n
			n++
		}
		v, ok := valueOf(values, name, position[name])
		if !ok {
			return
		}
		out = append(append(out, text[last:from]...), v...)
		last = to
	})
	return string(append(out, text[last:]...))
}

func valueOf(values []Field, name string, position int) (string, bool) {
	for _, f := range values {
		if f.Name == name {
			return f.Value, true
		}
	}
	if position < len(values) && values[position].Name == "" {
		return values[position].Value, true
	}
	return "", false
}

// forVariables calls fn for each {{name}} in text with the byte range it takes.
func forVariables(text string, fn func(name string, from, to int)) {
	for i := 0; i+4 < len(text); i++ {
		if text[i] != '{' || text[i+1] != '{' {
			continue
		}
		for j := i + 2; j+1 < len(text); j++ {
			if text[j] == '}' && text[j+1] == '}' {
				fn(strings.TrimSpace(text[i+2:j]), i, j+2)
				i = j + 1
				break
			}
		}
	}
}
