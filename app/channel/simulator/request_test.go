// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"strings"
	"testing"
)

const common = `{"messaging_product":"whatsapp","recipient_type":"individual","to":"+628000000001",`

// goodBodies are requests that the network takes, one for each kind.
var goodBodies = map[string]string{
	"text":         common + `"type":"text","text":{"body":"Halo","preview_url":true},"context":{"message_id":"wamid.X"},"biz_opaque_callback_data":"7"}`,
	"bare text":    `{"messaging_product":"whatsapp","to":"628000000001","text":{"body":"Halo"}}`,
	"by user id":   `{"messaging_product":"whatsapp","recipient":"ID.90000000000000000001","type":"text","text":{"body":"Halo"}}`,
	"location":     common + `"type":"location","location":{"latitude":-6.2,"longitude":"106.8","name":"Monas","address":"Jakarta"}}`,
	"contacts":     common + `"type":"contacts","contacts":[{"name":{"formatted_name":"A B","first_name":"A"},"phones":[{"phone":"+1 555","type":"WORK"}]}]}`,
	"image link":   common + `"type":"image","image":{"link":"https://x.example/a.png","caption":"see"}}`,
	"buttons":      common + `"type":"interactive","interactive":{"type":"button","header":{"type":"text","text":"H"},"body":{"text":"B"},"footer":{"text":"F"},"action":{"buttons":[{"type":"reply","reply":{"id":"y","title":"Yes"}},{"type":"reply","reply":{"id":"n","title":"No"}}]}}}`,
	"list":         common + `"type":"interactive","interactive":{"type":"list","body":{"text":"B"},"action":{"button":"Choose","sections":[{"title":"S","rows":[{"id":"1","title":"One","description":"d"},{"id":"2","title":"Two"}]}]}}}`,
	"cta":          common + `"type":"interactive","interactive":{"type":"cta_url","body":{"text":"B"},"action":{"name":"cta_url","parameters":{"display_text":"Open","url":"https://x.example"}}}}`,
	"ask location": common + `"type":"interactive","interactive":{"type":"location_request_message","body":{"text":"B"},"action":{"name":"send_location"}}}`,
	"ask contact":  common + `"type":"interactive","interactive":{"type":"request_contact_info","body":{"text":"B"},"action":{"name":"request_contact_info"}}}`,
	"template":     common + `"type":"template","template":{"name":"order_update","language":{"code":"en"},"components":[{"type":"header","parameters":[{"type":"text","text":"1042"}]},{"type":"body","parameters":[{"type":"text","text":"Dewi"},{"type":"text","text":"Friday"}]},{"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"1042"}]}]}}`,
	"named":        common + `"type":"template","template":{"name":"appointment_reminder","language":{"code":"id"},"components":[{"type":"body","parameters":[{"type":"text","parameter_name":"customer_name","text":"Budi"},{"type":"text","parameter_name":"day","text":"Senin"},{"type":"text","parameter_name":"hour","text":"10.30"}]},{"type":"button","sub_type":"quick_reply","index":1,"parameters":[{"type":"payload","payload":"LATER"}]}]}}`,
}

func long(n int) string { return strings.Repeat("é", n) }

