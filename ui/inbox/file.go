// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// file serves a file of a message. A customer may have sent anything, so nothing but pictures, films and sounds is
// shown, no page of ours is readable from it, and the type is never guessed.
func (p *pages) file(c echo.Context, a app.Actor) error {
	id, err := app.ParseMessageID(c.Param("message"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.Param("n"))
	if err != nil {
		return gone()
	}
	blob, meta, err := p.Desk.Attachment(c.Request().Context(), a, id, n)
	if err != nil {
		return err
	}
	defer blob.Close() //nolint:errcheck // only read from
	h := c.Response().Header()
	typ, shown := servedType(meta.MIME)
	disposition := "attachment"
	if shown && c.QueryParam("download") == "" {
		disposition = "inline"
	}
	h.Set(echo.HeaderContentType, typ)
	h.Set(echo.HeaderContentDisposition, mime.FormatMediaType(disposition, map[string]string{"filename": nameFor(meta, typ)}))
	h.Set(echo.HeaderContentSecurityPolicy, "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set(echo.HeaderCacheControl, "private, no-cache")
	if len(meta.SHA256) > 0 {
		h.Set("ETag", `"`+hex.EncodeToString(meta.SHA256)+`"`)
	}
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, io.NewSectionReader(blob, 0, blob.Size()))
	return nil
}

// servedType is the type a file is served as, and whether a browser may show it.
func servedType(raw string) (typ string, shown bool) {
	t, _, err := mime.ParseMediaType(raw)
	if err != nil {
		return echo.MIMEOctetStream, false
	}
	switch t {
	case "image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/3gpp", "video/webm",
		"audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/amr", "audio/wav", "audio/webm":
		return t, true
	case "application/pdf":
		return t, false
	}
	return echo.MIMEOctetStream, false
}

func nameFor(a *app.Attachment, typ string) string {
	if a.Name != "" {
		return fileName(a.Name)
	}
	_, kind, _ := strings.Cut(typ, "/")
	return "file." + strings.NewReplacer("mpeg", "mp3", "jpeg", "jpg", "octet-stream", "bin").Replace(kind)
}
