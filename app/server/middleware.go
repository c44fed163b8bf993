// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/api"
)

// The largest bodies: a form with a file of at most 100 MB, where files are taken, and anything else.
const (
	maxUpload = 101 << 20
	maxOther  = 1 << 20
)

// uploads are the routes that take files. They ask who is there before they read, and pass what they read on to where
// it is kept; all other forms are read into memory, also those of strangers.
var uploads = map[string]bool{
	"/inbox/:id/reply": true, "/api/v1/conversations/:id/messages": true, "/simulator/:customer/say": true, GraphPath + "/*": true,
}

// logged gives the request a number, answers its error, and writes one line. The line names the route, not the path: no
// token, identifier or search of a person is in it.
func (s *Server) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		id := requestID()
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		err := s.recovered(next, c)
		if err != nil {
			c.Error(err)
		}
		status, level := c.Response().Status, slog.LevelDebug
		attrs := []slog.Attr{
			slog.String("method", c.Request().Method), slog.String("route", c.Path()), slog.Int("status", status),
			slog.Int64("bytes", c.Response().Size), slog.Duration("took", time.Since(start)), slog.String("request_id", id),
		}
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
			attrs = append(attrs, slog.Any("error", err))
		}
		s.log.LogAttrs(c.Request().Context(), level, "request", attrs...)
		return nil
	}
}

func (s *Server) recovered(next echo.HandlerFunc, c echo.Context) (err error) {
	defer caught(&err)
	return next(c)
}

func requestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}

// limited refuses bodies that are too large, by their word or when they are read.
func (s *Server) limited(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		limit := int64(maxOther)
		if uploads[c.Path()] && strings.HasPrefix(r.Header.Get(echo.HeaderContentType), echo.MIMEMultipartForm) {
			limit = maxUpload
		}
		if r.ContentLength > limit {
			discard(c.Response(), r.Body)
			return &http.MaxBytesError{Limit: limit}
		}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
		}
		return next(c)
	}
}

// guarded refuses what another site makes a browser do. The API has no cookies and needs no guard.
func (s *Server) guarded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !strings.HasPrefix(c.Request().URL.Path, "/api/") {
			if err := s.cross.Check(c.Request()); err != nil {
				return &app.Problem{
					Kind: app.ErrForbidden, Key: "problem.cross_site",
					Text: "This request came from another site and was refused. Open kith itself and try again.",
				}
			}
		}
		return next(c)
	}
}

// answerError is the router's error handler.
func (s *Server) answerError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	f := api.FaultOf(err)
	if strings.HasPrefix(c.Request().URL.Path, "/api/") {
		api.WriteFault(c.Response(), f)
		return
	}
	if f.RetryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, itoa(f.RetryAfter))
	}
	err = s.errorPage(c, f.Status, f.Problem)
	if err == nil || c.Response().Committed {
		return
	}
	s.log.ErrorContext(c.Request().Context(), "the error page could not be drawn", "error", err)
	_ = c.String(f.Status, f.Message+"\n") // the caller went away: nobody to tell
}
