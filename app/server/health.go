// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"kith/store"
)

var (
	errMethod   = echo.NewHTTPError(http.StatusMethodNotAllowed)
	errBodyLost = echo.NewHTTPError(http.StatusBadRequest)
)

func itoa(n int) string { return strconv.Itoa(n) }

// health says that the process lives.
func (s *Server) health(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n") // the caller went away: nobody to tell
}

// ready says whether kith can take in and write down messages, and if not, why.
func (s *Server) ready(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	err := s.o.Desk.Ready()
	if err == nil && s.stopping.Err() != nil {
		err = errStopping
	}
	if err != nil {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: %s\n", reason(err))
		return
	}
	_, _ = io.WriteString(w, "ready\n") // the caller went away: nobody to tell
}

// reason is why kith is not ready, for everybody who asks: without paths and details, which are in the log.
func reason(err error) string {
	for _, known := range []error{store.ErrFull, store.ErrUnknown, store.ErrClosed, errStopping} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return store.ErrUnavailable.Error()
}
