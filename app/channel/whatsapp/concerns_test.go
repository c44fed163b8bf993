// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"testing"

	"kith/app/channel/whatsapp"
)

func TestConcerns(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       bool
	}{
		{"its number", `{"metadata":{"phone_number_id":"1000001"}}`, true},
		{"its number twice, with spaces", "{\"phone_number_id\" : \"1000001\"},{\"phone_number_id\":\n\t\"1000001\"}", true},
		{"another number", `{"phone_number_id":"1000002"}`, false},
		{"a longer number", `{"phone_number_id":"10000012"}`, false},
		{"its number and another", `{"phone_number_id":"1000001"},{"phone_number_id":"1000002"}`, false},
		{"a number that is no text", `{"phone_number_id":1000001}`, false},
		{"no number", `{"field":"account_update"}`, false},
		{"a customer who writes JSON", `{"phone_number_id":"1000001","body":"{\"phone_number_id\":\"1000002\"}"}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := whatsapp.Concerns([]byte(c.body), "1000001"); got != c.want {
				t.Errorf("Concerns is %v, want %v", got, c.want)
			}
		})
	}
}
