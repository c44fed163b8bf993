// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func escape(id string) string { return url.QueryEscape(id) }

// vals is the JSON of hx-vals for pairs of names and values.
func vals(pairs ...string) string {
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(m) // strings always encode
	return string(b)
}

// web reports whether an address can be opened from the page.
func web(address string) bool {
	return strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
}
