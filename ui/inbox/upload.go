// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"kith/app"
)

const (
	mostFiles   = 10
	longestPart = 64 << 10  // bytes of a field of the form
	largestFile = 100 << 20 // bytes of a file; networks allow less for most types
)

// form is what a browser posted. Files went straight into the sealed store: nothing is kept in a temporary file.
type form struct {
	fields url.Values
	files  []app.Upload
}

func (f *form) get(name string) string { return f.fields.Get(name) }

// readForm reads the composer's form, with or without files. Fields of the address come last.
func (p *pages) readForm(c echo.Context, a app.Actor, id app.ConversationID) (*form, error) {
	f := &form{fields: url.Values{}}
	r, err := c.Request().MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		fields, err := c.FormParams()
		if err != nil {
			return f, malformed(err)
		}
		f.fields = fields
		return f, nil
	}
	if err != nil {
		return f, malformed(err)
	}
	for {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f, malformed(err)
		}
		if err := p.readPart(c, a, id, f, part); err != nil {
			return f, err
		}
	}
	for name, values := range c.QueryParams() {
		f.fields[name] = append(f.fields[name], values...)
	}
	return f, nil
}

func (p *pages) readPart(c echo.Context, a app.Actor, id app.ConversationID, f *form, part *multipart.Part) error {
	if part.FormName() != "files" {
		raw, err := io.ReadAll(io.LimitReader(part, longestPart))
		if err != nil {
			return malformed(err)
		}
		f.fields.Add(part.FormName(), strings.ReplaceAll(string(raw), "\r\n", "\n"))
		return nil
	}
	if part.FileName() == "" {
		return nil // the empty file field of a browser
	}
	if len(f.files) == mostFiles {
		return &app.Problem{
			Kind: app.ErrInvalid, Field: "files", Key: "problem.files_many", Args: []any{mostFiles},
			Text: fmt.Sprintf("Send at most %d files at once.", mostFiles),
		}
	}
	up, err := p.store(c, a, id, part)
	if err != nil {
		return err
	}
	f.files = append(f.files, *up)
	return nil
}

// store streams a file into the store. The type is what the bytes are, not what the browser says, where both differ.
func (p *pages) store(c echo.Context, a app.Actor, id app.ConversationID, part *multipart.Part) (*app.Upload, error) {
	first := make([]byte, 512)
	n, err := io.ReadFull(part, first)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, malformed(err)
	}
	if n == 0 {
		return nil, &app.Problem{Kind: app.ErrInvalid, Field: "files", Key: "problem.file_empty", Text: "This file is empty."}
	}
	w, err := p.Desk.CreateUpload(c.Request().Context(), a, id)
	if err != nil {
		return nil, err
	}
	size, err := io.Copy(w, io.LimitReader(io.MultiReader(bytes.NewReader(first[:n]), part), largestFile+1))
	if err == nil && size > largestFile {
		err = &app.Problem{
			Kind: app.ErrInvalid, Field: "files", Key: "problem.file_large", Args: []any{largestFile >> 20},
			Text: fmt.Sprintf("This file is too large for the network: at most %d MB.", largestFile>>20),
		}
	}
	if err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	ref, meta, err := w.Commit()
	if err != nil {
		return nil, err
	}
	meta.Name = fileName(part.FileName())
	meta.Type = fileType(first[:n], meta.Name, part.Header.Get(echo.HeaderContentType))
	return &app.Upload{Blob: ref, Meta: meta, Type: messageType(meta.Type)}, nil
}

func malformed(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err // the server says what is too large
	}
	return &app.Problem{
		Kind: app.ErrInvalid, Key: "problem.form", Text: "The browser did not send the whole form (" + err.Error() + "). Try again.",
	}
}

// fileName is the last part of what the browser calls the file, in characters that file systems take.
func fileName(s string) string {
	s = path.Base(strings.ReplaceAll(s, `\`, "/"))
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || strings.ContainsRune(`<>:"/|?*`, r) {
			return '_'
		}
		return r
	}, s)
	for len(s) > 200 {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// fileType trusts the bytes for pictures, films and sounds, and the name for office documents, which look like archives.
func fileType(first []byte, name, told string) string {
	sniffed, _, _ := strings.Cut(http.DetectContentType(first), ";")
	if t, _, err := mime.ParseMediaType(told); err == nil {
		told = t
	}
	switch {
	case sniffed == "application/ogg":
		return "audio/ogg"
	case sniffed == "video/mp4" && strings.HasPrefix(told, "audio/"):
		return told
	case sniffed != "application/octet-stream" && sniffed != "application/zip" && sniffed != "text/plain":
		return sniffed
	}
	if byName, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(name)), ";"); officeTypes[strings.ToLower(path.Ext(name))] != "" {
		return officeTypes[strings.ToLower(path.Ext(name))]
	} else if byName != "" && sniffed != "text/plain" {
		return byName
	}
	if sniffed == "application/octet-stream" && told != "" && !strings.HasPrefix(told, "text/") {
		return told
	}
	return sniffed
}

// officeTypes is independent of what the machine's own table of types says.
var officeTypes = map[string]string{
	".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}

// messageType is how a file is sent.
func messageType(mimeType string) app.MessageType {
	switch kind, _, _ := strings.Cut(mimeType, "/"); {
	case mimeType == "image/webp":
		return app.TypeSticker
	case mimeType == "image/jpeg" || mimeType == "image/png":
		return app.TypeImage
	case mimeType == "video/mp4" || mimeType == "video/3gpp":
		return app.TypeVideo
	case kind == "audio":
		return app.TypeAudio
	}
	return app.TypeDocument
}
