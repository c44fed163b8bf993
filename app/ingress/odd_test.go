// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"kith/store"
)

// Whatever is rightly signed is taken in: the network must never be told to repeat what will not work later either.
// (The channel's reader is fuzzed on its own; a fuzzer finds no steady coverage above a store that works beside it.)
func TestWhateverIsSignedIsTaken(t *testing.T) {
	seeds := [][]byte{
		webhook(change("1000001", "wamid.1", "Halo")),
		webhook(change("1000002", "wamid.2", "a"), change("1000001", "wamid.3", "b"), `{"field":"account_update","value":{"event":"X"}}`),
		webhook(`{"field":"messages","value":{"metadata":{"phone_number_id":"1000001"},"statuses":[{"id":"wamid.9","status":"read",` +
			`"timestamp":"1764000000","recipient_id":"628111"}]}}`),
		webhook(`{"field":"messages","value":{"messages":[{"from":"1","id":"x","timestamp":"-1","type":"reaction",` +
			`"reaction":{"message_id":"wamid.1","emoji":"\ud800"}}]}}`),
	}
	w, chance := newWorld(t, store.Options{}), rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		body := bytes.Clone(seeds[i%len(seeds)])
		for range chance.IntN(4) {
			body = bend(chance, body)
		}
		if err := w.accept(w.first, body); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	}
	if len(w.texts(w.first)) == 0 || len(w.unreadable(w.first)) == 0 {
		t.Error("the bodies were not of both kinds")
	}
}

// bend changes, removes or doubles a part of body.
func bend(chance *rand.Rand, body []byte) []byte {
	if len(body) < 2 {
		return append(body, 0xff)
	}
	from := chance.IntN(len(body) - 1)
	to := from + 1 + chance.IntN(min(40, len(body)-from-1))
	switch chance.IntN(4) {
	case 0:
		body[from] = byte(chance.UintN(256))
	case 1:
		return append(body[:from], body[to:]...)
	case 2:
		return append(bytes.Clone(body[:to]), body[from:]...)
	case 3:
		for i, c := range body {
			if c >= '1' && c <= '8' && chance.IntN(8) == 0 {
				body[i] = '9'
			}
		}
	}
	return body
}
