// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// S3 names a bucket of an S3-compatible storage and what opens it.
type S3 struct {
	Endpoint string `cbor:"1,keyasint,omitempty"` // "https://storage.example.net"; "" = Amazon's, of the region
	Region   string `cbor:"2,keyasint,omitempty"` // "" = us-east-1
	Bucket   string `cbor:"3,keyasint"`
	Prefix   string `cbor:"4,keyasint,omitempty"` // without a slash at its ends
	Access   string `cbor:"5,keyasint"`           // id of the access key
	Secret   string `cbor:"6,keyasint"`
}

// Doer makes HTTP requests.
type Doer interface {
	Do(req *http.Request) (*http.Response, error)
}

// Base is the address of the storage, for the list of hosts that kith may call.
func (s *S3) Base() string {
	if s.Endpoint != "" {
		return strings.TrimRight(s.Endpoint, "/")
	}
	return "https://s3." + s.region() + ".amazonaws.com"
}

func (s *S3) region() string {
	if s.Region == "" {
		return "us-east-1"
	}
	return s.Region
}

// Bucket is a target in S3-compatible storage. Buckets are named in the path, which every such storage understands.
type Bucket struct {
	s3    S3
	http  Doer
	now   func() time.Time
	retry time.Duration // before the second attempt; it doubles
	part  int           // bytes of one part of an upload and of one request of a download
}

// NewBucket returns the target that s names; calls go through client.
func NewBucket(s S3, client Doer) *Bucket {
	return &Bucket{s3: s, http: client, now: time.Now, retry: 500 * time.Millisecond, part: 16 << 20}
}

const (
	attempts = 6
	maxParts = 10_000 // what S3 takes of one file
)

// answer is what the storage said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// failure is an error that the storage reports.
type failure struct {
	status  int
	Code    string `xml:"Code"`
	Message string `xml:"Message"`
}

// Error says what the storage answered.
func (f *failure) Error() string {
	text := fmt.Sprintf("the S3 storage answered %d %s", f.status, f.Code)
	switch f.Code {
	case "AccessDenied":
		text += ": the access key may not do this in the bucket"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		text += ": the access key or its secret is wrong"
	case "NoSuchBucket":
		text += ": make the bucket first"
	case "RequestTimeTooSkewed":
		text += ": the clock of this machine is wrong"
	case "AuthorizationHeaderMalformed", "PermanentRedirect":
		text += ": the bucket is in another region; name it with --s3-region"
	}
	return text
}

// Is lets errors.Is find a file that is not there.
func (f *failure) Is(target error) bool {
	return target == os.ErrNotExist && f.status == http.StatusNotFound && f.Code != "NoSuchBucket"
}

// again tells whether another attempt may succeed.
func (f *failure) again() bool {
	return f.status >= 500 || f.status == http.StatusTooManyRequests || f.status == http.StatusRequestTimeout
}

// call makes a request of the storage, again when that may help.
func (b *Bucket) call(ctx context.Context, method, name string, query url.Values, header http.Header, body []byte) (a answer, err error) {
	wait := b.retry
	for n := 1; ; n++ {
		a, err = b.once(ctx, method, name, query, header, body)
		if err == nil || n == attempts || ctx.Err() != nil {
			return a, err
		}
		if f, ok := errors.AsType[*failure](err); ok && !f.again() {
			return a, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return a, ctx.Err()
		}
		wait *= 2
	}
}

func (b *Bucket) once(ctx context.Context, method, name string, query url.Values, header http.Header, body []byte) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, b.s3.Base(), bytes.NewReader(body))
	if err != nil {
		return a, invalid("%q is no address of a storage", b.s3.Base())
	}
	path := strings.TrimRight(req.URL.Path, "/") + "/" + b.s3.Bucket
	if name != "" {
		path += "/" + b.key(name)
	}
	req.URL.Path, req.URL.RawPath = path, escapePath(path)
	req.URL.RawQuery = canonicalQuery(query)
	maps.Copy(req.Header, header)
	b.s3.sign(req, body, b.now())
	res, err := b.http.Do(req)
	if err != nil {
		return a, fmt.Errorf("calling the S3 storage: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it is read to its end
	a.status, a.header = res.StatusCode, res.Header
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return a, fmt.Errorf("reading from the S3 storage: %w", err)
	}
	if res.StatusCode/100 != 2 {
		f := &failure{status: res.StatusCode}
		_ = xml.Unmarshal(a.body, f) // some answers have no body
		return a, f
	}
	return a, nil
}