// badBodies are requests that the network refuses: the code, and a change to a
// good one.
var badBodies = map[string]struct {
	code          int
	from, old, by string
}{
	"unknown member":      {100, "text", `"preview_url":true`, `"preview":true`},
	"unknown top member":  {100, "text", `"recipient_type"`, `"recipientType"`},
	"text too long":       {100, "text", `"Halo"`, `"` + long(4097) + `"`},
	"text empty":          {100, "text", `"Halo"`, `""`},
	"text not a string":   {100, "text", `"Halo"`, `7`},
	"body missing":        {131008, "text", `"body":"Halo",`, ``},
	"no product":          {100, "text", `"messaging_product":"whatsapp",`, ``},
	"wrong product":       {100, "text", `"whatsapp"`, `"sms"`},
	"callback too long":   {100, "text", `"7"`, `"` + long(513) + `"`},
	"no recipient":        {100, "text", `"to":"+628000000001",`, ``},
	"recipient no number": {131009, "text", `+628000000001`, `dewi`},
	"recipient is sender": {131021, "text", `+628000000001`, `+15550100100`},
	"group":               {100, "text", `"individual"`, `"group"`},
	"unknown type":        {100, "text", `"type":"text"`, `"type":"hologram"`},
	"bad user id":         {100, "by user id", `ID.9`, `IDX.9`},
	"latitude":            {100, "location", `-6.2`, `-96.2`},
	"contact unnamed":     {131008, "contacts", `"formatted_name":"A B",`, ``},
	"link and id":         {100, "image link", `"caption"`, `"id":"1","caption"`},
	"caption too long":    {100, "image link", `"see"`, `"` + long(1025) + `"`},
	"unknown media":       {131009, "image link", `"link":"https://x.example/a.png"`, `"id":"99"`},
	"button title":        {100, "buttons", `"Yes"`, `"` + long(21) + `"`},
	"four buttons":        {100, "buttons", `{"type":"reply","reply":{"id":"y","title":"Yes"}}`, `{"type":"reply","reply":{"id":"1","title":"1"}},{"type":"reply","reply":{"id":"2","title":"2"}},{"type":"reply","reply":{"id":"3","title":"3"}}`},
	"same button id":      {131009, "buttons", `"id":"y"`, `"id":"n"`},
	"header too long":     {100, "buttons", `"text":"H"`, `"text":"` + long(61) + `"`},
	"row title":           {100, "list", `"One"`, `"` + long(25) + `"`},
	"row description":     {100, "list", `"d"`, `"` + long(73) + `"`},
	"two untitled":        {131008, "list", `[{"title":"S"`, `[{"rows":[{"id":"9","title":"x"}]},{"title":"S"`},
	"no such template":    {132001, "template", `order_update`, `order_updates`},
	"no such language":    {132001, "template", `"code":"en"`, `"code":"de"`},
	"paused template":     {132015, "template", `order_update`, `summer_offer`},
	"pending template":    {132001, "template", `order_update`, `winter_offer`},
	"too few parameters":  {132000, "template", `,{"type":"text","text":"Friday"}`, ``},
	"newline in one":      {100, "template", `Friday`, `Fri\nday`},
	"button of no type":   {132012, "template", `"url"`, `"quick_reply"`},
	"button too far":      {132012, "template", `"0"`, `"4"`},
	"button without":      {131008, "template", `[{"type":"text","text":"1042"}]}]}`, `[]}]}`},
	"wrong name":          {100, "named", `"day"`, `"week"`},
	"name twice":          {132000, "named", `"parameter_name":"day"`, `"parameter_name":"hour"`},
}

func TestRequests(t *testing.T) {
	s := loadSchema(t, "wa_send_message.schema.json")
	w := New(Options{DisplayPhone: "15550100100"})
	say(t, w, "dewi", Text{"Halo"})
	for name, b := range goodBodies {
		if _, code := sendBody(t, w, b); code != 0 {
			t.Errorf("%s: refused with %d", name, code)
		}
		s.check(t, []byte(b))
	}
	for name, c := range badBodies {
		b := strings.Replace(goodBodies[c.from], c.old, c.by, 1)
		if b == goodBodies[c.from] {
			t.Errorf("%s: changes nothing", name)
		}
		if _, code := sendBody(t, w, b); code != c.code {
			t.Errorf("%s: code %d, want %d", name, code, c.code)
		}
	}
	for name, b := range map[string]string{"no JSON": `{`, "two": `{} {}`, "array": `[]`, "null": `null`} {
		if _, code := sendBody(t, w, b); code != 100 {
			t.Errorf("%s: code %d, want 100", name, code)
		}
	}
}

func TestElevenRows(t *testing.T) {
	rows := strings.Repeat(`{"id":"a","title":"x"},`, 6)
	section := func(prefix string) string {
		out := ""
		for i, r := range strings.Split(strings.TrimSuffix(rows, ","), "},") {
			out += strings.Replace(strings.TrimSuffix(r, "}"), `"a"`, `"`+prefix+string(rune('a'+i))+`"`, 1) + "},"
		}
		return `{"title":"` + prefix + `","rows":[` + strings.TrimSuffix(out, ",") + `]}`
	}
	w := New(Options{})
	b := common + `"type":"interactive","interactive":{"type":"list","body":{"text":"B"},"action":{"button":"C","sections":[` + section("p") + `,` + section("q") + `]}}}`
	if _, code := sendBody(t, w, b); code != 131009 {
		t.Errorf("twelve rows in two sections: code %d, want 131009", code)
	}
}

// FuzzSend feeds the validator. What it takes must be taken by the schema too,
// where that is at hand.
func FuzzSend(f *testing.F) {
	for _, b := range goodBodies {
		f.Add([]byte(b))
	}
	for _, c := range badBodies {
		f.Add([]byte(strings.Replace(goodBodies[c.from], c.old, c.by, 1)))
	}
	f.Add([]byte(`{"messaging_product":"whatsapp","status":"read","message_id":"wamid.X","typing_indicator":{"type":"text"}}`))
	s := loadSchema(f, "wa_send_message.schema.json")
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, bad := parse(raw)
		if bad != nil {
			if body != nil && bad.code == 0 {
				t.Error("a refusal without a code")
			}
			return
		}
		s.check(t, raw)
		w := New(Options{})
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, ok := body["status"]; !ok {
			_, _, _, _ = w.take(body)
		}
	})
}
