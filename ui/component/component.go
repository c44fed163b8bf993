// SPDX-License-Identifier: Apache-2.0

// Package component draws the parts that every page is made of. Each is a
// pure function of its arguments: no request, no store, no clock. Texts come
// in already formatted, and words of its own come from the locale that is
// passed along. A component needs no inline style and no inline script, so
// the strict content security policy holds wherever it is used.
package component

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/a-h/templ"
)

// Kind says what a button, chip, banner or toast means; its colour follows.
type Kind string

// The kinds. The empty kind is neutral.
const (
	Plain   Kind = ""
	Primary Kind = "primary"
	Ghost   Kind = "ghost"
	Danger  Kind = "danger"
	OK      Kind = "ok"
	Warn    Kind = "warn"
	Info    Kind = "info"
	Violet  Kind = "violet"
	Accent  Kind = "accent"
)

// Attrs are attributes of an element in the order in which they are written. A page of the inbox has hundreds: a map of
// them would be made, and sorted, each time.
type Attrs = templ.OrderedAttributes

// Pairs returns attributes from names and values in turn.
func Pairs(nameValue ...string) Attrs {
	a := make(Attrs, 0, len(nameValue)/2)
	for i := 0; i+1 < len(nameValue); i += 2 {
		a = append(a, templ.KV[string, any](nameValue[i], nameValue[i+1]))
	}
	return a
}

// class is the class attribute, for what a page has many of: class={ } takes the names apart and counts them in a map.
type class string

// Items implements templ.Attributer.
func (c class) Items() []templ.KeyValue[string, any] {
	return []templ.KeyValue[string, any]{{Key: "class", Value: string(c)}}
}

// classes joins the names that are not empty.
func classes(names ...string) class {
	var all string
	for _, n := range names {
		switch {
		case all == "":
			all = n
		case n != "":
			all += " " + n
		}
	}
	return class(all)
}

// when is the name while something is so.
func when(is bool, name string) string {
	if is {
		return name
	}
	return ""
}

// Hues is how many colours an avatar can have: hue 0 to Hues-1.
const Hues = 12

// HueOf maps an identifier to a stable hue.
func HueOf(id string) int {
	sum := uint32(2166136261)
	for i := range len(id) {
		sum = (sum ^ uint32(id[i])) * 16777619
	}
	return int(sum % Hues)
}

// Initials shortens a name to at most two letters: the first of the first and
// of the last word that has one. What stands in brackets after the name says
// something else.
func Initials(name string) string {
	if before, _, ok := strings.Cut(name, " ("); ok && strings.TrimFunc(before, isSign) != "" {
		name = before
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '-' || r == '.' })
	letters := make([]string, 0, 2)
	for _, w := range words {
		for _, r := range strings.TrimLeftFunc(w, isSign) {
			letters = append(letters, strings.ToUpper(string(r)))
			break
		}
	}
	switch len(letters) {
	case 0:
		return "#"
	case 1:
		return letters[0]
	}
	return letters[0] + letters[len(letters)-1]
}

// isSign reports whether r says nothing about a name. Emoji do.
func isSign(r rune) bool { return !unicode.IsLetter(r) && !unicode.Is(unicode.So, r) }

func hueClass(hue int) string {
	if hue < 0 || hue >= Hues {
		hue = 0
	}
	return "hue-" + strconv.Itoa(hue)
}

func (k Kind) class(prefix string) string {
	if k == Plain {
		return ""
	}
	return prefix + string(k)
}

// Link makes a path of our own safe for href attributes; any scheme that can
// run script becomes about:invalid.
func Link(path string) templ.SafeURL { return templ.URL(path) }

func channelIcon(kind string) string {
	switch kind {
	case "whatsapp":
		return "ch-whatsapp"
	case "email":
		return "mail"
	case "instagram":
		return "at-sign"
	case "telegram":
		return "send"
	case "messenger":
		return "message-circle"
	}
	return "globe"
}

func channelClass(kind string) string {
	switch kind {
	case "whatsapp", "email", "instagram", "telegram", "messenger":
		return "ch-" + kind
	}
	return "ch-web"
}
