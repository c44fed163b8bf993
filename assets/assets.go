// SPDX-License-Identifier: Apache-2.0

// Package assets holds the style sheets, scripts, fonts and pictures of the
// interface, bundled by packaging/tools/assets into dist/. The name of every
// bundled file carries a hash of its content, so browsers keep it for ever
// and a new version is a new name.
package assets

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed dist
var dist embed.FS

// Prefix is where Handler has to be mounted.
const Prefix = "/assets/"

// file is one bundled file as it is sent.
type file struct {
	kind     string
	raw, zip []byte
}

// bundle is the directory of files: by hashed name, and plain name to URL.
type bundle struct {
	files map[string]file
	urls  map[string]string
}

var types = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".wav": "audio/wav", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8",
}

var opened = sync.OnceValue(func() bundle {
	b, err := open(dist)
	if err != nil {
		panic(err) // embedded and tested: only a broken build gets here
	}
	return b
})

// URL returns the path of a file by its plain name: URL("app.css") is
// something like /assets/app.3fa1c2d4.css. An unknown name is a programmer's
// mistake; it gives a path that answers 404.
func URL(name string) string {
	if u, ok := opened().urls[name]; ok {
		return u
	}
	return Prefix + "missing/" + name
}

// Handler serves the files below Prefix.
func Handler() http.Handler { return http.HandlerFunc(opened().serve) }

func (b bundle) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	f, ok := b.files[strings.TrimPrefix(r.URL.Path, Prefix)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	body := f.raw
	if f.zip != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = f.zip
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the browser has gone: nothing to do
	}
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.TrimSpace(quality) != "q=0" {
			return true
		}
	}
	return false
}

func open(fsys fs.FS) (bundle, error) {
	b := bundle{files: map[string]file{}, urls: map[string]string{}}
	entries, err := fs.ReadDir(fsys, "dist")
	if err != nil {
		return b, fmt.Errorf("listing assets: %w", err)
	}
	for _, e := range entries {
		raw, err := fs.ReadFile(fsys, "dist/"+e.Name())
		if err != nil {
			return b, fmt.Errorf("reading asset %s: %w", e.Name(), err)
		}
		f := file{kind: types[path.Ext(e.Name())], raw: raw}
		if f.kind == "" {
			return b, fmt.Errorf("asset %s has no known type", e.Name())
		}
		if textual(f.kind) {
			if f.zip, err = compress(raw); err != nil {
				return b, fmt.Errorf("compressing asset %s: %w", e.Name(), err)
			}
		}
		b.files[e.Name()] = f
		b.urls[plainName(e.Name())] = Prefix + e.Name()
	}
	return b, nil
}

// textual reports whether compressing a file of this type gains anything.
func textual(kind string) bool {
	return !strings.HasPrefix(kind, "font/") && !strings.HasPrefix(kind, "audio/")
}

// plainName removes the hash: app.3fa1c2d4.css is app.css.
func plainName(name string) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	return strings.TrimSuffix(stem, path.Ext(stem)) + ext
}

func compress(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("opening gzip: %w", err)
	}
	if _, err := z.Write(raw); err != nil {
		return nil, fmt.Errorf("writing gzip: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("closing gzip: %w", err)
	}
	return b.Bytes(), nil
}
