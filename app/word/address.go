// SPDX-License-Identifier: Apache-2.0

package word

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many digits a number has that is written with separators and looked for without.
const (
	leastPhone = 6
	mostPhone  = 15
)

// phones finds numbers that are written in groups: their digits are a term as well.
func phones(s string, f func(Kind, []byte, int, int)) {
	var digits [mostPhone]byte
	n, start, end, gap, grouped := 0, 0, 0, 0, false
	finish := func() {
		if n >= leastPhone && n <= mostPhone && grouped {
			f(Phone, digits[:n], start, end)
		}
		n, gap, grouped = 0, 0, false
	}
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9' || r >= 0x80 && unicode.IsDigit(r):
			if n == 0 {
				start = i
			}
			if n < mostPhone {
				digits[n] = byte(digit(r))
			}
			grouped = grouped || gap > 0
			n, gap, end = n+1, 0, i+utf8.RuneLen(r)
		case n > 0 && gap < 2 && separates(r):
			gap++
		default:
			finish()
		}
	}
	finish()
}

func separates(r rune) bool {
	switch r {
	case ' ', '-', '.', ',', '(', ')', '/', '\u00a0', '\u202f', '\u2010', '\u2011', '\u2013':
		return true
	}
	return false
}

// locals finds what stands before the @ of e-mail addresses: its letters and digits are a term, whatever is between
// them.
func locals(s string, f func(Kind, []byte, int, int)) {
	for from := 0; ; {
		at := strings.IndexByte(s[from:], '@')
		if at < 0 {
			return
		}
		at += from
		start := at
		for start > 0 && strings.IndexByte(" \t\r\n<>,;:\"'()[]@", s[start-1]) < 0 {
			start--
		}
		var term []byte
		parts := 0
		scan := scanner{f: func(_ Kind, part []byte, _, _ int) {
			parts++
			if len(term)+len(part) <= Longest {
				term = append(term, part...)
			}
		}}
		if ascii(s[start:at]) {
			scan.ascii(s[start:at])
		}
		if parts > 1 {
			f(Local, term, start, at)
		}
		from = at + 1
	}
}
