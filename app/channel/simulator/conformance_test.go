// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func decoded(tb testing.TB, raw []byte) map[string]any {
	tb.Helper()
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		tb.Fatalf("%v: %s", err, raw)
	}
	return out
}

// paths are the names of all members of a value, each with the kind of what it
// holds. Items of arrays count once.
func paths(prefix string, v any, into map[string]string) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			paths(prefix+"."+k, e, into)
		}
	case []any:
		for _, e := range x {
			paths(prefix+"[]", e, into)
		}
	case string:
		into[prefix] = "string"
	case float64:
		into[prefix] = "number"
	case bool:
		into[prefix] = "boolean"
	}
}

// fixtures names the provider's example of each kind, what makes the world send
// that kind, and the members that may differ: identifiers of customers are new,
// contexts of other kinds are not made.
func fixtures(t *testing.T, w *World) map[string]Content {
	t.Helper()
	first := say(t, w, "dewi", Text{"first"})
	picture := SamplePicture()
	picture.Caption = "Taj Mahal"
	sent := say(t, w, "dewi", picture)
	pass(t, time.Second)
	buttons, _ := sendBody(t, w, goodBodies["buttons"])
	list, _ := sendBody(t, w, goodBodies["list"])
	quick, _ := sendBody(t, w, goodBodies["named"])
	pass(t, time.Second)
	return map[string]Content{
		"image.json":                       picture,
		"audio_voice.json":                 SampleVoice(),
		"video.json":                       Media{Bytes: []byte("x"), MIME: "video/mp4", Caption: "Timelapse"},
		"document.json":                    Media{Bytes: []byte("%PDF-"), MIME: "application/pdf", Filename: "receipt.pdf", Caption: "my receipt"},
		"sticker.json":                     Media{Bytes: []byte("x"), MIME: "image/webp", Animated: true},
		"location.json":                    Location{Latitude: 1, Longitude: 2, Name: "N", Address: "A", URL: "https://x.example"},
		"contacts.json":                    Contact{Name: "Barbara Johnson", Phone: "+1 (415) 555-0829", Company: "Social Tsunami"},
		"reaction.json":                    Reaction{Message: first, Emoji: "👍"},
		"interactive_button_reply.json":    ButtonReply{Message: buttons, ID: "y"},
		"interactive_list_reply.json":      ListReply{Message: list, ID: "1"},
		"button_quick_reply_template.json": ButtonReply{Message: quick, ID: "LATER"},
		"order.json":                       Order{Catalog: "1", Note: "Love these", Items: []OrderItem{{"a", 2, 30, "USD"}}},
		"edit.json":                        Edit{Message: sent, Body: "Updated"},
		"revoke.json":                      Revoke{Message: first},
		"unsupported.json":                 Unsupported{Type: "edit"},
		"system_user_changed_number.json":  ChangeNumber{Phone: "628000000099"},
		"text_from_message_business_button_or_ad.json": Referral{Headline: "H", Body: "B", URL: "https://fb.me/x", AdID: "1", Content: Text{"info?"}},
		"text.json": Text{"Is this still available?"},
	}
}

// absent are members of the examples that this world never sends.
var absent = []string{".context.referred_product", ".edit.message.context.id"}

func TestShapesOfTheProvider(t *testing.T) {
	if _, err := os.Stat(outside); err != nil {
		t.Skip("the provider's examples are not beside this checkout")
	}
	s := loadSchema(t, "wa_webhook.schema.json")
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		all := fixtures(t, w)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			n := len(h.taken())
			say(t, w, "dewi", all[name])
			pass(t, time.Second)
			if len(h.taken()) != n+1 {
				t.Fatalf("%s: %d webhooks", name, len(h.taken())-n)
			}
			s.check(t, h.taken()[n])
			raw, err := os.ReadFile(filepath.Join(outside, "whatsapp", name))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name, decoded(t, raw), decoded(t, h.taken()[n]))
		}
	})
}

// compare wants every member of the example in ours, with the same kind of
// value, and in ours nothing more than the user ids of 2026.
func compare(t *testing.T, name string, example, ours map[string]any) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	paths("", example, want)
	paths("", ours, got)
	text := name == "text.json"
	for p, kind := range want {
		left := slices.ContainsFunc(absent, func(a string) bool { return strings.Contains(p, a) }) || text && strings.Contains(p, ".context.")
		if !left && got[p] != kind {
			t.Errorf("%s: %s is %q in the example and %q here", name, p, kind, got[p])
		}
	}
	for p := range got {
		if want[p] == "" && !strings.HasSuffix(p, ".user_id") && !strings.HasSuffix(p, ".from_user_id") {
			t.Errorf("%s: %s is not in the example", name, p)
		}
	}
}

func TestShapesOfStatuses(t *testing.T) {
	s := loadSchema(t, "wa_webhook.schema.json")
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		say(t, w, "budi", Text{"Hi"})
		defer w.Look("budi")()
		for _, name := range []string{"131049", ""} {
			if err := w.SetTrouble(name, 1); err != nil {
				t.Fatal(err)
			}
			sendBody(t, w, textTo("628000000002", "x"))
			pass(t, time.Second)
		}
		for _, b := range h.taken() {
			s.check(t, b)
		}
		raw, err := os.ReadFile(filepath.Join(outside, "whatsapp", "status_failed_131049.json"))
		if err != nil {
			t.Skip("the provider's examples are not beside this checkout")
		}
		want, got := map[string]string{}, map[string]string{}
		paths("", decoded(t, raw), want)
		paths("", decoded(t, h.taken()[1]), got)
		delete(got, ".entry[].changes[].value.statuses[].biz_opaque_callback_data")
		if !maps.Equal(want, got) {
			t.Errorf("failed status has %v, the example %v", got, want)
		}
	})
}

func TestPhoneRefusesNonsense(t *testing.T) {
	inWorld(t, Options{}, func(w *World, h *hook) {
		t := h.t
		mine := say(t, w, "dewi", Text{"x"})
		theirs, _ := sendBody(t, w, goodBodies["buttons"])
		pass(t, time.Second)
		for name, c := range map[string]Content{
			"empty text": Text{" "}, "no file": Media{MIME: "image/png"}, "huge file": Media{Bytes: make([]byte, MaxMedia+1), MIME: "image/png"},
			"far away": Location{Latitude: 91}, "nobody": Contact{}, "no such message": ReplyTo{"wamid.none", Text{"x"}},
			"their edit": Edit{theirs, "x"}, "their revoke": Revoke{theirs}, "no such button": ButtonReply{theirs, "z"},
			"list of buttons": ListReply{theirs, "y"}, "button of own": ButtonReply{mine, "y"}, "empty edit": Edit{mine, ""},
			"no reaction": Reaction{"wamid.none", "x"}, "no items": Order{}, "no number": ChangeNumber{"x"},
		} {
			if _, err := w.Say(t.Context(), "dewi", c); err == nil {
				t.Errorf("%s was said", name)
			}
		}
		if _, err := w.Say(t.Context(), "nobody", Text{"x"}); err == nil {
			t.Error("a customer who does not exist spoke")
		}
		if len(w.Thread("dewi")) != 2 {
			t.Errorf("the phone shows %d bubbles, want 2", len(w.Thread("dewi")))
		}
	})
}
