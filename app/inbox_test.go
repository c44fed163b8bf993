// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"testing"

	"kith/app"
)

func TestAnInboxIsReadAsItWasLastChanged(t *testing.T) {
	w := newWorld(t)
	read := func() *app.Inbox {
		t.Helper()
		in, err := w.desk.Inbox(w.ctx(), w.inbox)
		w.must(err)
		return in
	}
	if read().Paused != nil {
		t.Fatal("a new inbox is paused")
	}
	w.must(w.desk.PauseInbox(w.ctx(), w.inbox, app.Failure{Code: 190, Title: "token"}))
	if in := read(); in.Paused == nil || in.Paused.Code != 190 {
		t.Errorf("after the pause: %+v", in)
	}
	w.must(w.desk.SetInboxSettings(w.ctx(), w.agent, w.inbox, map[string]string{"access_token": "new"}))
	if in := read(); in.Paused != nil || in.Settings["access_token"] != "new" {
		t.Errorf("after new settings: %+v", in)
	}
	w.must(w.desk.ResumeInbox(w.ctx(), w.inbox, []app.Field{{Name: "quality_rating", Value: "GREEN"}}))
	if in := read(); len(in.Facts) != 1 {
		t.Errorf("after the network told about it: %+v", in)
	}
}
