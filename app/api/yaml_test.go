// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strconv"
	"strings"
)

// readYAML reads the part of YAML that openapi.yaml is written in: block maps and lists, flow maps and lists on one line,
// texts in quotes or plain, numbers, true, false and null. Anything else is an error.
func readYAML(text string) (any, error) {
	r := &yamlReader{}
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		r.lines = append(r.lines, yamlLine{i + 1, len(line) - len(strings.TrimLeft(line, " ")), trimmed})
	}
	v, err := r.block(0)
	if err == nil && len(r.lines) > 0 {
		err = fmt.Errorf("line %d: wrong indentation", r.lines[0].number)
	}
	return v, err
}

type yamlLine struct {
	number, indent int
	text           string
}

type yamlReader struct{ lines []yamlLine }

// block reads the map or list whose lines are indented by indent.
func (r *yamlReader) block(indent int) (any, error) {
	if strings.HasPrefix(r.lines[0].text, "- ") {
		return r.list(indent)
	}
	out := map[string]any{}
	for len(r.lines) > 0 && r.lines[0].indent == indent {
		line := r.lines[0]
		name, rest, err := key(line.text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line.number, err)
		}
		if _, dup := out[name]; dup {
			return nil, fmt.Errorf("line %d: %q again", line.number, name)
		}
		r.lines = r.lines[1:]
		if out[name], err = r.value(rest, indent); err != nil {
			return nil, fmt.Errorf("line %d: %w", line.number, err)
		}
	}
	return out, nil
}

// value reads what follows a key: on its line, or below it and further in.
func (r *yamlReader) value(rest string, indent int) (any, error) {
	if rest != "" {
		return flow(rest)
	}
	if len(r.lines) == 0 || r.lines[0].indent <= indent {
		return nil, fmt.Errorf("nothing follows")
	}
	return r.block(r.lines[0].indent)
}

func (r *yamlReader) list(indent int) (any, error) {
	out := []any{}
	for len(r.lines) > 0 && r.lines[0].indent == indent && strings.HasPrefix(r.lines[0].text, "- ") {
		line := &r.lines[0]
		rest := strings.TrimSpace(line.text[1:])
		if _, _, err := key(rest); err != nil || strings.HasPrefix(rest, "{") {
			r.lines = r.lines[1:]
			v, err := flow(rest)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", line.number, err)
			}
			out = append(out, v)
			continue
		}
		line.indent += len(line.text) - len(rest) // the map in the list begins behind the dash
		line.text = rest
		v, err := r.block(line.indent)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// key cuts "name: rest" or "name:".
func key(s string) (name, rest string, err error) {
	if strings.HasPrefix(s, "'") || strings.HasPrefix(s, `"`) {
		v, rest, err := quotedText(s)
		if err != nil || !strings.HasPrefix(rest, ":") {
			return "", "", fmt.Errorf("no key in %q", s)
		}
		return v, strings.TrimSpace(rest[1:]), nil
	}
	if name, ok := strings.CutSuffix(s, ":"); ok {
		return name, "", nil
	}
	name, rest, ok := strings.Cut(s, ": ")
	if !ok {
		return "", "", fmt.Errorf("no key in %q", s)
	}
	return name, strings.TrimSpace(rest), nil
}

// flow reads a value that stands on one line.
func flow(s string) (any, error) {
	v, rest, err := flowValue(s, "")
	if err == nil && strings.TrimSpace(rest) != "" {
		err = fmt.Errorf("%q is left over", rest)
	}
	return v, err
}

// flowValue reads one value; a plain text ends at one of the characters of ends, or with the line.
func flowValue(s, ends string) (v any, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	switch {
	case strings.HasPrefix(s, "["), strings.HasPrefix(s, "{"):
		return flowGroup(s)
	case strings.HasPrefix(s, "'"), strings.HasPrefix(s, `"`):
		return quotedText(s)
	}
	end := len(s)
	if ends != "" {
		if end = strings.IndexAny(s, ends); end < 0 {
			return nil, "", fmt.Errorf("%q does not end", s)
		}
	} else if strings.Contains(s, ": ") || strings.Contains(s, " #") {
		return nil, "", fmt.Errorf("%q needs quotes", s)
	}
	return plain(strings.TrimSpace(s[:end])), s[end:], nil
}

func flowGroup(s string) (any, string, error) {
	isMap, last := s[0] == '{', map[byte]string{'{': "}", '[': "]"}[s[0]]
	list, m := []any{}, map[string]any{}
	s = s[1:]
	for {
		s = strings.TrimLeft(s, " ,")
		if rest, done := strings.CutPrefix(s, last); done {
			if isMap {
				return m, rest, nil
			}
			return list, rest, nil
		}
		name := ""
		if isMap {
			var ok bool
			if name, s, ok = strings.Cut(s, ": "); !ok {
				return nil, "", fmt.Errorf("no key in %q", s)
			}
		}
		v, rest, err := flowValue(s, ","+last)
		if err != nil {
			return nil, "", err
		}
		if s = rest; isMap {
			m[name] = v
		} else {
			list = append(list, v)
		}
	}
}

// quotedText reads a text in quotes. Neither form may hold its own quote.
func quotedText(s string) (string, string, error) {
	v, rest, ok := strings.Cut(s[1:], s[:1])
	if !ok || strings.ContainsRune(v, '\\') {
		return "", "", fmt.Errorf("%q is not a plain text in quotes", s)
	}
	return v, rest, nil
}

func plain(s string) any {
	switch s {
	case "true", "false":
		return s == "true"
	case "null":
		return nil
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && !strings.HasSuffix(s, ".0") && strings.Count(s, ".") < 2 {
		return n
	}
	return s
}
