// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/app"
	"kith/app/channel/whatsapp"
)

// What could not be read is kept so that it can be read again by itself: same part, same reason, and nothing else.
func TestUnreadablePartsAreWebhooks(t *testing.T) {
	files, err := filepath.Glob("testdata/own/*.json")
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		in, _ := whatsapp.New().Parse(body)
		for _, u := range in.Unreadable {
			parts++
			again, err := whatsapp.New().Parse(u.Raw)
			if err != nil {
				t.Errorf("%s: %q cannot be read again: %v", file, u.Reason, err)
				continue
			}
			if diff := cmp.Diff(app.Inbound{Unreadable: []app.Unread{u}}, again); diff != "" {
				t.Errorf("%s: read again (-want +got):\n%s", file, diff)
			}
		}
	}
	if parts < 10 {
		t.Fatalf("only %d unreadable parts among %d files", parts, len(files))
	}
}

func TestReplayFindsThePersonOfAPart(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"a message": {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{
			"metadata":{"display_phone_number":"62000","phone_number_id":"1000001"},
			"contacts":[{"profile":{"name":"Budi"},"wa_id":"6281100000001"},{"profile":{"name":"Siti"},"wa_id":"6281100000002"}],
			"messages":[{"from":"6281100000002","id":"","timestamp":"1764000000","type":"text","text":{"body":"Halo"}}]}}]}]}`, "Siti"},
		"a message of the history": {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"history","value":{
			"metadata":{"display_phone_number":"62000","phone_number_id":"1000001"},
			"history":[{"threads":[{"id":"6281100000002","messages":[
			{"from":"62000","id":"","timestamp":"1764000000","type":"text","text":{"body":"Halo"}}]}]}]}}]}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := whatsapp.New().Parse([]byte(c.body))
			if err != nil || len(in.Unreadable) != 1 {
				t.Fatalf("read %+v, %v", in, err)
			}
			mended := bytes.Replace(in.Unreadable[0].Raw, []byte(`"id":"","timestamp"`), []byte(`"id":"wamid.1","timestamp"`), 1)
			again, err := whatsapp.New().Parse(mended)
			if err != nil || len(again.Messages) != 1 {
				t.Fatalf("read again %+v, %v", again, err)
			}
			p := again.Messages[0].Person
			if p.Name != c.want || len(p.Identities) == 0 || p.Identities[0].Value != "6281100000002" {
				t.Errorf("person is %+v", p)
			}
			if got := whatsapp.Numbers(mended); len(got) != 1 || got[0] != "1000001" {
				t.Errorf("numbers are %v", got)
			}
		})
	}
}
