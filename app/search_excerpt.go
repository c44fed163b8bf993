// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"kith/app/word"
)

// Piece is a part of an excerpt; Marked says that it was looked for.
type Piece struct {
	Text   string
	Marked bool
}

// Excerpt returns about length characters of what a found message says, around the first words that were looked for. Of
// several texts, such as a caption and the name of a file, the one with the most of them speaks.
func (f *Found) Excerpt(m *Message, length int) []Piece {
	var best string
	var marks []word.Range
	m.texts(func(s string) {
		if r := f.Words.Highlights(s); best == "" || len(r) > len(marks) {
			best, marks = s, r
		}
	})
	from := 0
	if len(marks) > 0 {
		from = excerptStart(best, marks[0].Start, length/3)
	}
	var out []Piece
	if from > 0 {
		out = append(out, Piece{Text: "…"})
	}
	left := length
	say := func(s string, marked bool) {
		if left <= 0 || s == "" {
			return
		}
		cut := cutAt(s, left)
		left -= utf8.RuneCountInString(cut)
		if text := spaced(cut); text != "" {
			out = append(out, Piece{text, marked})
		}
		if len(cut) < len(s) {
			left = 0
			out = append(out, Piece{Text: "…"})
		}
	}
	for _, r := range marks {
		say(best[from:r.Start], false)
		say(best[r.Start:r.End], true)
		from = r.End
	}
	say(best[from:], false)
	return out
}

// excerptStart is the start of a word at most so many characters before a place; 0 when the beginning is that near.
func excerptStart(s string, at, before int) int {
	start := at
	for range before {
		if start == 0 {
			return 0
		}
		_, n := utf8.DecodeLastRuneInString(s[:start])
		start -= n
	}
	if i := strings.IndexFunc(s[start:at], unicode.IsSpace); i >= 0 {
		_, n := utf8.DecodeRuneInString(s[start+i:])
		return start + i + n
	}
	return start
}

// cutAt is the first n characters of s.
func cutAt(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// spaced makes one space of every stretch of white space.
func spaced(s string) string {
	out := strings.Join(strings.Fields(s), " ")
	if out == "" {
		if s != "" {
			return " "
		}
		return ""
	}
	if first, _ := utf8.DecodeRuneInString(s); unicode.IsSpace(first) {
		out = " " + out
	}
	if last, _ := utf8.DecodeLastRuneInString(s); unicode.IsSpace(last) {
		out += " "
	}
	return out
}
