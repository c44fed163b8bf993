// SPDX-License-Identifier: Apache-2.0

package word

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// Query is what somebody looks for: every term must be there, and every phrase.
type Query struct {
	Terms   []Term
	Phrases []string // in the form of Text
}

// Term is one word of a query, or the beginning of one.
type Term struct {
	Text   string
	Prefix bool
}

// mostTerms bounds the work of one query; more words than that narrow nothing down.
const mostTerms = 24

// Parse reads words, the beginnings of words (merah*) and "phrases". The last word counts as the beginning of one, for
// it may not be typed to its end, unless a space follows it.
func Parse(s string) (q Query) {
	for s != "" {
		quote := strings.IndexAny(s, "\"“”„«»")
		if quote < 0 {
			q.words(s, true)
			break
		}
		_, n := utf8.DecodeRuneInString(s[quote:])
		q.words(s[:quote], false)
		s = s[quote+n:]
		end := strings.IndexAny(s, "\"“”„«»")
		if end < 0 {
			q.phrase(s) // not closed yet
			break
		}
		_, n = utf8.DecodeRuneInString(s[end:])
		q.phrase(s[:end])
		s = s[end+n:]
	}
	q.Terms = q.Terms[:min(len(q.Terms), mostTerms)]
	return q
}

// Empty tells whether there is nothing to look for.
func (q *Query) Empty() bool { return len(q.Terms) == 0 && len(q.Phrases) == 0 }

// words adds the words of a text; the last one is open when nothing follows it.
func (q *Query) words(s string, open bool) {
	for field := range strings.FieldsSeq(s) {
		q.field(strings.TrimRight(field, "*"), strings.HasSuffix(field, "*"))
	}
	if open && s != "" && strings.TrimRight(s, " \t\r\n") == s && len(q.Terms) > 0 {
		q.Terms[len(q.Terms)-1].Prefix = true
	}
	q.wholeNumber(s, open)
}

// field adds what stands between two spaces.
func (q *Query) field(s string, prefix bool) {
	run, pairs := 0, 0
	Scan(s, func(kind Kind, term []byte, start, end int) {
		switch kind {
		case Word, Symbol:
			q.add(Term{Text: string(term)})
		case Pair:
			if pairs++; pairs == 1 {
				run = start
			}
			q.add(Term{Text: string(term)})
		case Single:
			if pairs == 0 {
				q.add(Term{Text: string(term), Prefix: true}) // it may begin a pair
			} else if pairs > 1 {
				q.Phrases = append(q.Phrases, Text(s[run:end]))
			}
			pairs = 0
		case Phone, Local:
		}
	})
	if prefix && len(q.Terms) > 0 {
		q.Terms[len(q.Terms)-1].Prefix = true
	}
}

// wholeNumber looks for a long number that is typed in groups as a whole: it may be written in others, or in none.
func (q *Query) wholeNumber(s string, open bool) {
	Scan(s, func(kind Kind, term []byte, start, end int) {
		if kind != Phone || len(term) < 8 {
			return
		}
		Scan(s[start:end], func(_ Kind, part []byte, _, _ int) {
			if i := slices.IndexFunc(q.Terms, func(t Term) bool { return t.Text == string(part) }); i >= 0 {
				q.Terms = slices.Delete(q.Terms, i, i+1)
			}
		})
		q.add(Term{Text: string(term), Prefix: open && end == len(s)})
	})
}

func (q *Query) add(t Term) {
	if !slices.Contains(q.Terms, t) {
		q.Terms = append(q.Terms, t)
	}
}

func (q *Query) phrase(s string) {
	text := Text(s)
	if text == "" {
		return
	}
	q.Phrases = append(q.Phrases, text)
	Scan(s, func(kind Kind, term []byte, _, _ int) {
		if kind == Word || kind == Pair || kind == Symbol {
			q.add(Term{Text: string(term)})
		}
	})
	if len(q.Terms) == 0 { // one character of a script without spaces
		q.add(Term{Text: text, Prefix: true})
	}
}

// Matches tells whether texts, taken together, have every term, and one of them each phrase.
func (q *Query) Matches(texts ...string) bool {
	open := len(q.Terms)
	met := make([]bool, len(q.Terms))
	for _, s := range texts {
		if open == 0 {
			break
		}
		Each(s, func(term []byte) {
			for i := range q.Terms {
				if !met[i] && q.Terms[i].is(term) {
					met[i] = true
					open--
				}
			}
		})
	}
	if open > 0 {
		return false
	}
	for _, p := range q.Phrases {
		if !slices.ContainsFunc(texts, func(s string) bool { return HasPhrase(Text(s), p) }) {
			return false
		}
	}
	return true
}

func (t *Term) is(term []byte) bool {
	return string(term) == t.Text || t.Prefix && bytes.HasPrefix(term, []byte(t.Text))
}

// Range is a part of a text, s[Start:End].
type Range struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Highlights are the parts of a text that a query finds, in order and apart.
func (q *Query) Highlights(s string) (found []Range) {
	Scan(s, func(kind Kind, term []byte, start, end int) {
		for i := range q.Terms {
			t := &q.Terms[i]
			if !t.is(term) {
				continue
			}
			if kind == Pair && utf8.RuneCountInString(t.Text) == 1 {
				_, n := utf8.DecodeRuneInString(s[start:])
				end = start + n
			}
			found = append(found, Range{start, end})
			return
		}
	})
	slices.SortFunc(found, func(a, b Range) int { return a.Start - b.Start })
	apart := found[:0]
	for _, r := range found {
		if n := len(apart); n > 0 && r.Start <= apart[n-1].End {
			apart[n-1].End = max(apart[n-1].End, r.End)
		} else {
			apart = append(apart, r)
		}
	}
	return apart
}
