// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// maxField is the longest part of a form that is no file.
const maxField = 64 << 10

// uploaded reads a form with a file. The file goes straight from the connection into a sealed file: it lies nowhere in
// clear and not in memory. Fields that belong to it may come before or after.
func (x *API) uploaded(c echo.Context, a app.Actor, conv app.ConversationID) (d app.Draft, err error) {
	form, err := c.Request().MultipartReader()
	if err != nil {
		return d, &malformed{text: "The form cannot be read."}
	}
	fields := map[string]string{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return d, formError(err)
		}
		if part.FormName() == "file" && d.File == nil {
			if d.File, err = x.keep(c, a, conv, part); err != nil {
				return d, err
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil {
			return d, formError(err)
		}
		fields[part.FormName()] = string(text)
	}
	if d.File == nil {
		return d, invalid("file", "problem.file_none", "Send the file as the part \"file\" of the form.")
	}
	if fields["type"] == "voice" && d.File.Type == app.TypeAudio {
		d.File.Type = app.TypeVoice
	}
	if fields["type"] == "document" {
		d.File.Type = app.TypeDocument
	}
	d.Text = fields["text"]
	d.ReplyTo, err = quoted(fields["reply_to"])
	return d, err
}

func formError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return &malformed{text: "The form cannot be read."}
}

// keep seals one file. What is never linked to a message is removed at a later start.
func (x *API) keep(c echo.Context, a app.Actor, conv app.ConversationID, part *multipart.Part) (*app.Upload, error) {
	w, err := x.desk.CreateUpload(c.Request().Context(), a, conv)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(part, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		if errors.Is(err, io.EOF) {
			err = invalid("file", "problem.file_empty", "The file is empty.")
		}
		return nil, errors.Join(err, w.Abort())
	}
	if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(head[:n]), part)); err != nil {
		return nil, errors.Join(formError(err), w.Abort())
	}
	ref, meta, err := w.Commit()
	if err != nil {
		return nil, fmt.Errorf("keeping an upload: %w", err)
	}
	meta.Name = path.Base(strings.ReplaceAll(part.FileName(), `\`, "/"))
	meta.Type = mimeOf(part.Header.Get(echo.HeaderContentType), head[:n])
	return &app.Upload{Blob: ref, Meta: meta, Type: typeOf(meta.Type)}, nil
}

// mimeOf believes the caller unless the caller does not know.
func mimeOf(given string, head []byte) string {
	t, _, err := mime.ParseMediaType(given)
	if err != nil || t == echo.MIMEOctetStream {
		t, _, _ = mime.ParseMediaType(http.DetectContentType(head))
	}
	return t
}

// typeOf says how a file is shown.
func typeOf(kind string) app.MessageType {
	major, minor, _ := strings.Cut(kind, "/")
	switch {
	case kind == "image/webp":
		return app.TypeSticker
	case major == "image" && (minor == "jpeg" || minor == "png"):
		return app.TypeImage
	case major == "video":
		return app.TypeVideo
	case major == "audio":
		return app.TypeAudio
	}
	return app.TypeDocument
}
