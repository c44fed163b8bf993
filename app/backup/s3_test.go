// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSignature holds the signature against the examples that Amazon publishes.
func TestSignature(t *testing.T) {
	s := S3{Access: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	at := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		query map[string][]string
		want  string
	}{
		{map[string][]string{"lifecycle": {""}}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{map[string][]string{"max-keys": {"2"}, "prefix": {"J"}}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		req := httptest.NewRequest(http.MethodGet, "https://examplebucket.s3.amazonaws.com/", nil)
		req.URL.RawQuery = canonicalQuery(c.query)
		s.sign(req, nil, at)
		if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+c.want) {
			t.Errorf("%v: %s, want %s", c.query, got, c.want)
		}
	}
}

// storage is an S3-compatible storage in RAM. It checks the signature of every request and the sum of every body.
type storage struct {
	tb      testing.TB
	keys    S3
	mu      sync.Mutex
	files   map[string][]byte
	uploads map[string]map[int][]byte
	// fail decides what goes wrong with a request: a status, or -1 to break the connection in the middle.
	fail  func(n int, r *http.Request) int
	calls int
}

func newStorage(tb testing.TB) (*storage, *Bucket) {
	tb.Helper()
	s := &storage{tb: tb, files: map[string][]byte{}, uploads: map[string]map[int][]byte{}}
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	s.keys = S3{Endpoint: server.URL, Bucket: "copies", Prefix: "of kith", Access: "AKEXAMPLE", Secret: "example"}
	b := NewBucket(s.keys, server.Client())
	b.retry, b.part = time.Nanosecond, 1<<10
	return s, b
}

// ServeHTTP implements http.Handler.
func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.calls++
	if code := s.check(r, body); code != "" {
		s.refuse(w, http.StatusForbidden, code)
		return
	}
	if s.fail != nil {
		if status := s.fail(s.calls, r); status > 0 {
			s.refuse(w, status, "SlowDown")
			return
		} else if status < 0 {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte("the beginning"))
			panic(http.ErrAbortHandler)
		}
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/copies")
	if !ok {
		s.refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	s.serve(w, r, strings.TrimPrefix(name, "/"), body)
}

func (s *storage) check(r *http.Request, body []byte) string {
	sum := sha256.Sum256(body)
	if r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
		return "XAmzContentSHA256Mismatch"
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	again := r.Clone(r.Context())
	again.URL.Host, again.URL.RawPath = r.Host, r.URL.EscapedPath()
	s.keys.sign(again, body, at)
	if err != nil || again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		return "SignatureDoesNotMatch"
	}
	return ""
}

func (s *storage) refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

func tag(b []byte) string {
	return fmt.Sprintf("%q", hex.EncodeToString(b[:min(4, len(b))])+fmt.Sprint(len(b)))
}

func (s *storage) serve(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		id = fmt.Sprint("upload ", s.calls)
		s.uploads[id] = map[int][]byte{}
		fmt.Fprintf(w, "<R><UploadId>%s</UploadId></R>", id)
	case id != "" && s.uploads[id] == nil:
		s.refuse(w, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodPut && id != "":
		n, _ := strconv.Atoi(q.Get("partNumber"))
		s.uploads[id][n] = body
		w.Header().Set("ETag", tag(body))
	case r.Method == http.MethodPost && id != "":
		s.complete(w, name, id, body)
	case r.Method == http.MethodDelete && id != "":
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		s.files[name] = body
	case r.Method == http.MethodDelete:
		delete(s.files, name)
		w.WriteHeader(http.StatusNoContent)
	case name == "":
		s.list(w, q.Get("prefix"), q.Get("continuation-token"))
	case s.files[name] == nil:
		s.refuse(w, http.StatusNotFound, "NoSuchKey")
	default:
		w.Header().Set("ETag", tag(s.files[name]))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.files[name]))
	}
}

func (s *storage) complete(w http.ResponseWriter, name, id string, body []byte) {
	var list struct{ Part []uploaded }
	if err := xml.Unmarshal(body, &list); err != nil || len(list.Part) != len(s.uploads[id]) {
		fmt.Fprint(w, "<Error><Code>InvalidPart</Code></Error>") // below status 200, as S3 does
		return
	}
	var whole []byte
	for i, p := range list.Part {
		part := s.uploads[id][p.Number]
		if p.Number != i+1 || p.Tag != tag(part) {
			fmt.Fprint(w, "<Error><Code>InvalidPart</Code></Error>")
			return
		}
		whole = append(whole, part...)
	}
	s.files[name] = whole
	delete(s.uploads, id)
	fmt.Fprint(w, "<CompleteMultipartUploadResult/>")
}

