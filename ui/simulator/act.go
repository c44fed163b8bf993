// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app/channel/simulator"
)

var errUnknown = errors.New("simulator page: no such act")

// say sends what was written, chosen or recorded, as one message for each file.
func (s site) say(c echo.Context, customer string) error {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, simulator.MaxMedia+1<<20)
	form, err := c.MultipartForm()
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return simulator.ErrTooLarge
	}
	text := strings.TrimSpace(strings.ReplaceAll(c.FormValue("text"), "\r\n", "\n"))
	if edited := c.FormValue("edit"); edited != "" {
		return s.tell(c, customer, simulator.Edit{Message: edited, Body: text})
	}
	var contents []simulator.Content
	if form != nil {
		for _, f := range form.File["files"] {
			m, err := media(f)
			if err != nil {
				return err
			}
			if m.Caption = text; !captioned(m) {
				m.Caption = ""
			} else {
				text = ""
			}
			contents = append(contents, m)
		}
	}
	if text != "" || len(contents) == 0 {
		contents = append(contents, simulator.Text{Body: text})
	}
	if reply := c.FormValue("reply_to"); reply != "" {
		contents[0] = simulator.ReplyTo{Message: reply, Content: contents[0]}
	}
	return s.tell(c, customer, contents...)
}

func (s site) tell(c echo.Context, customer string, contents ...simulator.Content) error {
	for _, one := range contents {
		if _, err := s.World.Say(c.Request().Context(), customer, one); err != nil {
			return err
		}
	}
	return nil
}

// media makes a message of an uploaded file. A recording carries the file name
// that the recorder gives, and is a voice message.
func media(f *multipart.FileHeader) (simulator.Media, error) {
	if f.Size > simulator.MaxMedia {
		return simulator.Media{}, simulator.ErrTooLarge
	}
	r, err := f.Open()
	if err != nil {
		return simulator.Media{}, fmt.Errorf("opening an upload: %w", err)
	}
	defer r.Close() //nolint:errcheck // nothing was written
	b, err := io.ReadAll(r)
	if err != nil {
		return simulator.Media{}, fmt.Errorf("reading an upload: %w", err)
	}
	m := simulator.Media{Bytes: b, MIME: f.Header.Get(echo.HeaderContentType), Filename: path.Base(f.Filename)}
	if m.MIME == "" || m.MIME == echo.MIMEOctetStream {
		m.MIME = http.DetectContentType(b)
	}
	m.Voice = strings.HasPrefix(m.Filename, "voice-note.")
	if bytes.HasPrefix(b, []byte("OggS")) && bytes.Contains(b[:min(len(b), 128)], []byte("OpusHead")) {
		m.MIME, m.Voice = "audio/ogg; codecs=opus", true
	}
	return m, nil
}

// captioned reports whether a phone can write below a file.
func captioned(m simulator.Media) bool {
	return !strings.HasPrefix(m.MIME, "audio/") && m.MIME != "image/webp"
}

// do sends one of the ready-made messages.
func (s site) do(c echo.Context, customer string) error {
	p, _ := s.World.Customer(customer)
	message := c.FormValue("message")
	content, ok := samples(p.Customer, message)[c.FormValue("do")]
	if !ok {
		return errUnknown
	}
	if _, answers := content.(simulator.Location); answers && message != "" {
		content = simulator.ReplyTo{Message: message, Content: content}
	}
	return s.tell(c, customer, content)
}

// tap presses a button of a message, or picks a row of its list.
func (s site) tap(c echo.Context, customer string) error {
	id := c.FormValue("message")
	if row := c.FormValue("row"); row != "" {
		return s.tell(c, customer, simulator.ListReply{Message: id, ID: row})
	}
	return s.tell(c, customer, simulator.ButtonReply{Message: id, ID: c.FormValue("choice")})
}

func (s site) react(c echo.Context, customer string) error {
	return s.tell(c, customer, simulator.Reaction{Message: c.FormValue("message"), Emoji: c.FormValue("emoji")})
}

func (s site) revoke(c echo.Context, customer string) error {
	return s.tell(c, customer, simulator.Revoke{Message: c.FormValue("message")})
}

func (s site) offline(c echo.Context, customer string) error {
	s.World.SetOffline(customer, c.FormValue("offline") == "1")
	return nil
}

func (s site) forge(c echo.Context, customer string) error {
	return s.World.Forge(c.Request().Context(), customer)
}

func (s site) garble(c echo.Context, customer string) error {
	return s.World.Garble(c.Request().Context(), customer)
}

// media serves a file of a message to the page. What a browser could run is
// only offered for saving.
func (s site) media(c echo.Context) error {
	b, ok := s.World.Blob(c.Param("id"))
	if !ok {
		return echo.NewHTTPError(http.StatusNotFound)
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, b.MIME)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(echo.HeaderCacheControl, "private, max-age=3600")
	if !shown(b.MIME) {
		h.Set(echo.HeaderContentType, echo.MIMEOctetStream)
		h.Set(echo.HeaderContentDisposition, "attachment")
	}
	http.ServeContent(c.Response(), c.Request(), "", s.Now(), bytes.NewReader(b.Bytes))
	return nil
}

func shown(mimeType string) bool {
	switch kind, _, _ := strings.Cut(mimeType, ";"); kind {
	case "image/jpeg", "image/png", "image/webp", "image/gif":
		return true
	default:
		return strings.HasPrefix(kind, "audio/") || strings.HasPrefix(kind, "video/")
	}
}
