// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	_ "embed"
	"strings"
	"sync"
)

// common.txt holds a few hundred words that lists of leaked passwords begin with, in English and Indonesian, written out
// by hand. The rules below make some ten thousands of passwords of them: any case, letters written as digits, two words
// beside each other, digits and signs at either end. It is not a copy of a list of breaches.
//
//go:embed common.txt
var commonList []byte

// commonWords are the words of the list, each also with its letters written as letters.
var commonWords = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for line := range bytes.Lines(commonList) {
		if w := string(bytes.TrimSpace(line)); w != "" {
			words[w] = true
			words[letters.Replace(w)] = true
		}
	}
	return words
})

var (
	gaps    = strings.NewReplacer(" ", "", "-", "", "_", "", ".", "", "+", "")
	letters = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")
)

const (
	signs = "0123456789!?@#$%&*^~=,;:/()"
	walks = "01234567890123456789 98765432109876543210 abcdefghijklmnopqrstuvwxyz qwertyuiopasdfghjklzxcvbnm qwertyuiop[]asdfghjkl"
)

// common reports whether a password is among the first that anybody tries: a word of the list or two, the words about its
// owner, a walk over the keys, or little repeated; whatever the case and the signs around it.
func common(pw string, about []string) bool {
	low := strings.ToLower(pw)
	if fewCharacters(low) || strings.Contains(walks, low) {
		return true
	}
	plain := gaps.Replace(low)
	own := ownWords(about)
	for _, core := range cores(plain) {
		if own[core] || listed(core) || listed(letters.Replace(core)) || repeated(core) {
			return true
		}
	}
	return false
}

// cores returns the text without some of the signs at its ends: what is left may begin or end with digits itself.
func cores(s string) []string {
	out := []string{s}
	for end := len(s); end > 0 && strings.IndexByte(signs, s[end-1]) >= 0; end-- {
		out = append(out, s[:end-1])
	}
	for start := 0; start < len(s) && strings.IndexByte(signs, s[start]) >= 0; start++ {
		out = append(out, strings.TrimRight(s[start+1:], signs))
	}
	return out
}

// listed reports whether s is a word of the list or two of them.
func listed(s string) bool {
	words := commonWords()
	if words[s] {
		return true
	}
	for i := 3; i+3 <= len(s); i++ {
		if words[s[:i]] && words[s[i:]] {
			return true
		}
	}
	return false
}

// repeated reports whether s is a few characters said again and again.
func repeated(s string) bool {
	for n := 1; n <= 6 && 2*n <= len(s); n++ {
		if s == strings.Repeat(s[:n], len(s)/n)+s[:len(s)%n] {
			return true
		}
	}
	return false
}

// ownWords are the name and the address of the owner, whole and in part.
func ownWords(about []string) map[string]bool {
	own := map[string]bool{}
	for _, word := range about {
		word = strings.ToLower(strings.TrimSpace(word))
		local, _, _ := strings.Cut(word, "@")
		for _, w := range append(strings.Fields(word), word, local) {
			if w = gaps.Replace(w); len(w) > 2 {
				own[w], own[w+w] = true, true
			}
		}
	}
	return own
}

func fewCharacters(s string) bool {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen) < 4
}
