// SPDX-License-Identifier: Apache-2.0

package apptest_test

import (
	"testing"

	"kith/app"
	"kith/app/apptest"
)

// TestEveryKindIsThere holds the sample to its promise.
func TestEveryKindIsThere(t *testing.T) {
	s := apptest.NewDesk(t)
	types, states := map[app.MessageType]bool{}, map[app.Status]bool{}
	for name := range s.Threads {
		all, err := s.Thread(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			types[m.Type], states[m.Status] = true, true
		}
	}
	for typ := app.TypeText; typ <= app.TypeNote; typ++ {
		if !types[typ] && typ != app.TypeEdit && typ != app.TypeRevoke {
			t.Errorf("no message of the type %s", typ)
		}
	}
	for _, st := range []app.Status{app.StatusQueued, app.StatusUnknown, app.StatusSent, app.StatusDelivered, app.StatusRead, app.StatusFailed} {
		if !states[st] {
			t.Errorf("no message with the status %s", st)
		}
	}
}
