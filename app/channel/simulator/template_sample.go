// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"slices"
	"strconv"
)

func body(text string, example map[string]any) TemplateComponent {
	return TemplateComponent{Type: "BODY", Text: text, Example: example}
}

func footer(text string) TemplateComponent { return TemplateComponent{Type: "FOOTER", Text: text} }

func heading(text, example string) TemplateComponent {
	c := TemplateComponent{Type: "HEADER", Format: "TEXT", Text: text}
	if example != "" {
		c.Example = map[string]any{"header_text": []string{example}}
	}
	return c
}

func pictured(format string) TemplateComponent {
	return TemplateComponent{Type: "HEADER", Format: format, Example: map[string]any{"header_handle": []string{"4::sample"}}}
}

func replies(texts ...string) TemplateComponent {
	c := TemplateComponent{Type: "BUTTONS"}
	for _, t := range texts {
		c.Buttons = append(c.Buttons, TemplateButton{Type: "QUICK_REPLY", Text: t})
	}
	return c
}

func track(text string) TemplateComponent {
	return TemplateComponent{Type: "BUTTONS", Buttons: []TemplateButton{
		{Type: "URL", Text: text, URL: "https://shop.example/orders/{{1}}", Example: []string{"https://shop.example/orders/1042"}},
	}}
}

func numbered(values ...string) map[string]any {
	return map[string]any{"body_text": [][]string{values}}
}

func named(pairs ...string) map[string]any {
	var out []map[string]string
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, map[string]string{"param_name": pair[0], "example": pair[len(pair)-1]})
	}
	return map[string]any{"body_text_named_params": out}
}

// sampleTemplates are the templates of the sample business, most of them in
// English and Indonesian.
func sampleTemplates() []Template {
	type parts = []TemplateComponent
	ts := []Template{
		{Name: "hello_world", Language: "en_US", Category: "UTILITY", Components: parts{
			heading("Hello World", ""), body("Welcome and congratulations. This message shows that your number can send templates.", nil), footer("Sample business"),
		}},
		{Name: "order_update", Language: "en", Category: "UTILITY", Components: parts{
			heading("Order {{1}}", "1042"), body("Hello {{1}}, your order is on its way. It should arrive on {{2}}.", numbered("Dewi", "Friday")), footer("Sample business"), track("Track order"),
		}},
		{Name: "order_update", Language: "id", Category: "UTILITY", Components: parts{
			heading("Pesanan {{1}}", "1042"), body("Halo {{1}}, pesanan Anda sedang dikirim. Perkiraan tiba {{2}}.", numbered("Dewi", "Jumat")), footer("Usaha contoh"), track("Lacak pesanan"),
		}},
		{Name: "appointment_reminder", Language: "en", Category: "UTILITY", Format: "NAMED", Components: parts{
			body("Hello {{customer_name}}, we expect you on {{day}} at {{hour}}. Does that still suit you?", named("customer_name", "Anna", "day", "Monday", "hour", "10:30")), replies("Confirm", "Change the time"),
		}},
		{Name: "appointment_reminder", Language: "id", Category: "UTILITY", Format: "NAMED", Components: parts{
			body("Halo {{customer_name}}, kami tunggu Anda pada {{day}} pukul {{hour}}. Apakah waktunya masih cocok?", named("customer_name", "Budi", "day", "Senin", "hour", "10.30")), replies("Konfirmasi", "Ubah waktu"),
		}},
		{Name: "follow_up", Language: "en", Category: "MARKETING", Components: parts{
			body("Hello {{1}}, you asked us about something lately. May we help you further?", numbered("Asha")), footer("Tap Stop to hear no more from us"), replies("Yes, please", "Stop"),
		}},
		{Name: "follow_up", Language: "id", Category: "MARKETING", Components: parts{
			body("Halo {{1}}, beberapa waktu lalu Anda bertanya kepada kami. Boleh kami bantu lagi?", numbered("Dewi")), footer("Ketuk Berhenti bila tidak ingin dihubungi"), replies("Ya, boleh", "Berhenti"),
		}},
		{Name: "new_arrivals", Language: "en", Category: "MARKETING", Components: parts{
			pictured("IMAGE"), body("Hello {{1}}, this came in this week and made us think of you.", numbered("Zoë")), footer("Tap Stop to hear no more from us"), replies("Show me more", "Stop"),
		}},
		{Name: "receipt", Language: "en", Category: "UTILITY", Components: parts{
			pictured("DOCUMENT"), body("Thank you. Here is the receipt for order {{1}}.", numbered("1042")),
		}},
		{Name: "receipt", Language: "id", Category: "UTILITY", Components: parts{
			pictured("DOCUMENT"), body("Terima kasih. Ini kuitansi untuk pesanan {{1}}.", numbered("1042")),
		}},
		{Name: "summer_offer", Language: "en", Category: "MARKETING", Status: "PAUSED", Components: parts{
			body("Hello {{1}}, our summer offer ends soon.", numbered("Anna")), replies("Stop"),
		}},
		{Name: "winter_offer", Language: "en", Category: "MARKETING", Status: "PENDING", Components: parts{
			body("Hello {{1}}, our winter offer starts soon.", numbered("Anna")),
		}},
		{Name: "free_money", Language: "en", Category: "MARKETING", Status: "REJECTED", Rejected: "ABUSIVE_CONTENT", Components: parts{
			body("Hello {{1}}, you have won.", numbered("Anna")),
		}},
	}
	for i := range ts {
		ts[i].ID = strconv.Itoa(900000000000001 + i)
		orText(&ts[i].Status, "APPROVED")
		orText(&ts[i].Format, "POSITIONAL")
		if ts[i].Status != "REJECTED" {
			ts[i].Rejected = "NONE"
		}
	}
	return ts
}
