// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"kith/store"
	"kith/store/storetest"
)

type written struct {
	Text string `cbor:"1,keyasint"`
}

var strange = store.NewTable[written]("test_strange", func(*written) store.Subject { return store.Nobody })

// A text that is not UTF-8 was once written and then refused on reading, which took the whole page with it.
func TestTextsThatAreNotUTF8CanBeReadAgain(t *testing.T) {
	db := storetest.Open(t)
	for id, text := range []string{"bad \xff", "\xed\xa0\x80", "cut \xe2\x82"} {
		err := db.Update(t.Context(), func(tx *store.Tx) error { return strange.Put(tx, uint64(id), &written{text}) })
		if err != nil {
			t.Fatal(err)
		}
		err = db.View(t.Context(), func(tx *store.Tx) error {
			got, err := strange.Get(tx, store.Nobody, uint64(id))
			if err == nil && got.Text != text {
				t.Errorf("read %q, want %q", got.Text, text)
			}
			return err
		})
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