// key is the whole name of a file in the bucket.
func (b *Bucket) key(name string) string {
	if b.s3.Prefix == "" {
		return name
	}
	return strings.Trim(b.s3.Prefix, "/") + "/" + name
}

// Replace implements Target. What the storage keeps of the old bytes is not in kith's hands: a bucket for backups must
// not keep versions.
func (b *Bucket) Replace(ctx context.Context, name string, content []byte) error {
	_, err := b.call(ctx, http.MethodPut, name, nil, nil, content)
	return err
}

// Remove implements Target.
func (b *Bucket) Remove(ctx context.Context, name string) error {
	_, err := b.call(ctx, http.MethodDelete, name, nil, nil, nil)
	return err
}

// List implements Target.
func (b *Bucket) List(ctx context.Context) (all []File, err error) {
	prefix := b.key("")
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}, "delimiter": {"/"}}
	for {
		a, err := b.call(ctx, http.MethodGet, "", query, nil, nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Contents []struct {
				Key  string
				Size int64
			}
			IsTruncated           bool
			NextContinuationToken string
		}
		if err := xml.Unmarshal(a.body, &page); err != nil {
			return nil, fmt.Errorf("reading the list of the S3 storage: %w", err)
		}
		for _, f := range page.Contents {
			if name := strings.TrimPrefix(f.Key, prefix); name != "" {
				all = append(all, File{name, f.Size})
			}
		}
		if !page.IsTruncated || page.NextContinuationToken == "" {
			return all, nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

// Open implements Target. It reads a part at a time, so that a connection that breaks costs no more than a part.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	size, tag, err := b.stat(ctx, name)
	if err != nil {
		return nil, err
	}
	return &download{ctx: ctx, b: b, name: name, size: size, tag: tag}, nil
}

// stat asks for the length of a file and for what changes with its contents. It reads the first byte: the length of an
// answer without a body counts as its size in app/egress, which bounds that.
func (b *Bucket) stat(ctx context.Context, name string) (size int64, tag string, err error) {
	a, err := b.call(ctx, http.MethodGet, name, nil, http.Header{"Range": {"bytes=0-0"}}, nil)
	if f, ok := errors.AsType[*failure](err); ok && f.status == http.StatusRequestedRangeNotSatisfiable {
		return 0, "", nil // an empty file
	}
	if err != nil {
		return 0, "", err
	}
	if a.status == http.StatusOK { // some send the whole of an empty file
		return int64(len(a.body)), a.header.Get("Etag"), nil
	}
	_, total, _ := strings.Cut(a.header.Get("Content-Range"), "/")
	if size, err = strconv.ParseInt(total, 10, 64); err != nil {
		return 0, "", errors.New("the S3 storage does not say how long the file is")
	}
	return size, a.header.Get("Etag"), nil
}

// download is a file of the storage that is being read.
type download struct {
	ctx  context.Context //nolint:containedctx // lives as long as the reader that Open returned
	b    *Bucket
	name string
	tag  string
	size int64
	at   int64
	have []byte
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if len(d.have) == 0 {
		if d.at >= d.size {
			return 0, io.EOF
		}
		if err := d.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.have)
	d.have = d.have[n:]
	return n, nil
}

// fetch reads the next part of the same file: one that was replaced meanwhile is an error.
func (d *download) fetch() error {
	end := min(d.at+int64(d.b.part), d.size)
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", d.at, end-1)}}
	if d.tag != "" {
		header.Set("If-Match", d.tag)
	}
	a, err := d.b.call(d.ctx, http.MethodGet, d.name, nil, header, nil)
	if err != nil {
		return err
	}
	if int64(len(a.body)) != end-d.at {
		return fmt.Errorf("the S3 storage sent %d of %d bytes", len(a.body), end-d.at)
	}
	d.have, d.at = a.body, end
	return nil
}

// Close implements io.Closer.
func (d *download) Close() error { return nil }
