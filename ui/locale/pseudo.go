// SPDX-License-Identifier: Apache-2.0

package locale

import (
	"strings"
	"sync"
)

// The tags of the two languages that exist only to find faults.
const (
	pseudoTag    = "en-XA"
	pseudoRTLTag = "ar-XB"
)

const (
	pseudoFrom = "aeiouycnsAEIOUYCNS"
	pseudoTo   = "áéíóúýçñšÁÉÍÓÚÝÇÑŠ"
)

var accents = func() map[rune]rune {
	to := []rune(pseudoTo)
	m := make(map[rune]rune, len(to))
	for i, r := range pseudoFrom {
		m[r] = to[i]
	}
	return m
}()

var pseudoWords = sync.OnceValue(func() map[string]message {
	words := map[string]message{}
	for key, m := range English().words {
		accented := message{}
		for form, parts := range m {
			accented[form] = pseudoParts(parts)
		}
		words[key] = accented
	}
	return words
})

// Pseudo returns a language for tests: English with accents, a third longer
// and between ⟦ and ⟧. Text on a page outside the brackets is hard-coded, and
// text that is cut off does not fit other languages.
func Pseudo() *Locale {
	l := *English()
	l.Tag, l.Name, l.words = pseudoTag, "Pseudo", pseudoWords()
	return &l
}

// PseudoRTL is Pseudo for a script that runs from right to left.
func PseudoRTL() *Locale {
	l := Pseudo()
	l.Tag, l.Dir, l.Name = pseudoRTLTag, "rtl", "Pseudo RTL"
	return l
}

func pseudoParts(parts []part) []part {
	out := make([]part, 0, len(parts)+2)
	out = append(out, part{text: "⟦"})
	letters := 0
	for _, p := range parts {
		if p.arg != "" {
			out = append(out, p)
			continue
		}
		letters += len(p.text)
		out = append(out, part{text: strings.Map(accent, p.text)})
	}
	return append(out, part{text: strings.Repeat("·", letters/3) + "⟧"})
}

func accent(r rune) rune {
	if a, ok := accents[r]; ok {
		return a
	}
	return r
}
