// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"image"
	_ "image/jpeg" // so that genuine can tell a JPEG
	_ "image/png"  // so that genuine can tell a PNG
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// accepted media types with their largest size; the type decides the kind of
// message that can carry the file.
type mediaLimit struct {
	kind string
	most int
}

const (
	maxUpload   = 100 << 20
	stillLimit  = 100 << 10
	movingLimit = 500 << 10
)

var mediaLimits = map[string]mediaLimit{
	"audio/aac": {"audio", 16 << 20}, "audio/amr": {"audio", 16 << 20}, "audio/mpeg": {"audio", 16 << 20},
	"audio/mp4": {"audio", 16 << 20}, "audio/ogg": {"audio", 16 << 20},
	"image/jpeg": {"image", 5 << 20}, "image/png": {"image", 5 << 20}, "image/webp": {"sticker", movingLimit},
	"video/mp4": {"video", 16 << 20}, "video/3gpp": {"video", 16 << 20},
	"text/plain": {"document", maxUpload}, "application/pdf": {"document", maxUpload},
	"application/msword": {"document", maxUpload}, "application/vnd.ms-excel": {"document", maxUpload}, "application/vnd.ms-powerpoint": {"document", maxUpload},
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   {"document", maxUpload},
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         {"document", maxUpload},
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": {"document", maxUpload},
}

func bareType(s string) string {
	t, _, err := mime.ParseMediaType(s)
	if err != nil {
		t, _, _ = strings.Cut(s, ";")
	}
	return strings.ToLower(strings.TrimSpace(t))
}

func kindOf(mimeType string) string { return mediaLimits[bareType(mimeType)].kind }

// genuine reports that a file is what its type says, as far as the network is
// known to look: pictures decode, voice notes are mono Opus, stickers are WebP.
func genuine(mimeType string, b []byte) bool {
	switch bareType(mimeType) {
	case "image/jpeg", "image/png":
		_, format, err := image.DecodeConfig(bytes.NewReader(b))
		return err == nil && "image/"+format == bareType(mimeType)
	case "image/webp":
		return len(b) > 16 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" && (moving(b) || len(b) <= stillLimit)
	case "audio/ogg":
		i := bytes.Index(b[:min(len(b), 128)], []byte("OpusHead"))
		return bytes.HasPrefix(b, []byte("OggS")) && i > 0 && len(b) > i+9 && b[i+9] == 1
	case "video/mp4", "audio/mp4", "video/3gpp":
		return len(b) > 12 && string(b[4:8]) == "ftyp"
	case "application/pdf":
		return bytes.HasPrefix(b, []byte("%PDF-"))
	}
	return true
}

// moving reports an animated WebP, by the flag in its extended header.
func moving(b []byte) bool { return len(b) > 20 && string(b[12:16]) == "VP8X" && b[20]&2 != 0 }

// serveUpload is POST /{phone-number-id}/media.
func (w *World) serveUpload(rw http.ResponseWriter, r *http.Request) {
	f, bad := upload(rw, r)
	if bad != nil {
		w.refuse(rw, bad)
		return
	}
	w.mu.Lock()
	id := w.store(f).id
	w.mu.Unlock()
	reply(rw, http.StatusOK, map[string]any{"id": id})
}

func upload(rw http.ResponseWriter, r *http.Request) (medium, *fault) {
	r.Body = http.MaxBytesReader(rw, r.Body, maxUpload+maxBody)
	parts, err := r.MultipartReader()
	if err != nil {
		return medium{}, &fault{code: 100, message: "(#100) The request must be multipart/form-data"}
	}
	fields := map[string]string{}
	f := medium{uploaded: true}
	for {
		p, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // NextPart returns it bare
			break
		}
		if err != nil {
			return medium{}, &fault{code: 131053, detail: "The upload is larger than 100 MB or broke off."}
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return medium{}, &fault{code: 131053, detail: "The upload is larger than 100 MB or broke off."}
		}
		switch p.FormName() {
		case "file":
			f.bytes, f.name, f.mime = b, path.Base(p.FileName()), p.Header.Get("Content-Type")
		case "messaging_product", "type":
			fields[p.FormName()] = string(b)
		default:
			return medium{}, &fault{code: 100, message: "(#100) Invalid parameter", detail: "Unexpected key " + strconv.Quote(p.FormName())}
		}
	}
	return f, checkUpload(&f, fields)
}

func checkUpload(f *medium, fields map[string]string) *fault {
	if fields["messaging_product"] != "whatsapp" {
		return &fault{code: 100, message: "(#100) The parameter messaging_product is required."}
	}
	if f.bytes == nil {
		return &fault{code: 100, message: "(#100) The parameter file is required."}
	}
	if t := fields["type"]; t != "" && (f.mime == "" || bareType(f.mime) == "application/octet-stream") {
		f.mime = t
	}
	limit, ok := mediaLimits[bareType(f.mime)]
	if !ok {
		known := make([]string, 0, len(mediaLimits))
		for k := range mediaLimits {
			known = append(known, k)
		}
		slices.Sort(known)
		return &fault{code: 100, message: "(#100) Param file must be a file with one of the following types: " +
			strings.Join(known, ", ") + ". Received file of type '" + bareType(f.mime) + "'."}
	}
	if len(f.bytes) == 0 || len(f.bytes) > limit.most {
		return &fault{code: 131053, detail: "A file of type " + bareType(f.mime) + " may have 1 to " + strconv.Itoa(limit.most) +
			" bytes; this one has " + strconv.Itoa(len(f.bytes)) + "."}
	}
	return nil
}

// serveMedia is GET /{media-id}: where the file can be fetched, for five minutes.
func (w *World) serveMedia(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	id := path.Base(r.URL.Path)
	f := w.found(id)
	if n := r.URL.Query().Get("phone_number_id"); n != "" && n != w.o.PhoneNumberID {
		f = nil
	}
	var out map[string]any
	if f != nil {
		out = map[string]any{
			"messaging_product": "whatsapp", "url": w.mediaURL(f), "mime_type": f.mime, "sha256": f.sha, "file_size": len(f.bytes), "id": f.id,
		}
	}
	w.mu.Unlock()
	if out == nil {
		w.refuse(rw, unknownObject("get", id))
		return
	}
	reply(rw, http.StatusOK, out)
}

func (w *World) serveMediaDelete(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	id := path.Base(r.URL.Path)
	f := w.found(id)
	w.drop(id)
	w.mu.Unlock()
	if f == nil {
		w.refuse(rw, unknownObject("delete", id))
		return
	}
	reply(rw, http.StatusOK, map[string]any{"success": true})
}

// serveDownload sends the bytes of an address handed out by mediaURL.
func (w *World) serveDownload(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.mu.Lock()
	f := w.found(q.Get("mid"))
	ok := f != nil && w.now().Before(f.keys[q.Get("hash")])
	var b []byte
	var mimeType string
	if ok {
		b, mimeType = f.bytes, f.mime
	}
	w.mu.Unlock()
	if !ok {
		http.Error(rw, "URL signature expired", http.StatusNotFound)
		return
	}
	rw.Header().Set("Content-Type", mimeType)
	rw.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = rw.Write(b) // a reader that went away is no fault of ours
}
