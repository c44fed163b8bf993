// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// rule checks one value of a request; path names it as the network does:
// interactive['action']['buttons'][0].
type rule func(path string, v any) *fault

func invalid(path, format string, args ...any) *fault {
	return &fault{code: 100, message: "(#100) Invalid parameter", detail: "Param " + path + " " + fmt.Sprintf(format, args...)}
}

func missing(path string) *fault {
	return &fault{code: 131008, detail: "The parameter " + path + " is required."}
}

// text is a string of least to most characters.
func text(least, most int) rule {
	return func(path string, v any) *fault {
		s, ok := v.(string)
		if !ok {
			return invalid(path, "must be a string.")
		}
		switch n := utf8.RuneCountInString(s); {
		case n < least:
			return invalid(path, "must not be empty.")
		case n > most:
			return invalid(path, "must be at most %d characters long; it has %d.", most, n)
		}
		return nil
	}
}

func matching(pattern, says string) rule {
	re := regexp.MustCompile(pattern)
	return func(path string, v any) *fault {
		if s, ok := v.(string); !ok || !re.MatchString(s) {
			return invalid(path, "must be %s.", says)
		}
		return nil
	}
}

func word(allowed ...string) rule {
	return func(path string, v any) *fault {
		if s, ok := v.(string); !ok || !slices.Contains(allowed, s) {
			return invalid(path, "must be one of {%s}.", strings.Join(allowed, ", "))
		}
		return nil
	}
}

func truth(path string, v any) *fault {
	if _, ok := v.(bool); !ok {
		return invalid(path, "must be a boolean.")
	}
	return nil
}

// within is a number, or a string that holds one, between two bounds.
func within(low, high float64) rule {
	return func(path string, v any) *fault {
		var n json.Number
		switch t := v.(type) {
		case json.Number:
			n = t
		case string:
			n = json.Number(t)
		}
		if f, err := n.Float64(); err != nil || f < low || f > high {
			return invalid(path, "must be a number from %g to %g.", low, high)
		}
		return nil
	}
}

func integer(path string, v any) *fault {
	if n, ok := v.(json.Number); ok {
		if _, err := n.Int64(); err == nil {
			return nil
		}
	}
	return invalid(path, "must be an integer.")
}

func list(least, most int, each rule) rule {
	return func(path string, v any) *fault {
		l, ok := v.([]any)
		if !ok {
			return invalid(path, "must be an array.")
		}
		if len(l) < least || len(l) > most {
			return invalid(path, "must have %d to %d items; it has %d.", least, most, len(l))
		}
		for i, e := range l {
			if f := each(fmt.Sprintf("%s[%d]", path, i), e); f != nil {
				return f
			}
		}
		return nil
	}
}

// members are the members of an object; a name that ends in ! is required.
type members map[string]rule

// object refuses unknown members, as the network does.
func object(ms members) rule {
	rules := make(members, len(ms))
	var required []string
	for name, r := range ms {
		bare, must := strings.CutSuffix(name, "!")
		rules[bare] = r
		if must {
			required = append(required, bare)
		}
	}
	slices.Sort(required)
	return func(path string, v any) *fault {
		o, ok := v.(map[string]any)
		if !ok {
			return invalid(path, "must be an object.")
		}
		names := slices.Sorted(maps.Keys(o))
		for _, n := range names {
			if rules[n] == nil {
				return &fault{code: 100, message: "(#100) Invalid parameter", detail: fmt.Sprintf("Unexpected key %q on param %q.", n, path)}
			}
		}
		for _, n := range required {
			if _, ok := o[n]; !ok {
				return missing(under(path, n))
			}
		}
		for _, n := range names {
			if f := rules[n](under(path, n), o[n]); f != nil {
				return f
			}
		}
		return nil
	}
}

// either is an object that has exactly one of two members.
func either(a, b string, r rule) rule {
	return func(path string, v any) *fault {
		if f := r(path, v); f != nil {
			return f
		}
		o, _ := v.(map[string]any)
		_, hasA := o[a]
		_, hasB := o[b]
		if hasA == hasB {
			return invalid(path, "must have exactly one of %q and %q.", a, b)
		}
		return nil
	}
}

// byType is an object whose member "type" chooses the rule.
func byType(rules map[string]rule) rule {
	return func(path string, v any) *fault {
		o, ok := v.(map[string]any)
		if !ok {
			return invalid(path, "must be an object.")
		}
		if _, ok := o["type"]; !ok {
			return missing(under(path, "type"))
		}
		kind, _ := o["type"].(string)
		if r := rules[kind]; r != nil {
			return r(path, v)
		}
		return invalid(under(path, "type"), "must be one of {%s}.", strings.Join(slices.Sorted(maps.Keys(rules)), ", "))
	}
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "['" + name + "']"
}
