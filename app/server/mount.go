// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Mount adds routes.
type Mount func(e *echo.Echo)

// Handle returns a mount that passes everything below prefix to h, which sees the rest of the path.
func Handle(prefix string, h http.Handler) Mount {
	h = http.StripPrefix(prefix, h)
	return func(e *echo.Echo) { e.Any(prefix+"/*", echo.WrapHandler(h)) }
}
