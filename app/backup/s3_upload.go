// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Put implements Target. A file of more than one part is sent part by part, each again when it fails; the storage puts
// them together at the end, or forgets them.
func (b *Bucket) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	u := &upload{ctx: ctx, b: b, name: name, part: b.part}
	err := write(u)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = u.finish()
	}
	if err != nil {
		return errors.Join(err, u.abort(context.WithoutCancel(ctx)))
	}
	return u.confirm()
}

// upload is a file on its way.
type upload struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of Put
	b     *Bucket
	name  string
	id    string // "" while all of it fits into one part
	part  int
	buf   []byte
	parts []uploaded
	size  int64
}

type uploaded struct {
	Number int    `xml:"PartNumber"`
	Tag    string `xml:"ETag"`
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if u.buf == nil {
			u.buf = make([]byte, 0, u.part)
		}
		if len(u.buf) == cap(u.buf) {
			if err := u.send(); err != nil {
				return n, err
			}
		}
		take := min(len(p)-n, cap(u.buf)-len(u.buf))
		u.buf = append(u.buf, p[n:n+take]...)
		n += take
	}
	u.size += int64(n)
	return n, nil
}

// send uploads what was collected as a part.
func (u *upload) send() error {
	if u.id == "" {
		if err := u.begin(); err != nil {
			return err
		}
	}
	number := len(u.parts) + 1
	query := url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {u.id}}
	a, err := u.b.call(u.ctx, http.MethodPut, u.name, query, nil, u.buf)
	if err != nil {
		return fmt.Errorf("uploading part %d: %w", number, err)
	}
	tag := a.header.Get("Etag")
	if tag == "" {
		return fmt.Errorf("uploading part %d: the S3 storage did not confirm it", number)
	}
	u.parts = append(u.parts, uploaded{number, tag})
	u.buf = u.buf[:0]
	// Parts grow, so that a file of any size fits into their greatest number: a thousand of each size.
	if len(u.parts)%(maxParts/10) == 0 {
		u.part *= 2
		u.buf = nil
	}
	return nil
}

func (u *upload) begin() error {
	a, err := u.b.call(u.ctx, http.MethodPost, u.name, url.Values{"uploads": {""}}, nil, nil)
	if err != nil {
		return fmt.Errorf("beginning the upload: %w", err)
	}
	var begun struct {
		ID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(a.body, &begun); err != nil || begun.ID == "" {
		return errors.New("beginning the upload: the S3 storage did not name it")
	}
	u.id = begun.ID
	return nil
}

// finish sends the rest and has the parts put together.
func (u *upload) finish() error {
	if u.id == "" {
		_, err := u.b.call(u.ctx, http.MethodPut, u.name, nil, nil, u.buf)
		return err
	}
	if len(u.buf) > 0 {
		if err := u.send(); err != nil {
			return err
		}
	}
	list, err := xml.Marshal(struct {
		XMLName xml.Name   `xml:"CompleteMultipartUpload"`
		Parts   []uploaded `xml:"Part"`
	}{Parts: u.parts})
	if err != nil {
		return fmt.Errorf("ending the upload: %w", err)
	}
	a, err := u.b.call(u.ctx, http.MethodPost, u.name, url.Values{"uploadId": {u.id}}, nil, list)
	if err != nil {
		return fmt.Errorf("ending the upload: %w", err)
	}
	// An upload that fails while it is put together is reported below status 200.
	f := &failure{status: a.status}
	if bytes.Contains(a.body, []byte("<Error>")) && xml.Unmarshal(a.body, f) == nil {
		return fmt.Errorf("ending the upload: %w", f)
	}
	return nil
}

// confirm asks whether the whole file is there.
func (u *upload) confirm() error {
	size, _, err := u.b.stat(u.ctx, u.name)
	if err != nil {
		return fmt.Errorf("looking at what was uploaded: %w", err)
	}
	if size != u.size {
		return fmt.Errorf("the S3 storage holds %d of %d bytes", size, u.size)
	}
	return nil
}

// abort has the storage forget the parts.
func (u *upload) abort(ctx context.Context) error {
	if u.id == "" {
		return nil
	}
	if _, err := u.b.call(ctx, http.MethodDelete, u.name, url.Values{"uploadId": {u.id}}, nil, nil); err != nil {
		return fmt.Errorf("giving the upload up; remove what is unfinished in the bucket: %w", err)
	}
	return nil
}
