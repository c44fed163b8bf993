// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
)

// The rules of POST /messages: which members there are and how long they may be.
// What depends on the state of the world (window, template, media) is checked
// after these.

var (
	userID    = matching(`^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`, "a business-scoped user id")
	link      = matching(`^https?://`, "a URL that begins with http or https")
	someText  = text(1, 1<<20)
	anyText   = text(0, 1<<20)
	caption   = text(1, 1024)
	oneLine   = text(1, 60)
	sendRules = makeSendRules()
	readRule  = object(members{
		"messaging_product!": word("whatsapp"), "status!": word("read"), "message_id!": someText,
		"typing_indicator": object(members{"type!": word("text")}),
	})
)

func makeSendRules() map[string]rule {
	place := object(members{"latitude!": within(-90, 90), "longitude!": within(-180, 180), "name": anyText, "address": anyText})
	rules := map[string]members{
		"text":        {"text!": object(members{"body!": text(1, 4096), "preview_url": truth})},
		"image":       {"image!": file(members{"caption": caption})},
		"video":       {"video!": file(members{"caption": caption})},
		"document":    {"document!": file(members{"caption": caption, "filename": text(1, 240)})},
		"audio":       {"audio!": file(members{"voice": truth})},
		"sticker":     {"sticker!": file(members{})},
		"location":    {"location!": place},
		"contacts":    {"contacts!": list(1, 257, card())},
		"reaction":    {"reaction!": object(members{"message_id!": someText, "emoji!": text(0, 32)})},
		"interactive": {"interactive!": interactive()},
		"template":    {"template!": template(place)},
	}
	out := make(map[string]rule, len(rules))
	for kind, special := range rules {
		ms := members{
			"messaging_product!": word("whatsapp"), "recipient_type": word("individual"),
			"to": someText, "recipient": userID, "biz_opaque_callback_data": text(1, 512),
			"context": object(members{"message_id!": someText}),
		}
		if kind == "text" {
			ms["type"] = word("text")
		} else {
			ms["type!"] = word(kind)
		}
		maps.Copy(ms, special)
		out[kind] = object(ms)
	}
	return out
}

// file is media by id or by link.
func file(extra members) rule {
	ms := members{"id": someText, "link": link}
	maps.Copy(ms, extra)
	return either("id", "link", object(ms))
}

func card() rule {
	str := func(names ...string) members {
		ms := members{}
		for _, n := range names {
			ms[n] = anyText
		}
		return ms
	}
	return object(members{
		"name!":     object(str("formatted_name!", "first_name", "last_name", "middle_name", "suffix", "prefix")),
		"org":       object(str("company", "department", "title")),
		"birthday":  matching(`^\d{4}-\d{2}-\d{2}$`, "a date as YYYY-MM-DD"),
		"phones":    list(0, 50, object(str("phone!", "type", "wa_id"))),
		"emails":    list(0, 50, object(str("email!", "type"))),
		"urls":      list(0, 50, object(str("url!", "type"))),
		"addresses": list(0, 50, object(str("city", "country", "country_code", "state", "street", "type", "zip"))),
	})
}

func interactive() rule {
	header := byType(map[string]rule{
		"text":     object(members{"type!": word("text"), "text!": oneLine}),
		"image":    object(members{"type!": word("image"), "image!": file(members{})}),
		"video":    object(members{"type!": word("video"), "video!": file(members{})}),
		"document": object(members{"type!": word("document"), "document!": file(members{"filename": someText})}),
	})
	kind := func(name string, body int, action rule) rule {
		return object(members{
			"type!": word(name), "header": header, "body!": object(members{"text!": text(1, body)}),
			"footer": object(members{"text!": oneLine}), "action!": action,
		})
	}
	row := object(members{"id!": text(1, 200), "title!": text(1, 24), "description": text(0, 72)})
	named := func(name string) rule { return object(members{"name!": word(name)}) }
	return byType(map[string]rule{
		"button": kind("button", 1024, object(members{"buttons!": list(1, 3, object(members{
			"type!": word("reply"), "reply!": object(members{"id!": text(1, 256), "title!": text(1, 20)}),
		}))})),
		"list": kind("list", 4096, object(members{
			"button!":   text(1, 20),
			"sections!": list(1, 10, object(members{"title": text(0, 24), "rows!": list(1, 10, row)})),
		})),
		"cta_url": kind("cta_url", 1024, object(members{
			"name!":       word("cta_url"),
			"parameters!": object(members{"display_text!": text(1, 20), "url!": link}),
		})),
		"location_request_message": kind("location_request_message", 1024, named("send_location")),
		"request_contact_info":     kind("request_contact_info", 1024, named("request_contact_info")),
	})
}

