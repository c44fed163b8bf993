// SPDX-License-Identifier: Apache-2.0

// Package word finds the words in what people write, in any script, in the form in which they are looked for: without
// case, without the accents that people leave out, compatible characters alike. Where no spaces stand between words,
// two characters at a time take their place.
package word

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Kind says what a term was made of.
type Kind uint8

// The kinds of terms.
const (
	Word   Kind = iota + 1 // letters and digits between spaces
	Pair                   // two characters of a script without spaces
	Single                 // the last character of such a run
	Phone                  // the digits of a number with separators
	Local                  // the letters and digits before the @ of an address
	Symbol                 // an emoji
)

// Longest is how many bytes of a word count; what people look for is shorter.
const Longest = 64

// Scan calls f with every term of s and the bytes it stands for, s[start:end]. The term is valid during the call.
func Scan(s string, f func(kind Kind, term []byte, start, end int)) {
	w := scanner{f: f}
	if ascii(s) {
		w.ascii(s)
	} else {
		w.unicode(s)
	}
	if w.digits >= leastPhone {
		phones(s, f)
	}
	if w.at {
		locals(s, f)
	}
}

// Each calls f with every term of s under which it is indexed.
func Each(s string, f func(term []byte)) {
	Scan(s, func(_ Kind, term []byte, _, _ int) { f(term) })
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// scanner collects the characters of the current word or run.
type scanner struct {
	f          func(Kind, []byte, int, int)
	word       []byte
	start, end int
	full       bool // the word is longer than counts

	run     int  // characters of the current run without spaces
	last    rune // the newest of them
	lastAt  int
	lastEnd int

	digits int
	at     bool
}

func (w *scanner) ascii(s string) {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			w.letter(rune(c|0x20), i, i+1)
		case c >= 'a' && c <= 'z':
			w.letter(rune(c), i, i+1)
		case c >= '0' && c <= '9':
			w.digits++
			w.letter(rune(c), i, i+1)
		default:
			w.at = w.at || c == '@'
			w.endWord()
		}
	}
	w.endWord()
}

// unicode walks over the characters in their composed form. Where that differs from what is written, a group of
// characters stands for the bytes it was made of.
func (w *scanner) unicode(s string) {
	if norm.NFKC.IsNormalString(s) {
		for i, r := range s {
			n := utf8.RuneLen(r)
			if r == utf8.RuneError {
				_, n = utf8.DecodeRuneInString(s[i:])
			}
			w.char(r, i, i+n)
		}
	} else {
		var it norm.Iter
		it.InitString(norm.NFKC, s)
		for !it.Done() {
			start := it.Pos()
			group := it.Next()
			_, n := utf8.DecodeRuneInString(s[start:])
			end := max(it.Pos(), start+n) // a character that becomes several may come in parts
			for len(group) > 0 {
				r, n := utf8.DecodeRune(group)
				group = group[n:]
				w.char(r, start, end)
			}
		}
	}
	w.endRun()
	w.endWord()
}

// char takes one composed character.
func (w *scanner) char(r rune, start, end int) {
	if r < 0x80 {
		w.endRun()
		switch {
		case r >= 'A' && r <= 'Z':
			w.letter(r|0x20, start, end)
		case r >= 'a' && r <= 'z':
			w.letter(r, start, end)
		case r >= '0' && r <= '9':
			w.digits++
			w.letter(r, start, end)
		default:
			w.at = w.at || r == '@'
			w.endWord()
		}
		return
	}
	switch {
	case ignored(r):
	case unicode.IsDigit(r):
		w.endRun()
		w.digits++
		w.letter(digit(r), start, end)
	case spaceless(r):
		w.endWord()
		w.pair(r, start, end)
	case unicode.IsLetter(r):
		w.endRun()
		w.fold(r, start, end)
	case unicode.Is(unicode.M, r):
		if len(w.word) > 0 && !dropsMarks(r) {
			w.letter(r, start, end)
		}
	case symbol(r):
		w.endRun()
		w.endWord()
		w.f(Symbol, utf8.AppendRune(nil, r), start, end)
	default:
		w.endRun()
		w.endWord()
	}
}

// fold takes a letter without its case and, where people leave them out, without its marks.
func (w *scanner) fold(r rune, start, end int) {
	r = unicode.ToLower(r)
	if long, ok := spelled[r]; ok {
		for _, r := range long {
			w.letter(r, start, end)
		}
		return
	}
	if !dropsMarks(r) {
		w.letter(r, start, end)
		return
	}
	var from [utf8.UTFMax]byte
	var to [32]byte
	for _, r := range string(norm.NFD.Append(to[:0], utf8.AppendRune(from[:0], r)...)) {
		if !unicode.Is(unicode.Mn, r) {
			w.letter(alike(unicode.ToLower(r)), start, end)
		}
	}
}

func (w *scanner) letter(r rune, start, end int) {
	if len(w.word) == 0 {
		w.start, w.full = start, false
	}
	w.end = end
	if w.full = w.full || len(w.word)+utf8.RuneLen(r) > Longest; !w.full {
		w.word = utf8.AppendRune(w.word, r)
	}
}

func (w *scanner) endWord() {
	if len(w.word) > 0 {
		w.f(Word, w.word, w.start, w.end)
		w.word = w.word[:0]
	}
}

