// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/whatsapp"
	"kith/app/egress"
)

func hello() channel.Outgoing {
	return channel.Outgoing{To: toPhone, Type: app.TypeText, Content: app.Content{Text: "hello"}}
}

// TestErrorCodes is the table of PROTOCOLS 1.10, as the Graph API answers it.
func TestErrorCodes(t *testing.T) {
	type want struct {
		class channel.Class
		tries int
		wait  time.Duration
	}
	table := map[want][]int{
		{class: channel.Stop}:                   {0, 3, 10, 190, 200, 250, 299, 131005, 368, 131031, 130497, 131042, 131037, 131045, 133010},
		{channel.Again, 6, 0}:                   {1, 2, 131016, 133004},
		{channel.Again, 3, 0}:                   {131000},
		{channel.Again, 2, 0}:                   {135000},
		{channel.Again, 6, time.Minute}:         {131057},
		{channel.Again, 6, 10 * time.Minute}:    {134101},
		{class: channel.SlowDown}:               {4, 80007, 130429, 133016},
		{channel.SlowDown, 0, 15 * time.Minute}: {131048},
		{class: channel.SlowPair}:               {131056},
		{class: channel.Refused}: {
			131047, 131062, 131051, 131053, 131052, 100, 131008, 131009, 131021, 33, 132000, 132001, 132005, 132007, 132012, 132015,
			132016, 132068, 132069, 131026, 131055, 134100, 134102, 987654,
		},
		{class: channel.Suppress}:             {131050, 130472},
		{channel.Suppress, 0, 24 * time.Hour}: {131049},
	}
	for w, codes := range table {
		for _, code := range codes {
			t.Run(fmt.Sprint(code), func(t *testing.T) {
				g := newGraph(t, func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
					rw.WriteHeader(http.StatusBadRequest)
					fmt.Fprintf(rw, `{"error":{"message":"(#%d) Title","type":"OAuthException","code":%d,"error_data":{"messaging_product":`+
						`"whatsapp","details":"Why"},"fbtrace_id":"Trace1"}}`, code, code)
				})
				_, err := g.sender(t).Send(t.Context(), hello())
				e, ok := err.(*channel.SendError) //nolint:errorlint // the contract names the type
				if !ok {
					t.Fatalf("got %T", err)
				}
				if got := (want{e.Class, e.Tries, e.Wait}); got != w {
					t.Errorf("got %v, want %v", got, w)
				}
				f := e.Failure
				if f.Code != code || f.Title != fmt.Sprintf("(#%d) Title", code) || f.Detail != "Why" || f.Trace != "Trace1" || f.Advice == "" {
					t.Errorf("failure: %+v", f)
				}
				if whatsapp.Classify(code) != w.class {
					t.Errorf("in a status the class is %d", whatsapp.Classify(code))
				}
			})
		}
	}
}

