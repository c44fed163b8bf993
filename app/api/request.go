// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// The number of things in a list unless the caller asks for another, and the most.
const (
	defaultLimit = 50
	maxLimit     = 100
)

// maxKey is the longest Idempotency-Key.
const maxKey = 255

// list is the form of every list. Next is the cursor of the next page, null on the last one.
type list[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next"`
}

func answerList[T any](c echo.Context, data []T, next string) error {
	out := list[T]{Data: data}
	if data == nil {
		out.Data = []T{}
	}
	if next != "" {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(next))
		out.Next = &cursor
	}
	return c.JSON(http.StatusOK, out)
}

func invalid(field, key, text string) error {
	return &app.Problem{Kind: app.ErrInvalid, Field: field, Key: key, Text: text}
}

func limitOf(c echo.Context) (int, error) {
	s := c.QueryParam("limit")
	if s == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxLimit {
		return 0, invalid("limit", "problem.limit", fmt.Sprintf("limit is a number from 1 to %d.", maxLimit))
	}
	return n, nil
}

// cursorOf returns what answerList was given as next, "" at the beginning.
func cursorOf(c echo.Context) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(c.QueryParam("cursor"))
	if err != nil {
		return "", badCursor()
	}
	return string(b), nil
}

func badCursor() error {
	return invalid("cursor", "problem.cursor", "cursor is the value of next of the page before, as it was given.")
}

// numberIn reads the number of a record in the path; anything else is the number of no record.
func numberIn(c echo.Context, bits int) (uint64, error) {
	n, err := strconv.ParseUint(c.Param("id"), 10, bits)
	if err != nil || n == 0 {
		return 0, echo.ErrNotFound
	}
	return n, nil
}

// numberQuery reads an optional number of a record in the query.
func numberQuery(c echo.Context, name string, bits int) (uint64, error) {
	s := c.QueryParam(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil {
		return 0, invalid(name, "problem.number", name+" is the id of a record.")
	}
	return n, nil
}

func formatID[N ~uint64 | ~uint32](n N) string { return strconv.FormatUint(uint64(n), 10) }

// id is the id of a record in a request: a string as the API gives it, or a number.
type id uint64

// UnmarshalJSON reads "12" and 12.
func (n *id) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseUint(strings.Trim(string(b), `"`), 10, 64)
	if err != nil {
		return &json.UnmarshalTypeError{Value: "value", Type: reflect.TypeFor[id]()}
	}
	*n = id(v)
	return nil
}

// optional tells a member that is null from one that is not there.
type optional[T any] struct {
	given bool
	value *T
}

// UnmarshalJSON is called only when the member is there.
func (o *optional[T]) UnmarshalJSON(b []byte) error {
	o.given = true
	return json.Unmarshal(b, &o.value)
}

// body reads the one JSON object of a request into v. Members that v does not have are an error: a misspelt name should
// be noticed.
func body(c echo.Context, v any) error {
	kind := c.Request().Header.Get(echo.HeaderContentType)
	if kind != "" && !strings.HasPrefix(kind, echo.MIMEApplicationJSON) {
		return &malformed{text: "Send JSON with the header Content-Type: application/json."}
	}
	d := json.NewDecoder(c.Request().Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			return &malformed{text: "The request holds more than one JSON value."}
		}
		return nil
	}
	return unreadable(err)
}

func unreadable(err error) error {
	var big *http.MaxBytesError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &big):
		return err
	case errors.Is(err, io.EOF):
		return &malformed{text: "The request is empty; send a JSON object."}
	case errors.As(err, &typ):
		return &malformed{field: typ.Field, text: fmt.Sprintf("%s has the wrong form (%s).", orRequest(typ.Field), typ.Value)}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return &malformed{field: name, text: fmt.Sprintf("There is no member %q here; see /api/v1/openapi.json.", name)}
	}
	return &malformed{text: "The request is not valid JSON."}
}

func orRequest(field string) string {
	if field == "" {
		return "The request"
	}
	return field
}

// repeatKey returns the Idempotency-Key of a request, "" when it has none.
func repeatKey(c echo.Context) (string, error) {
	key := c.Request().Header.Get("Idempotency-Key")
	if len(key) > maxKey {
		return "", invalid("Idempotency-Key", "problem.repeat_key", fmt.Sprintf("An Idempotency-Key has at most %d bytes.", maxKey))
	}
	return key, nil
}

// stamp is an instant in RFC 3339 and UTC, null for none.
type stamp app.Instant

// MarshalJSON writes the instant.
func (s stamp) MarshalJSON() ([]byte, error) {
	if s == 0 {
		return []byte("null"), nil
	}
	return []byte(app.Instant(s).Time().Format(`"` + time.RFC3339Nano + `"`)), nil
}

// stampOf returns the instant of a time; zero and the epoch are none.
func stampOf(t time.Time) stamp {
	if t.Unix() <= 0 {
		return 0
	}
	return stamp(app.InstantOf(t))
}

// nonNil makes a list that is not there an empty one.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
