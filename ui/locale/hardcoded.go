// SPDX-License-Identifier: Apache-2.0

package locale

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	hcTag     = regexp.MustCompile(`<[^>]*>`)
	hcSkipped = regexp.MustCompile(`(?s)<!doctype[^>]*>|<!--.*?-->|&#?[a-z0-9]+;`)
	hcSpoken  = regexp.MustCompile(`\s(?:title|alt|placeholder|aria-label|label|data-tip|data-play|data-pause|data-seek|data-hours|data-minutes|data-reply|data-note|data-done|data-remove|data-offline|data-live-lost)="([^"]*)"`)
	hcInside  = regexp.MustCompile(`⟦[^⟦⟧]*⟧`)
)

// signs are words that are the same in every language.
var signs = []string{"kith", "B", "kB", "MB", "GB", "TB", "·", "(N)", "(H)", "/"}

// HardCoded is for the tests of pages: it returns the words of a page, drawn
// in Pseudo, that did not come from the catalogue. It looks at text and at the
// attributes that people read or hear. Sample data that a test puts into a
// page comes back too, so give it digits or name its words in allowed.
func HardCoded(html string, allowed ...string) []string {
	html = hcSkipped.ReplaceAllString(html, "")
	texts := hcTag.Split(html, -1)
	for _, m := range hcSpoken.FindAllStringSubmatch(html, -1) {
		texts = append(texts, m[1])
	}
	var found []string
	for _, text := range texts {
		for hcInside.MatchString(text) {
			text = hcInside.ReplaceAllString(text, "")
		}
		for word := range strings.FieldsSeq(text) {
			if strings.ContainsFunc(word, unicode.IsLetter) && !slices.Contains(signs, word) && !slices.Contains(allowed, word) {
				found = append(found, word)
			}
		}
	}
	return found
}
