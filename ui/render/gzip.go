// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

// worthPacking is the size from which compressing saves a packet.
const worthPacking = 1400

// packers are kept because one takes about a megabyte to make. Level 3 takes a third of a millisecond for an inbox; more
// saves little and costs as much again.
var packers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(io.Discard, 3)
	if err != nil {
		panic(err) // the level is one of gzip's own
	}
	return z
}}

// packed answers with body, compressed when the browser takes that. Pages are made of repetitions: an inbox of 60 KB
// goes as 8. Nothing in a page is a secret against its own reader, and browsers keep our cookie from requests that
// other sites make, so that nobody else can measure lengths.
func packed(c echo.Context, status int, body []byte) error {
	h := c.Response().Header()
	h.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body))) // a browser knows when it has all of it
	if len(body) < worthPacking || !takesGzip(c.Request().Header.Get(echo.HeaderAcceptEncoding)) {
		return c.HTMLBlob(status, body)
	}
	var out bytes.Buffer
	z := packers.Get().(*gzip.Writer) //nolint:errcheck // the pool holds nothing else
	defer packers.Put(z)
	z.Reset(&out)
	if _, err := z.Write(body); err != nil {
		return fmt.Errorf("compressing the page: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compressing the page: %w", err)
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	h.Set(echo.HeaderContentLength, strconv.Itoa(out.Len()))
	return c.HTMLBlob(status, out.Bytes())
}

func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.ReplaceAll(quality, " ", "") != "q=0"
		}
	}
	return false
}
