// SPDX-License-Identifier: Apache-2.0

// Package locale holds every word that people read and says dates, numbers
// and sizes the way their language does.
//
// The catalogues are plain JSON files, one folder per language and one file
// per area (en/inbox.json, id/inbox.json), embedded and merged when the first
// word is asked for. They were chosen over golang.org/x/text/message because
// a translator can read them, because two engineers can add areas without
// touching the same generated file, and because a whole page must cost
// microseconds; from x/text come the parts that are hard to get right, the
// matching of languages and the plural rules.
//
// A Locale is passed as an argument or a field. It is never put in a context,
// so a component that needs words has to say so.
package locale

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"
)

// Cookie is the name of the cookie that keeps the language a person chose.
const Cookie = "lang"

// ZoneCookie is the name of the cookie that keeps the time zone a person chose.
const ZoneCookie = "zone"

// Locale is one language together with the time zone that times are shown in.
// It is immutable and safe to share.
type Locale struct {
	// Tag is the BCP 47 tag for the lang attribute.
	Tag string
	// Dir is "ltr" or "rtl", for the dir attribute.
	Dir string
	// Name is what the language calls itself.
	Name string

	lang  language.Tag
	zone  *time.Location
	words map[string]message
	marks marks
}

// marks are the signs a language puts into numbers and clock times.
type marks struct {
	group, decimal, clock string
}

// languages are the catalogues on offer; the first is the fallback.
var languages = []struct {
	tag, name string
	marks     marks
}{
	{"en", "English", marks{group: ",", decimal: ".", clock: ":"}},
	{"id", "Bahasa Indonesia", marks{group: ".", decimal: ",", clock: "."}},
}

var loaded = sync.OnceValue(func() []*Locale {
	all := make([]*Locale, 0, len(languages))
	for _, spec := range languages {
		tag := language.MustParse(spec.tag)
		all = append(all, &Locale{
			Tag: spec.tag, Dir: "ltr", Name: spec.name,
			lang: tag, zone: time.UTC, words: mustLoad(spec.tag), marks: spec.marks,
		})
	}
	return all
})

var matcher = sync.OnceValue(func() language.Matcher {
	tags := make([]language.Tag, 0, len(languages))
	for _, l := range loaded() {
		tags = append(tags, l.lang)
	}
	return language.NewMatcher(tags)
})

// All returns every language on offer, the fallback first.
func All() []*Locale { return append([]*Locale(nil), loaded()...) }

// English returns the fallback language.
func English() *Locale { return loaded()[0] }

// Match picks the language of a request: the cookie when it names one that we
// have, else the best of the Accept-Language header, else English. Neither
// argument needs to be well formed.
func Match(acceptLanguage, cookie string) *Locale {
	switch cookie {
	case "":
	case pseudoTag:
		return Pseudo()
	case pseudoRTLTag:
		return PseudoRTL()
	default:
		for _, l := range loaded() {
			if strings.EqualFold(l.Tag, cookie) {
				return l
			}
		}
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wanted) == 0 {
		return English()
	}
	_, i, confidence := matcher().Match(wanted...)
	if confidence == language.No {
		return English()
	}
	return loaded()[i]
}

// In returns the same language with times shown in zone.
func (l *Locale) In(zone *time.Location) *Locale {
	if zone == nil {
		zone = time.UTC
	}
	c := *l
	c.zone = zone
	return &c
}

// Zone is the time zone that times are shown in.
func (l *Locale) Zone() *time.Location { return l.zone }
