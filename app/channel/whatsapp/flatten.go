// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"bytes"
	"encoding/json"
	"strconv"

	"kith/app"
)

// Bounds of flattened details.
const (
	maxFields     = 40
	maxFieldDepth = 8
	maxFieldValue = 512
)

// flatten lists the values of a JSON document in their order, named by their path: "ban_info.waba_ban_state",
// "groups.0.type". Members whose own name skip reports are left out with all they hold. What exceeds the bounds is cut.
func flatten(raw []byte, skip func(key string) bool) []app.Field {
	f := flattener{skip: skip}
	f.value("", raw, 0)
	return f.out
}

type flattener struct {
	skip func(string) bool
	out  []app.Field
}

func (f *flattener) value(name string, raw json.RawMessage, depth int) {
	raw = bytes.TrimSpace(raw)
	if len(f.out) >= maxFields || len(raw) == 0 {
		return
	}
	if (raw[0] != '{' && raw[0] != '[') || depth == maxFieldDepth {
		f.scalar(name, raw)
		return
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return
	}
	for i := 0; dec.More() && len(f.out) < maxFields; i++ {
		key, member, ok := next(dec, raw[0] == '{', i)
		if !ok {
			return
		}
		if raw[0] == '{' && f.skip != nil && f.skip(key) {
			continue
		}
		if name != "" {
			key = name + "." + key
		}
		f.value(key, member, depth+1)
	}
}

// next reads one member of an object, or one item of an array, whose key is its index.
func next(dec *json.Decoder, object bool, index int) (key string, member json.RawMessage, ok bool) {
	key = strconv.Itoa(index)
	if object {
		t, err := dec.Token()
		if err != nil {
			return "", nil, false
		}
		key, _ = t.(string)
	}
	if dec.Decode(&member) != nil {
		return "", nil, false
	}
	return key, member, true
}

func (f *flattener) scalar(name string, raw json.RawMessage) {
	value := text(raw)
	if raw[0] == '"' || string(raw) == "null" {
		if value.UnmarshalJSON(raw) != nil {
			return
		}
	}
	if v := value.cut(maxFieldValue); v != "" {
		if name == "" {
			name = "value"
		}
		f.out = append(f.out, app.Field{Name: text(name).cut(maxName), Value: v})
	}
}
