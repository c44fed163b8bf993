// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// TestBrowserFlow is the first hour with kith: the claim link makes the owner, a simulated customer sends words and a
// picture, they appear in the inbox without a reload, the answer goes out, the ticks come back.
func TestBrowserFlow(t *testing.T) {
	b := openBrowser(t)
	s := serve(t, dataDir(t), "--simulator", "--simulator-chaos", "calm")
	inbox := b.tab(t, 1440, 900)
	inbox.open(s.line(claimLine))
	inbox.shot("claim")
	inbox.fill(`input[name="name"]`, "Olivia Owner")
	inbox.fill(`input[name="email"]`, ownerEmail)
	inbox.fill(`input[name="password"]`, ownerPassword)
	inbox.click(`form.signin button[type="submit"]`)
	inbox.until("the connected channel and the way to the simulator", `document.querySelector('a[href="/simulator"]')`)
	inbox.calm("after claiming")
	inbox.click(`a[href="/inbox"]`)
	inbox.until("the inbox", `location.pathname === "/inbox" && document.querySelector("#convs")`)

	phone := inbox.beside(1440, 900)
	phone.open(s.base + "/simulator")
	phone.click("#sim-people a")
	phone.until("the phone", `location.pathname.startsWith("/simulator/")`)
	customer := eval[string](phone, `document.querySelector('#sim-people [aria-current="true"] .cv-n').innerText`)
	inbox.mark()
	phone.choose(`kith-composer input[type="file"]`, picture(t))
	phone.fill("#reply", "Do you have this one in green?")
	phone.click(`kith-composer button.send`)
	inbox.sees("#convs", customer)
	inbox.sees("#convs", "Do you have this one in green?")
	inbox.unmoved("the new conversation")
	inbox.shot("flow-list")

	inbox.click("#convs a[data-row]")
	inbox.sees("#log", "Do you have this one in green?")
	inbox.until("the picture", `[...document.querySelectorAll("#log img")].some(i => i.complete && i.naturalWidth === 320)`)
	inbox.fill("#reply", "Yes, in green and in blue. Shall I put one aside?")
	inbox.click(`#composer button.send`)
	inbox.sees("#log article", "Shall I put one aside?")
	inbox.until("two ticks", `document.querySelector('#log article[data-status="delivered"], #log article[data-status="read"]')`)
	phone.sees("#sim-log", "Shall I put one aside?")
	inbox.until("the customer to have read it", `document.querySelector('#log article[data-status="read"]')`)
	inbox.unmoved("the ticks")
	inbox.until("no draft left", `document.querySelector("#reply").value === ""`)
	inbox.shot("flow-thread")
	phone.shot("flow-phone")
	inbox.calm("the inbox")
	phone.calm("the simulator")

	a := s.api()
	if n := len(list[conversation](a, "/api/v1/conversations?status=open")); n != 1 {
		t.Errorf("%d conversations, want 1", n)
	}
	inbox.open(s.base + "/inbox")
	inbox.click("summary.rail-i")
	inbox.click(`form[action="/sign-out"] button`)
	inbox.until("the sign-in page", `location.pathname === "/sign-in"`)
	inbox.open(s.base + "/inbox")
	inbox.until("to be asked to sign in", `location.pathname === "/sign-in"`)
	inbox.calm("signing out")
}

// picture writes a PNG of 320 by 200 and returns its path.
func picture(tb testing.TB) string {
	tb.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 320, 200))
	for y := range 200 {
		for x := range 320 {
			img.Set(x, y, color.RGBA{uint8(x / 2), uint8(90 + y/2), 110, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "jacket.png")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
