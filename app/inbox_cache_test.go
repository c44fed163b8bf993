// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"sync"
	"testing"

	"kith/app"
)

func TestAChangedInboxIsReadAnew(t *testing.T) {
	w := newWorld(t)
	id := w.inbox
	read := func() *app.Inbox {
		in, err := w.desk.Inbox(w.ctx(), id)
		w.must(err)
		return in
	}
	first := read()
	first.Name = "scribbled on"
	if read().Name == "scribbled on" {
		t.Error("one reader's copy reaches another")
	}
	w.must(w.desk.SetInboxSettings(w.ctx(), app.Host(), id, map[string]string{"app_secret": "the next one"}))
	if got := read().Settings["app_secret"]; got != "the next one" {
		t.Errorf("the secret is %q after it was changed", got)
	}
	w.must(w.desk.PauseInbox(w.ctx(), id, app.Failure{Code: 190}))
	if read().Paused == nil {
		t.Error("the pause is not seen")
	}
	w.must(w.desk.ResumeInbox(w.ctx(), id, []app.Field{{Name: "quality", Value: "GREEN"}}))
	if in := read(); in.Paused != nil || len(in.Facts) != 1 {
		t.Errorf("after resuming the inbox is %+v", in)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := w.desk.Inbox(w.ctx(), id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		w.must(w.desk.PauseInbox(w.ctx(), id, app.Failure{Code: 1}))
		if read().Paused == nil {
			t.Fatal("a pause got lost among readers")
		}
		w.must(w.desk.ResumeInbox(w.ctx(), id, nil))
		if read().Paused != nil {
			t.Fatal("the end of a pause got lost among readers")
		}
	}
	wg.Wait()
}
