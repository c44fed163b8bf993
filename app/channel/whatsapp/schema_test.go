// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// sendSchema is the schema of POST /messages, made from Meta's OpenAPI description; it lies beside the checkout.
const sendSchema = "../../../../shared/fixtures/schemas/wa_send_message.schema.json"

// schema checks documents against the part of JSON Schema 2020-12 that sendSchema uses. A keyword that it does not know
// fails the test, so that no rule is passed over.
type schema struct{ root map[string]any }

func loadSchema(t *testing.T) *schema {
	t.Helper()
	raw, err := os.ReadFile(sendSchema)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(raw, &s.root); err != nil {
		t.Fatal(err)
	}
	return &s
}

func (s *schema) check(body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return s.valid(s.root, v, "body")
}

func (s *schema) valid(rules map[string]any, v any, at string) error {
	for keyword, rule := range rules {
		if err := s.keyword(keyword, rule, rules, v, at); err != nil {
			return err
		}
	}
	return nil
}

func (s *schema) keyword(keyword string, rule any, all map[string]any, v any, at string) error {
	switch keyword {
	case "$schema", "$id", "$comment", "$defs", "title", "then":
		return nil
	case "$ref":
		name := strings.TrimPrefix(rule.(string), "#/$defs/")
		return s.valid(s.root["$defs"].(map[string]any)[name].(map[string]any), v, at)
	case "type":
		return isType(rule, v, at)
	case "const":
		return fail(reflect.DeepEqual(rule, v), "%s: want %v", at, rule)
	case "enum":
		return fail(slices.ContainsFunc(rule.([]any), func(e any) bool { return reflect.DeepEqual(e, v) }), "%s: %v is not one of %v", at, v, rule)
	case "allOf", "anyOf", "oneOf", "not", "if":
		return s.combined(keyword, rule, all, v, at)
	case "properties", "required", "additionalProperties":
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		return s.members(keyword, rule, all, o, at)
	case "items", "minItems", "maxItems":
		list, ok := v.([]any)
		if !ok {
			return nil
		}
		return s.list(keyword, rule, list, at)
	case "minLength", "maxLength", "pattern":
		text, ok := v.(string)
		if !ok {
			return nil
		}
		return textRule(keyword, rule, text, at)
	case "minimum", "maximum":
		n, ok := v.(float64)
		return fail(!ok || (keyword == "minimum") == (n >= rule.(float64)) || n == rule.(float64), "%s: %v is out of range", at, v)
	}
	return fmt.Errorf("the schema uses %q, which this test does not know", keyword)
}

func fail(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func isType(rule, v any, at string) error {
	names, ok := rule.([]any)
	if !ok {
		names = []any{rule}
	}
	is := map[string]bool{"null": v == nil}
	switch n := v.(type) {
	case string:
		is["string"] = true
	case bool:
		is["boolean"] = true
	case map[string]any:
		is["object"] = true
	case []any:
		is["array"] = true
	case float64:
		is["number"], is["integer"] = true, n == float64(int64(n))
	}
	return fail(slices.ContainsFunc(names, func(n any) bool { return is[n.(string)] }), "%s: is no %v", at, rule)
}

func (s *schema) combined(keyword string, rule any, all map[string]any, v any, at string) error {
	switch keyword {
	case "not":
		return fail(s.valid(rule.(map[string]any), v, at) != nil, "%s: matches what it must not", at)
	case "if":
		if then, ok := all["then"].(map[string]any); ok && s.valid(rule.(map[string]any), v, at) == nil {
			return s.valid(then, v, at)
		}
		return nil
	}
	passed := 0
	var first error
	for _, r := range rule.([]any) {
		err := s.valid(r.(map[string]any), v, at)
		if err == nil {
			passed++
		} else if first == nil {
			first = err
		}
	}
	switch {
	case keyword == "allOf" && first != nil:
		return first
	case keyword == "anyOf" && passed == 0, keyword == "oneOf" && passed != 1:
		return fmt.Errorf("%s: %d of %s hold (%w)", at, passed, keyword, first)
	}
	return nil
}

func (s *schema) members(keyword string, rule any, all, o map[string]any, at string) error {
	known, _ := all["properties"].(map[string]any)
	switch keyword {
	case "properties":
		for name, r := range known {
			if v, ok := o[name]; ok {
				if err := s.valid(r.(map[string]any), v, at+"."+name); err != nil {
					return err
				}
			}
		}
	case "required":
		for _, name := range rule.([]any) {
			if _, ok := o[name.(string)]; !ok {
				return fmt.Errorf("%s: lacks %v", at, name)
			}
		}
	case "additionalProperties":
		for name := range o {
			if _, ok := known[name]; !ok && rule == false {
				return fmt.Errorf("%s: has the unknown member %s", at, name)
			}
		}
	}
	return nil
}

func (s *schema) list(keyword string, rule any, list []any, at string) error {
	switch keyword {
	case "minItems":
		return fail(len(list) >= int(rule.(float64)), "%s: has %d items", at, len(list))
	case "maxItems":
		return fail(len(list) <= int(rule.(float64)), "%s: has %d items", at, len(list))
	}
	for i, v := range list {
		if err := s.valid(rule.(map[string]any), v, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return err
		}
	}
	return nil
}

func textRule(keyword string, rule any, text, at string) error {
	n := utf8.RuneCountInString(text)
	switch keyword {
	case "minLength":
		return fail(n >= int(rule.(float64)), "%s: is too short", at)
	case "maxLength":
		return fail(n <= int(rule.(float64)), "%s: is too long", at)
	}
	ok, err := regexp.MatchString(rule.(string), text)
	return fail(ok && err == nil, "%s: %q does not match %v", at, text, rule)
}

// TestSchemaChecks is the control: the checker must find what is wrong.
func TestSchemaChecks(t *testing.T) {
	s := loadSchema(t)
	if s == nil {
		t.Skip("the schema is not beside the checkout")
	}
	for name, body := range map[string]string{
		"an unknown member": `{"messaging_product":"whatsapp","to":"+1","type":"text","text":{"body":"x","colour":"red"}}`,
		"no recipient":      `{"messaging_product":"whatsapp","type":"text","text":{"body":"x"}}`,
		"an empty text":     `{"messaging_product":"whatsapp","to":"+1","type":"text","text":{"body":""}}`,
		"a wrong user id":   `{"messaging_product":"whatsapp","recipient":"x","type":"text","text":{"body":"x"}}`,
		"id and link":       `{"messaging_product":"whatsapp","to":"+1","type":"image","image":{"id":"1","link":"https://x"}}`,
		"a button too many": `{"messaging_product":"whatsapp","to":"+1","type":"interactive","interactive":{"type":"button","body":{"text":"x"},"action":{"buttons":[]}}}`,
		"a wrong product":   `{"messaging_product":"telegram","to":"+1","type":"text","text":{"body":"x"}}`,
	} {
		if s.check([]byte(body)) == nil {
			t.Errorf("%s passes", name)
		}
	}
	if err := s.check([]byte(`{"messaging_product":"whatsapp","to":"+1","type":"text","text":{"body":"x"}}`)); err != nil {
		t.Errorf("a right body: %v", err)
	}
}