func (s *storage) list(w http.ResponseWriter, prefix, after string) {
	fmt.Fprint(w, "<R>")
	n := 0
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if !strings.HasPrefix(name, prefix) || name <= after {
			continue
		}
		if n++; n > 2 { // small pages
			fmt.Fprint(w, "<IsTruncated>true</IsTruncated>")
			break
		}
		fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>%d</Size></Contents><NextContinuationToken>%s</NextContinuationToken>", name, len(s.files[name]), name)
	}
	fmt.Fprint(w, "</R>")
}

func contents(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func (s *storage) roundTrip(t *testing.T, b *Bucket, n int) {
	t.Helper()
	want := contents(n)
	name := fmt.Sprint("kith-", n, " +ü.age")
	err := b.Put(t.Context(), name, func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(want)); return err })
	if err != nil {
		t.Errorf("%d bytes up: %v", n, err)
		return
	}
	if len(s.uploads) > 0 {
		t.Errorf("%d bytes: an upload is left over", n)
	}
	r, err := b.Open(t.Context(), name)
	if err != nil {
		t.Errorf("%d bytes: %v", n, err)
		return
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back as %d: %v", n, len(got), err)
	}
}

func TestBucketKeepsFilesOfAnySize(t *testing.T) {
	s, b := newStorage(t)
	for _, n := range []int{0, 1, 1023, 1024, 1025, 5000, 200 << 10} {
		s.roundTrip(t, b, n)
	}
	all, err := b.List(t.Context())
	if err != nil || len(all) != 7 {
		t.Errorf("%d files in the list: %v", len(all), err)
	}
	for _, f := range all {
		if err := b.Remove(t.Context(), f.Name); err != nil {
			t.Error(err)
		}
	}
	if len(s.files) != 0 {
		t.Errorf("%d files are left", len(s.files))
	}
	if _, err := b.Open(t.Context(), "none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestBucketGoesOnAfterFailures breaks every third call, one way or the other.
func TestBucketGoesOnAfterFailures(t *testing.T) {
	s, b := newStorage(t)
	s.fail = func(n int, r *http.Request) int {
		switch {
		case n%3 != 0:
			return 0
		case r.Method == http.MethodGet && n%2 == 0:
			return -1
		}
		return http.StatusServiceUnavailable
	}
	s.roundTrip(t, b, 20_000)
	s.roundTrip(t, b, 300)
}

func TestBucketGivesUp(t *testing.T) {
	s, b := newStorage(t)
	send := func(w io.Writer) error { _, err := w.Write(contents(5000)); return err }
	s.fail = func(_ int, r *http.Request) int {
		if r.URL.Query().Get("partNumber") == "3" {
			return http.StatusInternalServerError
		}
		return 0
	}
	if err := b.Put(t.Context(), "x", send); err == nil || len(s.uploads) != 0 || len(s.files) != 0 {
		t.Errorf("an upload that fails: %v, %d begun, %d files", err, len(s.uploads), len(s.files))
	}
	s.fail = nil
	if err := b.Put(t.Context(), "x", func(w io.Writer) error { return errors.Join(send(w), io.ErrClosedPipe) }); !errors.Is(err, io.ErrClosedPipe) || len(s.files)+len(s.uploads) != 0 {
		t.Errorf("a source that fails: %v", err)
	}
	before := s.calls
	b.s3.Secret = "wrong"
	err := b.Replace(t.Context(), "x", []byte("x"))
	if err == nil || !strings.Contains(err.Error(), "secret is wrong") || strings.Contains(err.Error(), "example") {
		t.Errorf("the wrong secret: %v", err)
	}
	if s.calls != before+1 {
		t.Errorf("%d calls with the wrong secret, want 1", s.calls-before)
	}
	b.s3.Secret, b.s3.Bucket = "example", "other"
	s.keys.Bucket = "other"
	if err := b.Replace(t.Context(), "x", nil); err == nil || !strings.Contains(err.Error(), "make the bucket first") {
		t.Errorf("no such bucket: %v", err)
	}
}
