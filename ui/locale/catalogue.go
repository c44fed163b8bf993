// SPDX-License-Identifier: Apache-2.0

package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/text/feature/plural"
)

//go:embed en/*.json id/*.json
var files embed.FS

// message is one entry: a text per plural form; plural.Other always exists.
type message map[plural.Form][]part

// part is either literal text or the name of an argument.
type part struct {
	text, arg string
}

var forms = map[string]plural.Form{
	"zero": plural.Zero, "one": plural.One, "two": plural.Two,
	"few": plural.Few, "many": plural.Many, "other": plural.Other,
}

// T returns the text of key with its {placeholders} filled from name, value
// pairs: l.T("inbox.unread", "count", 3). Where the catalogue has plural forms
// the argument named count chooses one. A key that is missing comes back as
// itself, so that the page still works and the fault is seen.
func (l *Locale) T(key string, args ...any) string {
	m, ok := l.words[key]
	if !ok {
		return key
	}
	parts := m[plural.Other]
	if len(m) > 1 {
		if p, ok := m[l.form(args)]; ok {
			parts = p
		}
	}
	return l.fill(parts, args)
}

// Has reports whether the catalogue knows key.
func (l *Locale) Has(key string) bool {
	_, ok := l.words[key]
	return ok
}

func (l *Locale) form(args []any) plural.Form {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "count" {
			n := toInt(args[i+1])
			if n < 0 {
				n = -n
			}
			return plural.Cardinal.MatchPlural(l.lang, int(n%10_000_000), 0, 0, 0, 0)
		}
	}
	return plural.Other
}

func toInt(v any) int64 {
	switch n := v.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	case uint64:
		return int64(n & (1<<63 - 1))
	case uint32:
		return int64(n)
	}
	return 0
}

func (l *Locale) fill(parts []part, args []any) string {
	if len(parts) == 1 && parts[0].arg == "" {
		return parts[0].text
	}
	var b strings.Builder
	for _, p := range parts {
		if p.arg == "" {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(l.argument(p.arg, args))
	}
	return b.String()
}

func (l *Locale) argument(name string, args []any) string {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] != name {
			continue
		}
		switch v := args[i+1].(type) {
		case string:
			return v
		case int, int64, uint64, uint32:
			return l.Number(toInt(v))
		case fmt.Stringer:
			return v.String()
		default:
			return fmt.Sprint(v)
		}
	}
	return "{" + name + "}"
}

// mustLoad reads one language. The files are embedded and checked by tests,
// so a fault here is a programmer's.
func mustLoad(tag string) map[string]message {
	words, err := load(files, tag)
	if err != nil {
		panic(err)
	}
	return words
}

func load(fsys fs.FS, tag string) (map[string]message, error) {
	names, err := fs.Glob(fsys, tag+"/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing catalogue %s: %w", tag, err)
	}
	words := map[string]message{}
	for _, name := range names {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("reading catalogue %s: %w", name, err)
		}
		var entries map[string]json.RawMessage
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, fmt.Errorf("reading catalogue %s: %w", name, err)
		}
		area := strings.TrimSuffix(path.Base(name), ".json")
		for key, raw := range entries {
			m, err := parse(raw)
			if err != nil {
				return nil, fmt.Errorf("catalogue %s, key %s: %w", name, strconv.Quote(key), err)
			}
			words[area+"."+key] = m
		}
	}
	return words, nil
}

func parse(raw json.RawMessage) (message, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return message{plural.Other: split(text)}, nil
	}
	var byForm map[string]string
	if err := json.Unmarshal(raw, &byForm); err != nil {
		return nil, fmt.Errorf("want a text or an object of plural forms: %w", err)
	}
	m := message{}
	for name, text := range byForm {
		form, ok := forms[name]
		if !ok {
			return nil, fmt.Errorf("unknown plural form %q", name)
		}
		m[form] = split(text)
	}
	if _, ok := m[plural.Other]; !ok {
		return nil, fmt.Errorf("plural form %q is missing", "other")
	}
	return m, nil
}

// split cuts a text at its {placeholders}.
func split(text string) []part {
	var parts []part
	for text != "" {
		open := strings.IndexByte(text, '{')
		end := -1
		if open >= 0 {
			end = strings.IndexByte(text[open:], '}')
		}
		if end < 0 {
			return append(parts, part{text: text})
		}
		if open > 0 {
			parts = append(parts, part{text: text[:open]})
		}
		parts = append(parts, part{arg: text[open+1 : open+end]})
		text = text[open+end+1:]
	}
	return parts
}
