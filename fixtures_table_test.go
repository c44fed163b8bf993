// SPDX-License-Identifier: Apache-2.0

package main_test

import "fmt"

// echoed and heard are webhooks with one message, to a customer and from one.
func echoed(id string, at int64) string {
	return string(webhook("smb_message_echoes", fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881",`+
		`"phone_number_id":"106540352242922"},"message_echoes":[{"from":"15550783881","to":"16505551234","id":%q,"timestamp":"%d",`+
		`"type":"text","text":{"body":"earlier"}}]}`, id, at)))
}

func heard(userID, name string, at int64) string {
	return string(webhook("messages", fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"phone_number_id":"106540352242922"},`+
		`"contacts":[{"profile":{"name":%q},"user_id":%q}],"messages":[{"from_user_id":%q,"id":"wamid.HEARD","timestamp":"%d",`+
		`"type":"text","text":{"body":"earlier"}}]}`, name, userID, userID, at)))
}

// earlier are messages that kith knew before the webhook came: what its statuses are about.
var earlier = map[string][]string{
	"bsuid_status_delivered_phone_and_parent": {echoed("wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA=", 1750030000)},
	"own/address_book":                        {string(textWebhook("200000000000123", "6281200000044", "Name Of The Profile", "wamid.OWN990", 1763780989, "earlier"))},
	"bsuid_user_id_update":                    {heard("US.13491208655302741918", "Pablo M.", 1750030000)},
	"own/user_id_update":                      {heard("ID.77700000000000000002", "Same Person", 1763780990)},
	"composed_batch_out_of_order":             {echoed("wamid.S1", 1750000000)},
	"own/status_read_before_delivered":        {echoed("wamid.OWN950", 1763780950)},
	"smb_app_state_sync":                      {string(textWebhook("106540352242922", "16505551234", "Pablo", "wamid.HEARD", 1739321000, "earlier"))},
	"smb_message_echoes_revoke":               {echoed("wamid.HBgLMTQxMjU1NTA4MjkVAgASGBQzQUNCNjk5RDUwNUZGMUZEM0VBRAA=", 1749854000)},
	"status_delivered":                        {echoed("wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MTE5MjVBOTE3MDk5QUVFM0YA", 1750263000)},
	"status_failed_131049":                    {echoed("wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI0QUQ2MjA4NEYyRkExNjMyREUA", 1751142000)},
	"status_sent_v23_with_conversation":       {echoed("wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA=", 1750030000)},
	"status_sent_v24_no_conversation":         {echoed("wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA=", 1750030000)},
}

// people are the identities to look up after a webhook that is about who somebody is.
var people = map[string][]string{
	"bsuid_user_id_update":       {"bsuid US.99887766554433221100"},
	"own/address_book":           {"wa_id 6281200000044", "wa_id 6281200000055"},
	"own/user_id_update":         {"bsuid ID.77700000000000000002", "bsuid ID.77700000000000000003"},
	"system_user_changed_number": {"wa_id 12195555358"},
}

// unreadableIDs are messages of our own webhooks that cannot be read on purpose.
var unreadableIDs = []string{"wamid.OWN902"}

// fixtures says how each webhook is shown to an agent: its messages, then its notices, what could not be read, and whom
// it is about.
var fixtures = map[string][]string{
	"account_alerts":                          {"notice warning account_alerts INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED"},
	"account_review_update":                   {"notice info account_review_update APPROVED"},
	"account_update_auth_intl":                {"notice info account_update AUTH_INTL_PRICE_ELIGIBILITY_UPDATE"},
	"account_update_deleted":                  {"notice alarm account_update ACCOUNT_DELETED"},
	"account_update_disabled":                 {"notice info account_update DISABLED_UPDATE"},
	"account_update_offboarded":               {"notice alarm account_update ACCOUNT_OFFBOARDED"},
	"account_update_reconnected":              {"notice info account_update ACCOUNT_RECONNECTED"},
	"account_update_violation":                {"notice alarm account_update ACCOUNT_VIOLATION"},
	"account_update_volume_tier":              {"notice info account_update VOLUME_BASED_PRICING_TIER_UPDATE"},
	"audio_voice":                             {"in voice <audio/ogg; codecs=opus lost>"},
	"bsuid_contacts_shared_contact_request":   {"in contacts contacts(phones=+1 650-555-1234, requested=true)"},
	"bsuid_status_delivered_phone_and_parent": {`out text [delivered] "earlier"`},
	"bsuid_text_no_phone":                     {`in text "Does it come in another color?"`},
	"bsuid_user_id_update":                    {`in text "earlier"`, "bsuid US.99887766554433221100: somebody"},
	"business_capability_update":              {"notice info business_capability_update"},
	"button_quick_reply_template":             {"in choice choice(id=Unsubscribe, kind=template, title=Unsubscribe)"},
	"calls_connect_user_initiated":            {"in call call(event=connect, id=wacid.ABGGFjFVU2AfAgo6V-Hc5eCgK5Gh)"},
	"calls_terminate": {
		"out call [sent] call(event=connect, id=wacid.HBgLMTY1MDMxMzM5NzQVAgARGCAwQTJCRDYwNkEzQUNCQUVCMEFGMzYzRTYxNjMxMDdFMxwYCzE0MDg1NTUyODk5FQIAAA==, outgoing=true)",
	},
	"composed_batch_out_of_order": {
		`out text [read] "earlier"`,
		`in text "first"`,
		`in text "second"`,
	},
	"contacts":              {"in contacts contacts(name=Barbara J. Johnson, org=Social Tsunami, phones=+1 (415) 555-0829)"},
	"document":              {`in document "my receipt" <application/pdf receipt.pdf lost>`},
	"edit":                  {`in edit "Updated image caption" <image/jpeg lost>`},
	"errors_top_level":      {"notice warning errors 130429"},
	"group_settings_update": {"notice info group_settings_update group_settings_update"},
	"group_status_update":   {"notice warning group_status_update group_suspend"},
	"history_media":         {`in image "Black Prince echeveria" <image/jpeg lost>`},
	"history_threads": {
		`out text [read] "Here's the info you requested! https://www.meta.com/quest/quest-3/"`,
		`out text [delivered] "Thanks for your order! As a thank you, use code THANKS30 to get 30% of your next order."`,
		`in text "Thanks!"`,
		"out unsupported [played] detail(detail=media_placeholder)",
	},
	"image":                    {`in image "Taj Mahal" <image/jpeg lost>`},
	"interactive_button_reply": {"in choice choice(id=cancel-button, kind=button, title=Cancel)"},
	"interactive_list_reply": {
		"in choice choice(description=Next Day to 2 Days, id=priority_express, kind=list, title=Priority Mail Express)",
	},
	"location": {
		"in location location(address=101 Forest Ave, Palo Alto, CA 94301, latitude=37.44221496582, longitude=-122.16165924072, name=Philz Coffee, url=https://philzcoffee.com/)",
	},
	"order": {
		`in order "Love these!" order(catalog=194836987003835, currency=USD, price=30, product=di9ozbzfi4, quantity=2, currency=USD, price=25, product=nqryix03ez, quantity=1)`,
	},
	"own/acted_upon": {
		`in text "The blue one, please" +👍 edited`,
		`in text "Forget this" revoked`,
	},
	"own/address_book": {
		`in text "earlier"`,
		"wa_id 6281200000044: Name From The Phone",
		"wa_id 6281200000055: nobody",
	},
	"own/edit_before_its_message": {
		`in text "Five o'clock" edited`,
		`in edit "Five o'clock"`,
	},
	"own/flow_reply":            {"in choice choice(name=size, value=M, name=colour, value=green, id=flow, kind=flow, title=Sent)"},
	"own/forwarded_often":       {`in text "Pass this on" forwarded`},
	"own/image_without_caption": {"in image <image/png ready>"},
	"own/marketing_stopped": {
		"in system detail(detail=User requested to stop marketing messages) system(system=marketing_stopped)",
	},
	"own/reply_before_its_message": {
		`in text "Which one?"`,
		`in text "The second one"`,
	},
	"own/status_read_before_delivered": {`out text [read] "earlier"`},
	"own/text_escaped":                 {`in text "Selamat pagi ☀️ — café, 日本語, עברית"`},
	"own/unknown_field":                {"notice info brand_new_field"},
	"own/unknown_type":                 {"in unsupported detail(detail=hologram)"},
	"own/unreadable_part": {
		`in text "before"`,
		`in text "after"`,
		"unreadable: A message has an unknown form.",
	},
	"own/user_id_update": {
		`in text "earlier"`,
		"bsuid ID.77700000000000000002: nobody",
		"bsuid ID.77700000000000000003: Same Person",
	},
	"own/voice":                              {"in voice <audio/ogg; codecs=opus ready>"},
	"own/without_phone":                      {`in text "I have no number"`},
	"phone_number_name_update":               {"notice info phone_number_name_update APPROVED"},
	"phone_number_quality_update_throughput": {"notice info phone_number_quality_update THROUGHPUT_UPGRADE"},
	"reaction":                               {`in reaction "👍"`},
	"revoke":                                 {"in revoke"},
	"security_pin_reset_request":             {"notice warning security PIN_RESET_REQUEST"},
	"smb_app_state_sync":                     {`in text "earlier"`},
	"smb_message_echoes_revoke":              {`out text [sent] "earlier" revoked`},
	"smb_message_echoes_text":                {`out text [sent] "Here's the info you requested! https://www.meta.com/quest/quest-3/"`},
	"status_delivered":                       {`out text [delivered] "earlier"`},
	"status_failed_131049":                   {`out text [failed] "earlier" error 131049 advice.held_back`},
	"status_sent_v23_with_conversation":      {`out text [sent] "earlier"`},
	"status_sent_v24_no_conversation":        {`out text [sent] "earlier"`},
	"sticker":                                {"in sticker <image/webp lost>"},
	"system_user_changed_number": {
		`in system "User Sheena Nelson changed from 16505551234 to 12195555358" system(system=user_changed_number)`,
		"wa_id 12195555358: somebody",
	},
	"template_category_update_done":      {"notice warning template_category_update MARKETING"},
	"template_category_update_impending": {"notice warning template_category_update UTILITY"},
	"template_components_update":         {"notice info message_template_components_update"},
	"template_quality_update":            {"notice warning message_template_quality_update YELLOW"},
	"template_status_update_approved":    {"notice info message_template_status_update APPROVED"},
	"text":                               {`in text "Is this still available?" product(catalog=194836987003835, id=di9ozbzfi4)`},
	"text_from_message_business_button_or_ad": {
		`in text "Can I get more info about this?" referral(body=Summer Succulents are here!, click=Aff-n8ZTODiE79d22KtAwQKj9e_mIEOOj27vDVwFjN80dp4_0NiNhEgpGo0AHemvuSoifXaytfTzcchptiErTKCqTrJ5nW1h7IHYeYymGb5K5J5iTROpBhWAGaIAeUzHL50, headline=Chat with us, id=120226305854810726, kind=ad, url=https://fb.me/3cr4Wqqkv)`,
	},
	"unsupported": {`in unsupported "Message type is currently not supported." code(code=131051) detail(detail=edit)`},
	"user_preferences_resume": {
		"in system detail(detail=User requested to resume marketing messages) system(system=marketing_resumed)",
	},
	"video": {`in video "Timelapse of growth" <video/mp4 lost>`},
}
