// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBrowserLive leaves an inbox open while kith is stopped and started again, and while the network is down: what
// came meanwhile is there without a reload, and nothing is there twice.
func TestBrowserLive(t *testing.T) {
	b := openBrowser(t)
	dir := dataDir(t)
	in := addInbox(t, dir, "Live", "100000000000555", newGraph(t, nil).URL)
	run(t, dir, ownerPassword+"\n", "user", "add", "--email", ownerEmail, "--name", "Olivia Owner", "--role", "owner", "--password-stdin")
	s := serve(t, dir)
	addr := strings.TrimPrefix(s.base, "http://")
	say := func(id, text string) {
		t.Helper()
		body := textWebhook("100000000000555", "6281200000066", "Wei Live", id, time.Now().Unix(), text)
		if status := deliver(http.DefaultClient, s.base+in.Path, body, sign(appSecret, body)); status != http.StatusOK {
			t.Fatalf("a webhook was answered %d", status)
		}
	}
	say("wamid.LIVE1", "the first one")

	tab := b.tab(t, 1440, 900)
	tab.signIn(s)
	tab.click("#convs a[data-row]")
	tab.sees("#log", "the first one")
	tab.mark()
	say("wamid.LIVE2", "while it is open")
	tab.sees("#log", "while it is open")
	tab.calm("live news")

	tab.expect("Failed to load resource", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET",
		"Failed to fetch") // what htmx says of the same refusals
	s.stop()
	s = serve(t, dir, "--listen", addr)
	say("wamid.LIVE3", "after the restart")
	tab.sees("#log", "after the restart")
	tab.unmoved("the restart")
	if n := eval[int](tab, `[...document.querySelectorAll("#log article")].length`); n != 3 {
		t.Errorf("the thread shows %d messages, want 3", n)
	}
	tab.fill("#reply", "Still signed in")
	tab.click("#composer button.send")
	tab.until("the reply", `document.querySelector('#log article[data-status="sent"]')`)
	tab.calm("a restart")
}