func template(place rule) rule {
	param := func(kind string, extra members) rule {
		ms := members{"type!": word(kind), "parameter_name": someText}
		maps.Copy(ms, extra)
		return object(ms)
	}
	money := object(members{"fallback_value!": someText, "code!": someText, "amount_1000!": integer})
	params := list(0, 50, byType(map[string]rule{
		"text":        param("text", members{"text!": text(1, 32768)}),
		"currency":    param("currency", members{"currency!": money}),
		"date_time":   param("date_time", members{"date_time!": object(members{"fallback_value!": someText})}),
		"image":       param("image", members{"image!": file(members{})}),
		"video":       param("video", members{"video!": file(members{})}),
		"document":    param("document", members{"document!": file(members{"filename": someText})}),
		"location":    param("location", members{"location!": place}),
		"payload":     param("payload", members{"payload!": text(1, 128)}),
		"coupon_code": param("coupon_code", members{"coupon_code!": text(1, 20)}),
	}))
	return object(members{
		"name!":     matching(`^[a-z0-9_]{1,512}$`, "a template name of small letters, digits and underscores"),
		"namespace": anyText,
		"language!": object(members{"code!": someText, "policy": word("deterministic")}),
		"components": list(0, 20, object(members{
			"type!":      matching(`^(?i:header|body|button)$`, "one of {header, body, button}"),
			"sub_type":   matching(`^(?i:quick_reply|url|copy_code)$`, "one of {quick_reply, url, copy_code}"),
			"index":      index,
			"parameters": params,
		})),
	})
}

func index(path string, v any) *fault {
	if _, ok := v.(string); ok {
		return matching(`^[0-9]$`, "an index from 0 to 9")(path, v)
	}
	if f := integer(path, v); f != nil {
		return f
	}
	return within(0, 9)(path, v)
}

// parse reads the body of POST /messages and checks its form.
func parse(raw []byte) (map[string]any, *fault) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, &fault{code: 100, message: "(#100) The request body is not valid JSON"}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &fault{code: 100, message: "(#100) The request body is not valid JSON"}
	}
	body, ok := v.(map[string]any)
	if !ok {
		return nil, &fault{code: 100, message: "(#100) The request body must be a JSON object"}
	}
	if _, ok := body["messaging_product"]; !ok {
		return nil, &fault{code: 100, message: "(#100) The parameter messaging_product is required."}
	}
	if _, ok := body["status"]; ok {
		return body, readRule("", body)
	}
	return body, checkSend(body)
}

func checkSend(body map[string]any) *fault {
	kind := "text"
	if v, ok := body["type"]; ok {
		kind, _ = v.(string)
	}
	r := sendRules[kind]
	if r == nil {
		return &fault{code: 100, message: "(#100) Invalid parameter", detail: fmt.Sprintf("Param type %q is not a kind of message.", kind)}
	}
	if f := r("", body); f != nil {
		return f
	}
	_, to := body["to"]
	_, recipient := body["recipient"]
	if !to && !recipient {
		return &fault{code: 100, message: "(#100) The parameter to is required."}
	}
	if kind == "interactive" {
		return checkChoices(at(body, "interactive"))
	}
	return nil
}

// checkChoices refuses what the form cannot say: too many rows in all, ids used
// twice, sections without titles, a list header that is not text.
func checkChoices(in map[string]any) *fault {
	seen := map[string]bool{}
	count := 0
	note := func(path, id string) *fault {
		if seen[id] {
			return &fault{code: 131009, detail: "Duplicated id in " + path + ": every button and row needs an id of its own."}
		}
		seen[id] = true
		return nil
	}
	action := at(in, "action")
	for _, b := range items(action, "buttons") {
		if f := note("buttons", str(at(b, "reply"), "id")); f != nil {
			return f
		}
	}
	sections := items(action, "sections")
	for _, s := range sections {
		if len(sections) > 1 && str(s, "title") == "" {
			return missing("interactive['action']['sections']['title']")
		}
		for _, r := range items(s, "rows") {
			count++
			if f := note("rows", str(r, "id")); f != nil {
				return f
			}
		}
	}
	if count > 10 {
		return &fault{code: 131009, detail: fmt.Sprintf("Total row count exceeds the maximum allowed count of 10; it is %d.", count)}
	}
	if h := at(in, "header"); str(in, "type") == "list" && h != nil && str(h, "type") != "text" {
		return &fault{code: 131009, detail: "The header of a list must be text."}
	}
	return nil
}

// at, str and items read members of checked JSON; what is absent is empty.
func at(o map[string]any, name string) map[string]any {
	m, _ := o[name].(map[string]any)
	return m
}

func str(o map[string]any, name string) string {
	s, _ := o[name].(string)
	return s
}

func items(o map[string]any, name string) []map[string]any {
	l, _ := o[name].([]any)
	out := make([]map[string]any, 0, len(l))
	for _, e := range l {
		m, _ := e.(map[string]any)
		out = append(out, m)
	}
	return out
}
