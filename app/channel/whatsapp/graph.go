// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"kith/app"
	"kith/app/channel"
	"kith/app/egress"
)

// maxAnswer is the largest answer of the Graph API that is read.
const maxAnswer = 4 << 20

// request is one call of the Graph API.
type request struct {
	method, url, contentType string
	body                     io.Reader
	length                   int64 // of body, when its type does not tell
	effect                   bool  // a message goes out by it: it must not be repeated blindly
	slow                     bool  // carries a file: the caller's deadline and the client's own bound it
}

// call makes one request and returns the body of a 2xx answer. Its error is a *channel.SendError.
func (s *sender) call(ctx context.Context, r request) ([]byte, error) {
	if !r.slow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	res, err := s.do(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode/100 == 2 && err == nil {
		return raw, nil
	}
	if err != nil && res.StatusCode/100 == 2 && !r.effect {
		return nil, again("The answer of WhatsApp broke off.", err)
	}
	if err != nil && r.effect {
		return nil, unknown("The answer of WhatsApp broke off.", err)
	}
	return nil, refusal(res, raw, r.effect)
}

// do sends the request. A break before the request was written may be repeated; one after it may not, when a message
// goes out by it.
func (s *sender) do(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, r.body)
	if err != nil {
		return nil, &channel.SendError{Class: channel.Stop, Err: egress.Cause(err), Failure: app.Failure{
			Title: "The address of the Graph API in the settings of this inbox is not valid.", Advice: AdviceAddress,
		}}
	}
	if r.length > 0 {
		req.ContentLength = r.length
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Accept", "application/json, */*")
	req.Header.Set("User-Agent", "kith")
	res, err := s.client.Do(req)
	if err == nil {
		return res, nil
	}
	cause := egress.Cause(err)
	switch {
	case errors.Is(err, egress.ErrRefused):
		return nil, &channel.SendError{Class: channel.Stop, Err: cause, Failure: app.Failure{
			Title: "kith does not call this address.", Advice: AdviceAddress,
		}}
	case r.effect && egress.Written(err):
		return nil, unknown("The connection to WhatsApp broke before it answered.", cause)
	}
	return nil, again("WhatsApp could not be reached.", cause)
}

func again(title string, err error) *channel.SendError {
	return &channel.SendError{Class: channel.Again, Err: err, Failure: app.Failure{Title: title, Advice: AdviceLater}}
}

func unknown(title string, err error) *channel.SendError {
	return &channel.SendError{Class: channel.Unknown, Err: err, Failure: app.Failure{Title: title, Advice: AdviceUnknown}}
}

// refusal reads an answer that is not 2xx. A server error without Meta's own words comes from something between us and
// WhatsApp: the message may have been taken, so it counts as unknown. 503 says that nothing was processed.
func refusal(res *http.Response, raw []byte, effect bool) *channel.SendError {
	var a struct {
		Error *struct {
			wireError
			UserMessage text `json:"error_user_msg"`
		} `json:"error"`
	}
	if json.Unmarshal(raw, &a) != nil || a.Error == nil || a.Error.Code == "" {
		return bare(res, effect)
	}
	code := a.Error.number()
	v := verdictOfAnswer(code, res.StatusCode)
	e := &channel.SendError{Class: v.class, Tries: v.tries, Wait: max(v.wait, retryAfter(res.Header)), Failure: a.Error.failure()}
	e.Failure.Advice = v.advice
	if e.Failure.Detail == "" {
		e.Failure.Detail = a.Error.UserMessage.cut(maxTitle)
	}
	return e
}

func bare(res *http.Response, effect bool) *channel.SendError {
	title := "WhatsApp answered with HTTP status " + strconv.Itoa(res.StatusCode) + " and no reason."
	if effect && res.StatusCode >= 500 && res.StatusCode != http.StatusServiceUnavailable {
		return unknown(title, nil)
	}
	v := verdictOfStatus(res.StatusCode)
	return &channel.SendError{
		Class: v.class, Tries: v.tries, Wait: max(v.wait, retryAfter(res.Header)),
		Failure: app.Failure{Title: title, Advice: v.advice},
	}
}

// retryAfter reads how long the other side wishes us to wait; an hour at most.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(min(n, 3600))*time.Second, time.Hour)
}