// pair takes a character of a script without spaces.
func (w *scanner) pair(r rune, start, end int) {
	r = unicode.ToLower(r)
	if w.run > 0 {
		var b [2 * utf8.UTFMax]byte
		w.f(Pair, utf8.AppendRune(utf8.AppendRune(b[:0], w.last), r), w.lastAt, end)
	}
	w.run++
	w.last, w.lastAt, w.lastEnd = r, start, end
}

// endRun gives the last character alone, so that one character is found wherever it stands: the others begin a pair.
func (w *scanner) endRun() {
	if w.run > 0 {
		var b [utf8.UTFMax]byte
		w.f(Single, utf8.AppendRune(b[:0], w.last), w.lastAt, w.lastEnd)
		w.run = 0
	}
}

// ignored are characters within words that nobody types: joiners, soft hyphens, the Arabic stretch, directions.
func ignored(r rune) bool {
	switch {
	case r == 0x00ad, r == 0x0640, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x2069, r == 0xfeff:
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0x1f3fb && r <= 0x1f3ff: // the look of an emoji
		return true
	}
	return false
}

// dropsMarks are the scripts whose readers find a word with or without its marks: Latin, Greek, Cyrillic, Hebrew,
// Arabic, and marks that belong to no script.
func dropsMarks(r rune) bool {
	return r < 0x0700 || r >= 0x08a0 && r <= 0x08ff || r >= 0x1ab0 && r <= 0x1aff || r >= 0x1dc0 && r <= 0x20ff ||
		r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff
}

// spaceless are the scripts that put no spaces between words: Han, kana, Bopomofo, Thai, Lao, Myanmar, Khmer.
func spaceless(r rune) bool {
	switch {
	case r < 0x0e00:
		return false
	case r >= 0x0e00 && r <= 0x0eff, r >= 0x1000 && r <= 0x109f, r >= 0x1780 && r <= 0x17ff,
		r >= 0x3005 && r <= 0x3007, r >= 0x3040 && r <= 0x312f, r >= 0x31a0 && r <= 0x31ff, r >= 0x3400 && r <= 0x9fff,
		r >= 0xaa60 && r <= 0xaa7f, r >= 0xf900 && r <= 0xfaff, r >= 0x20000 && r <= 0x3ffff:
		return unicode.IsLetter(r) || unicode.Is(unicode.M, r) || r == 0x3007
	}
	return false
}

// symbol are the emoji; the letters of flags are among them.
func symbol(r rune) bool {
	return r >= 0x2600 && r <= 0x27bf || r >= 0x2b00 && r <= 0x2bff || r >= 0x1f1e6 && r <= 0x1f1ff || r >= 0x1f300 && r <= 0x1faff
}

// digit is the European digit of any other.
func digit(r rune) rune {
	for _, rg := range unicode.Nd.R16 {
		if lo, hi := rune(rg.Lo), rune(rg.Hi); r >= lo && r <= hi {
			return '0' + (r-lo)%10
		}
	}
	for _, rg := range unicode.Nd.R32 {
		if lo, hi := rune(rg.Lo), rune(rg.Hi); r >= lo && r <= hi { //nolint:gosec // ranges of Unicode
			return '0' + (r-lo)%10
		}
	}
	return r
}

// spelled are letters that are no letter with a mark to Unicode, but are to who types them.
var spelled = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ł': "l", 'ħ': "h", 'ı': "i", 'þ': "th", 'ŋ': "n", 'ĸ': "k",
}

// alike are letters that are typed one for the other: final sigma, and the forms of Arabic and Persian keyboards.
func alike(r rune) rune {
	switch r {
	case 'ς':
		return 'σ'
	case 'ى', 'ی':
		return 'ي'
	case 'ة':
		return 'ه'
	case 'ک':
		return 'ك'
	case 'ٱ':
		return 'ا'
	}
	return r
}

// Text is s in the form in which phrases are compared: its words with one space between them.
func Text(s string) string {
	var b []byte
	last := Kind(0)
	Scan(s, func(kind Kind, term []byte, _, _ int) {
		switch kind {
		case Word, Symbol:
			if len(b) > 0 {
				b = append(b, ' ')
			}
			b = append(b, term...)
		case Pair:
			_, n := utf8.DecodeRune(term)
			if last != Pair && len(b) > 0 {
				b = append(b, ' ')
			}
			b = append(b, term[:n]...)
		case Single:
			if last != Pair && len(b) > 0 {
				b = append(b, ' ')
			}
			b = append(b, term...)
		case Phone, Local:
			return
		}
		last = kind
	})
	return string(b)
}

// HasPhrase tells whether a text has a phrase, both in the form of Text: whole words, or any part of a run without
// spaces.
func HasPhrase(text, phrase string) bool {
	if phrase == "" {
		return true
	}
	first, _ := utf8.DecodeRuneInString(phrase)
	last, _ := utf8.DecodeLastRuneInString(phrase)
	for from := 0; ; {
		i := strings.Index(text[from:], phrase)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(phrase)
		if (spaceless(first) || i == 0 || text[i-1] == ' ') && (spaceless(last) || end == len(text) || text[end] == ' ') {
			return true
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		from = i + n
	}
}
