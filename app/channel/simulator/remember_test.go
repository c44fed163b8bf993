// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"testing"
	"time"
)

func TestRememberOpensTheWindowOfAnEarlierWorld(t *testing.T) {
	w := New(Options{Chaos: Calm()})
	now := time.Now()
	w.Remember("ID.90000000000000000001", now.Add(-time.Hour))
	w.Remember("nobody", now)
	for id, want := range map[string]int{"dewi": 0, "asha": 131047} {
		m := &message{owner: w.person(id)}
		if w.doom(m); m.fails != want {
			t.Errorf("%s: a reply fails with %d, want %d", id, m.fails, want)
		}
	}
}
