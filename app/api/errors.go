// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/auth"
	"kith/app/ingress"
	"kith/store"
)

// Fault is an error as HTTP tells it: a status, a code for programs, a sentence for people.
type Fault struct {
	Status     int    `json:"-"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	Field      string `json:"field,omitempty"`
	RetryAfter int    `json:"-"` // seconds; 0 = nothing to say
	// Problem is the error for people, with the key of its translation; nil when it has none.
	Problem *app.Problem `json:"-"`
}

// malformed is the error of a request that cannot be read at all.
type malformed struct{ field, text string }

// Error returns the English sentence.
func (m *malformed) Error() string { return m.text }

// FaultOf is the one place where errors become statuses.
func FaultOf(err error) Fault {
	if p, ok := errors.AsType[*app.Problem](err); ok {
		return problemFault(p)
	}
	if bad, ok := errors.AsType[*malformed](err); ok {
		return Fault{Status: http.StatusBadRequest, Code: "malformed", Message: bad.text, Field: bad.field}
	}
	if slow, ok := errors.AsType[*auth.SlowDown](err); ok {
		return Fault{
			Status: http.StatusTooManyRequests, Code: "too_many_requests", Message: slow.Error(),
			RetryAfter: int(slow.Wait.Seconds()) + 1,
		}
	}
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Fault{
			Status: http.StatusRequestEntityTooLarge, Code: "too_large",
			Message: "The request is larger than " + strconv.FormatInt(big.Limit, 10) + " bytes.",
		}
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		return statusFault(he.Code)
	}
	return otherFault(err)
}

func problemFault(p *app.Problem) Fault {
	f := Fault{Message: p.Text, Field: p.Field, Problem: p}
	switch {
	case errors.Is(p, app.ErrInvalid):
		f.Status, f.Code = http.StatusUnprocessableEntity, "invalid"
	case errors.Is(p, app.ErrForbidden):
		f.Status, f.Code = http.StatusForbidden, "forbidden"
	case errors.Is(p, app.ErrNotFound):
		f.Status, f.Code = http.StatusNotFound, "not_found"
	case errors.Is(p, app.ErrWindow):
		f.Status, f.Code = http.StatusConflict, "window_closed"
	case errors.Is(p, app.ErrConflict):
		f.Status, f.Code = http.StatusConflict, "conflict"
	default:
		f.Status, f.Code = http.StatusInternalServerError, "internal"
	}
	return f
}

// others are the errors of rooms below, with what HTTP says of them.
var others = []struct {
	is    error
	fault Fault
}{
	{auth.ErrUnauthenticated, Fault{Status: http.StatusUnauthorized, Code: "unauthenticated", Message: "Send a valid API key as \"Authorization: Bearer KEY\"."}},
	{ingress.ErrUnknownInbox, Fault{Status: http.StatusNotFound, Code: "not_found", Message: "No inbox of this kind has this address."}},
	{ingress.ErrUnsigned, Fault{Status: http.StatusUnauthorized, Code: "unsigned", Message: "The signature, or at a handshake the verify token, is missing or does not match this inbox."}},
	{ingress.ErrTooLarge, Fault{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Message: "A webhook may have at most 3 MB."}},
	{store.ErrFull, Fault{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "The disk is full: nothing was stored. Try again later.", RetryAfter: 30}},
	{store.ErrUnavailable, Fault{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "The store takes no writes now: nothing was stored. Try again later.", RetryAfter: 30}},
	{store.ErrUnknown, Fault{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "It is not known whether this was stored. Look before you try again.", RetryAfter: 60}},
	{store.ErrClosed, Fault{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "kith is stopping. Try again later.", RetryAfter: 10}},
	{context.DeadlineExceeded, Fault{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "This took too long. Try again later.", RetryAfter: 10}},
	{context.Canceled, Fault{Status: 499, Code: "cancelled", Message: "The caller went away."}},
}

func otherFault(err error) Fault {
	for _, o := range others {
		if errors.Is(err, o.is) {
			return o.fault
		}
	}
	return Fault{
		Status: http.StatusInternalServerError, Code: "internal",
		Message: "Something went wrong in kith; its log says more.",
	}
}

// statusFault puts the statuses that the router itself gives into words.
func statusFault(status int) Fault {
	f := Fault{Status: status, Code: "http_" + strconv.Itoa(status), Message: http.StatusText(status)}
	switch status {
	case http.StatusNotFound:
		f.Code, f.Message = "not_found", "There is nothing at this address."
	case http.StatusMethodNotAllowed:
		f.Code, f.Message = "method_not_allowed", "This address does not take this method."
	case http.StatusRequestEntityTooLarge:
		f.Code, f.Message = "too_large", "The request is too large."
	case http.StatusForbidden:
		f.Code, f.Message = "forbidden", "This request came from another site."
	case http.StatusUnauthorized:
		return otherFault(auth.ErrUnauthenticated)
	}
	return f
}

// WriteFault answers with the JSON form of a fault.
func WriteFault(w http.ResponseWriter, f Fault) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if f.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="kith"`)
	}
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(map[string]Fault{"error": f}) // the caller went away: nobody to tell
}