// TestAnswers: answers that are not Meta's words. Only what may have sent the message is unknown.
func TestAnswers(t *testing.T) {
	meta := `{"error":{"message":"m","code":424242}}`
	for name, c := range map[string]struct {
		status int
		body   string
		header string
		class  channel.Class
		advice string
	}{
		"500 with a reason":        {500, meta, "", channel.Again, whatsapp.AdviceLater},
		"503 with a reason":        {503, meta, "7", channel.Again, whatsapp.AdviceLater},
		"500 without a reason":     {500, "", "", channel.Unknown, whatsapp.AdviceUnknown},
		"502 from a gateway":       {502, "<html>Bad Gateway</html>", "", channel.Unknown, whatsapp.AdviceUnknown},
		"504 from a gateway":       {504, "<html>", "", channel.Unknown, whatsapp.AdviceUnknown},
		"503 without a reason":     {503, "", "7", channel.Again, whatsapp.AdviceLater},
		"429":                      {429, "", "7", channel.SlowDown, whatsapp.AdviceSlower},
		"401":                      {401, "", "", channel.Stop, whatsapp.AdviceToken},
		"403 with an unknown code": {403, meta, "", channel.Stop, whatsapp.AdviceToken},
		"a redirect":               {302, "", "", channel.Stop, whatsapp.AdviceAddress},
		"404 from something else":  {404, "<html>", "", channel.Refused, whatsapp.AdviceUnexplained},
		"200 without an id":        {200, `{"messages":[]}`, "", channel.Unknown, whatsapp.AdviceUnknown},
		"200 that is no JSON":      {200, `<html>`, "", channel.Unknown, whatsapp.AdviceUnknown},
	} {
		g := newGraph(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Retry-After", c.header)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		_, err := g.sender(t).Send(t.Context(), hello())
		e := wantClass(t, name, err, c.class, c.advice)
		if c.header == "7" && e.Wait != 7*time.Second {
			t.Errorf("%s: waits %s", name, e.Wait)
		}
		if len(g.all()) != 1 {
			t.Errorf("%s: called %d times", name, len(g.all()))
		}
	}
}

// TestBrokenConnection: after the request was written the outcome is unknown, before it the message may be sent again.
func TestBrokenConnection(t *testing.T) {
	hangUp := newGraph(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
	})
	_, err := hangUp.sender(t).Send(t.Context(), hello())
	wantClass(t, "hung up after the request", err, channel.Unknown, whatsapp.AdviceUnknown)
	if len(hangUp.all()) != 1 {
		t.Errorf("sent %d times", len(hangUp.all()))
	}

	err = hangUp.sender(t).MarkRead(t.Context(), "wamid.1", false)
	wantClass(t, "hung up after a mark", err, channel.Again, whatsapp.AdviceLater)

	half := newGraph(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, `{"messages":[`)
	})
	_, err = half.sender(t).Send(t.Context(), hello())
	wantClass(t, "half an answer", err, channel.Unknown, whatsapp.AdviceUnknown)

	arrived := make(chan struct{})
	release := make(chan struct{})
	slow := newGraph(t, func(http.ResponseWriter, *http.Request, []byte) {
		close(arrived)
		<-release
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err = slow.sender(t).Send(ctx, hello())
	close(release)
	wantClass(t, "time-out while waiting", err, channel.Unknown, whatsapp.AdviceUnknown)

	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	e := egress.New(egress.Options{Trusted: []string{address}})
	s := with(whatsapp.SettingAPIBase, "http://"+address)
	_, err = whatsapp.New().Open(s, e.Client("whatsapp", whatsapp.Hosts(s)...)).Send(t.Context(), hello())
	wantClass(t, "nobody listens", err, channel.Again, whatsapp.AdviceLater)
}

// TestNotAllowed: an API address in the private network that the operator did not name is not called.
func TestNotAllowed(t *testing.T) {
	g := newGraph(t, accept)
	s := with(whatsapp.SettingAPIBase, g.URL)
	e := egress.New(egress.Options{})
	_, err := whatsapp.New().Open(s, e.Client("whatsapp", whatsapp.Hosts(s)...)).Send(t.Context(), hello())
	wantClass(t, "not allowed", err, channel.Stop, whatsapp.AdviceAddress)
	if len(g.all()) != 0 {
		t.Error("it was called")
	}
}

// TestErrorsHoldNoSecrets: neither token nor address of the call nor text appear in errors.
func TestErrorsHoldNoSecrets(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	e := egress.New(egress.Options{Trusted: []string{srv.URL}})
	s := with(whatsapp.SettingAPIBase, srv.URL)
	sender := whatsapp.New().Open(s, e.Client("whatsapp", whatsapp.Hosts(s)...))
	_, err := sender.Send(t.Context(), hello())
	all := fmt.Sprintf("%v %+v", err, err)
	for unwrapped := err; unwrapped != nil; {
		all += unwrapped.Error()
		u, ok := unwrapped.(interface{ Unwrap() error }) //nolint:errorlint // walks the chain
		if !ok {
			break
		}
		unwrapped = u.Unwrap()
	}
	for _, secret := range []string{"a-token-for-tests", "106540352242922", "628110001", "hello"} {
		if strings.Contains(all, secret) {
			t.Errorf("the error holds %q: %s", secret, all)
		}
	}
}
