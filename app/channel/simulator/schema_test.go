// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// outside is where the schemas and provider fixtures may lie beside the checkout.
const outside = "../../../../shared/fixtures"

// schema checks JSON against the part of JSON Schema 2020-12 that the shared
// schemas use.
type schema struct{ root map[string]any }

// loadSchema reads a schema; where it is not at hand, nil checks nothing.
func loadSchema(tb testing.TB, name string) *schema {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(outside, "schemas", name))
	if err != nil {
		tb.Logf("without %s: %v", name, err)
		return nil
	}
	s := &schema{}
	if err := json.Unmarshal(raw, &s.root); err != nil {
		tb.Fatal(err)
	}
	return s
}

// check fails the test when the JSON does not fit.
func (s *schema) check(tb testing.TB, raw []byte) {
	tb.Helper()
	if err := s.validate(raw); err != nil {
		tb.Errorf("%v\n%s", err, raw)
	}
}

func (s *schema) validate(raw []byte) error {
	if s == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	return s.fits("$", s.root, v)
}

// combine checks allOf, anyOf and oneOf.
func (s *schema) combine(path string, sub map[string]any, v any) error {
	if all, ok := sub["allOf"].([]any); ok {
		for _, one := range all {
			if err := s.fits(path, one.(map[string]any), v); err != nil {
				return err
			}
		}
	}
	if some, ok := sub["anyOf"].([]any); ok && s.matches(path, some, v) == 0 {
		return fmt.Errorf("%s: fits none of anyOf", path)
	}
	if one, ok := sub["oneOf"].([]any); ok && s.matches(path, one, v) != 1 {
		return fmt.Errorf("%s: does not fit one of oneOf", path)
	}
	return nil
}

func (s *schema) matches(path string, subs []any, v any) (n int) {
	for _, sub := range subs {
		if s.fits(path, sub.(map[string]any), v) == nil {
			n++
		}
	}
	return n
}

func (s *schema) fits(path string, sub map[string]any, v any) error {
	if ref, ok := sub["$ref"].(string); ok {
		defs := s.root["$defs"].(map[string]any)
		if err := s.fits(path, defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), v); err != nil {
			return err
		}
	}
	if err := s.combine(path, sub, v); err != nil {
		return err
	}
	if not, ok := sub["not"].(map[string]any); ok && s.fits(path, not, v) == nil {
		return fmt.Errorf("%s: fits what it must not", path)
	}
	if cond, ok := sub["if"].(map[string]any); ok && s.fits(path, cond, v) == nil {
		if err := s.fits(path, sub["then"].(map[string]any), v); err != nil {
			return err
		}
	}
	if err := scalar(path, sub, v); err != nil {
		return err
	}
	switch t := v.(type) {
	case map[string]any:
		return s.fitsObject(path, sub, t)
	case []any:
		return s.fitsArray(path, sub, t)
	}
	return nil
}

func (s *schema) fitsObject(path string, sub, o map[string]any) error {
	if req, ok := sub["required"].([]any); ok {
		for _, r := range req {
			if _, ok := o[r.(string)]; !ok {
				return fmt.Errorf("%s: %s is missing", path, r)
			}
		}
	}
	props, _ := sub["properties"].(map[string]any)
	for k, v := range o {
		p, known := props[k].(map[string]any)
		if !known && sub["additionalProperties"] == false {
			return fmt.Errorf("%s: %s is not expected", path, k)
		}
		if known {
			if err := s.fits(path+"."+k, p, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *schema) fitsArray(path string, sub map[string]any, l []any) error {
	if n, ok := sub["minItems"].(float64); ok && len(l) < int(n) {
		return fmt.Errorf("%s: fewer than %v items", path, n)
	}
	if n, ok := sub["maxItems"].(float64); ok && len(l) > int(n) {
		return fmt.Errorf("%s: more than %v items", path, n)
	}
	each, ok := sub["items"].(map[string]any)
	if !ok {
		return nil
	}
	for i, e := range l {
		if err := s.fits(fmt.Sprintf("%s[%d]", path, i), each, e); err != nil {
			return err
		}
	}
	return nil
}

func scalar(path string, sub map[string]any, v any) error {
	if !typed(sub["type"], v) {
		return fmt.Errorf("%s: is not of type %v", path, sub["type"])
	}
	if c, ok := sub["const"]; ok && !reflect.DeepEqual(c, v) {
		return fmt.Errorf("%s: is not %v", path, c)
	}
	if e, ok := sub["enum"].([]any); ok && !slices.ContainsFunc(e, func(x any) bool { return reflect.DeepEqual(x, v) }) {
		return fmt.Errorf("%s: is none of %v", path, e)
	}
	if str, ok := v.(string); ok {
		n := float64(utf8.RuneCountInString(str))
		if least, ok := sub["minLength"].(float64); ok && n < least {
			return fmt.Errorf("%s: shorter than %v", path, least)
		}
		if most, ok := sub["maxLength"].(float64); ok && n > most {
			return fmt.Errorf("%s: longer than %v", path, most)
		}
		if p, ok := sub["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(str) {
			return fmt.Errorf("%s: does not match %s", path, p)
		}
	}
	if num, ok := v.(json.Number); ok {
		f, _ := num.Float64()
		low, hasLow := sub["minimum"].(float64)
		high, hasHigh := sub["maximum"].(float64)
		if hasLow && f < low || hasHigh && f > high {
			return fmt.Errorf("%s: out of bounds", path)
		}
	}
	return nil
}

func typed(want, v any) bool {
	if l, ok := want.([]any); ok {
		return slices.ContainsFunc(l, func(w any) bool { return typed(w, v) })
	}
	switch want {
	case nil:
		return true
	case "integer":
		n, ok := v.(json.Number)
		return ok && !strings.ContainsAny(n.String(), ".eE")
	case "number":
		_, ok := v.(json.Number)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	}
	return false
}

func TestSchemaCheckerCanFail(t *testing.T) {
	s := loadSchema(t, "wa_send_message.schema.json")
	if s == nil {
		t.Skip("the schema is not beside this checkout")
	}
	good := `{"messaging_product":"whatsapp","to":"1","type":"text","text":{"body":"x"}}`
	if err := s.validate([]byte(good)); err != nil {
		t.Errorf("a good body is refused: %v", err)
	}
	for _, bad := range []string{
		strings.Replace(good, `"x"`, `""`, 1), strings.Replace(good, `"to"`, `"two"`, 1),
		strings.Replace(good, `"body"`, `"bodi"`, 1), strings.Replace(good, `"text","text"`, `"image","text"`, 1),
	} {
		if s.validate([]byte(bad)) == nil {
			t.Errorf("a bad body passes: %s", bad)
		}
	}
}
