// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync/atomic"

	"kith/app"
	"kith/app/channel"
)

// fileType is what the file of a message is: the header of a template goes by its MIME type.
func fileType(m *channel.Outgoing) app.MessageType {
	if m.Type != app.TypeTemplate {
		return m.Type
	}
	switch t := plainMIME(m.Files[0].MIME); {
	case strings.HasPrefix(t, "image/"):
		return app.TypeImage
	case strings.HasPrefix(t, "video/"):
		return app.TypeVideo
	}
	return app.TypeDocument
}

var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "video/mp4": ".mp4", "video/3gpp": ".3gp",
	"audio/aac": ".aac", "audio/amr": ".amr", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/ogg": ".ogg",
	"application/pdf": ".pdf", "text/plain": ".txt",
}

// fileName returns a name without folders and control characters.
func fileName(t app.MessageType, f *channel.File) string {
	name := path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name))
	if name == "" || name == "." || name == "/" {
		name = t.String() + extensions[plainMIME(f.MIME)]
	}
	return cut(name, 240)
}

// uploadMIME is the type told to WhatsApp, which takes OGG only when its codec is named.
func uploadMIME(f *channel.File) string {
	if t := plainMIME(f.MIME); t != "audio/ogg" {
		return t
	}
	return "audio/ogg; codecs=opus"
}

// upload passes a file to WhatsApp and returns its id there. Repeating it does no harm: an id that no message uses goes
// away by itself.
func (s *sender) upload(ctx context.Context, t app.MessageType, f *channel.File) (string, error) {
	limit, err := fileLimit(t, f.MIME)
	if err != nil {
		return "", refuse(AdviceFile, "%s.", err.Error())
	}
	content := bufio.NewReader(f.Body)
	if t == app.TypeSticker {
		if err := checkSticker(content, f.Size); err != nil {
			return "", err
		}
	}
	guard := &sizeGuard{r: content, limit: limit, want: f.Size}
	form, length, contentType, err := multipartForm(t, f, guard)
	if err != nil {
		return "", again("The file could not be prepared.", err)
	}
	raw, err := s.call(ctx, request{
		method: "POST", url: s.base + "/" + s.numberID + "/media", contentType: contentType, body: form, length: length, slow: true,
	})
	if guard.exceeded.Load() {
		return "", refuse(AdviceFile, "The file is too large: WhatsApp takes %s.", fileRules[t].tell)
	}
	if err != nil {
		return "", err
	}
	var a struct {
		ID text `json:"id"`
	}
	if json.Unmarshal(raw, &a) != nil || a.ID == "" {
		return "", again("WhatsApp took the file and gave it no id.", nil)
	}
	return string(a.ID), nil
}

// multipartForm wraps content without holding it in memory. The length is 0 when the file's is not known.
func multipartForm(t app.MessageType, f *channel.File, content io.Reader) (form io.Reader, length int64, contentType string, err error) {
	var head, tail bytes.Buffer
	w := multipart.NewWriter(&head)
	if err = w.WriteField("messaging_product", "whatsapp"); err != nil {
		return nil, 0, "", err
	}
	if err = w.WriteField("type", uploadMIME(f)); err != nil {
		return nil, 0, "", err
	}
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", multipart.FileContentDisposition("file", fileName(t, f)))
	h.Set("Content-Type", uploadMIME(f))
	if _, err = w.CreatePart(h); err != nil {
		return nil, 0, "", err
	}
	tail.WriteString("\r\n--" + w.Boundary() + "--\r\n")
	if f.Size > 0 {
		length = int64(head.Len()) + f.Size + int64(tail.Len())
	}
	return io.MultiReader(&head, content, &tail), length, w.FormDataContentType(), nil
}

// sizeGuard stops a file at the limit, and one whose length is not the announced one before its end is written.
type sizeGuard struct {
	r        io.Reader
	read     int64
	limit    int64
	want     int64       // < 0 when not known
	exceeded atomic.Bool // read while the connection may still be writing
}

// Read passes on what is allowed.
func (g *sizeGuard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	g.read += int64(n)
	switch {
	case g.read > g.limit:
		g.exceeded.Store(true)
		return 0, errTooLong
	case g.want >= 0 && (g.read > g.want || (errors.Is(err, io.EOF) && g.read < g.want)):
		return 0, errLength
	}
	return n, err
}

var (
	errTooLong = errors.New("the file is too large")
	errLength  = errors.New("the file is not as long as announced")
	errGone    = errors.New("the address of the file has expired")
)

// checkSticker looks for the animation flag of WebP (byte 20 of an extended file), because still stickers must be
// smaller.
func checkSticker(r *bufio.Reader, size int64) error {
	head, err := r.Peek(21)
	if err != nil || string(head[:4]) != "RIFF" || string(head[8:12]) != "WEBP" {
		return refuse(AdviceFile, "The sticker is no WebP picture.")
	}
	animated := string(head[12:16]) == "VP8X" && head[20]&0x02 != 0
	if !animated && size > 100<<10 {
		return refuse(AdviceFile, "A sticker that does not move may have at most 100 KB.")
	}
	return nil
}

// formFileID keeps what a webhook calls a file from leading to another address.
var formFileID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// Fetch opens a file that a customer sent. Its address lives five minutes; when it is gone already, a fresh one is asked
// for once. The caller closes the file and compares its hash with the webhook's.
func (s *sender) Fetch(ctx context.Context, providerID string) (*channel.File, error) {
	if !formFileID.MatchString(providerID) {
		return nil, refuse(AdviceFileGone, "The file has no valid id.")
	}
	f, err := s.fetchOnce(ctx, providerID)
	if errors.Is(err, errGone) {
		f, err = s.fetchOnce(ctx, providerID)
	}
	return f, err
}

func (s *sender) fetchOnce(ctx context.Context, providerID string) (*channel.File, error) {
	raw, err := s.call(ctx, request{
		method: "GET", url: s.base + "/" + providerID + "?phone_number_id=" + url.QueryEscape(s.number),
	})
	if err != nil {
		return nil, err
	}
	var a struct {
		URL  text        `json:"url"`
		MIME text        `json:"mime_type"`
		Size json.Number `json:"file_size"`
	}
	if json.Unmarshal(raw, &a) != nil || a.URL == "" {
		return nil, again("WhatsApp told no address of the file.", nil)
	}
	if !s.mayHoldFiles(string(a.URL)) {
		return nil, refuse(AdviceFileGone, "WhatsApp named an address for the file that is not its own.")
	}
	res, err := s.do(ctx, request{method: "GET", url: string(a.URL), slow: true})
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode == http.StatusNotFound {
			e := refuse(AdviceFileGone, "The file is no longer at WhatsApp.")
			e.Err = errGone
			return nil, e
		}
		body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		return nil, refusal(res, body, false)
	}
	size := res.ContentLength
	if n, err := a.Size.Int64(); err == nil && size < 0 {
		size = n
	}
	return &channel.File{MIME: a.MIME.cut(maxName), Size: size, Body: res.Body}, nil
}

// mayHoldFiles keeps the token from hosts that are not Meta's or the inbox's own API.
func (s *sender) mayHoldFiles(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return false
	}
	if u.Scheme == s.origin.Scheme && strings.EqualFold(u.Host, s.origin.Host) {
		return true
	}
	host := strings.ToLower(u.Hostname())
	return u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") &&
		(host == "graph.facebook.com" || strings.HasSuffix(host, ".fbsbx.com") || strings.HasSuffix(host, ".whatsapp.net"))
}
