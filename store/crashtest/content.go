// SPDX-License-Identifier: Apache-2.0

package crashtest

import (
	"fmt"
	"maps"
	"os"
	"slices"
)

const pageSize = 4096

// content is what a file holds. Its pages are never changed but replaced, so
// that a copy costs a map.
type content struct {
	size  int64
	pages map[int64][]byte
}

func (c *content) clone() content { return content{c.size, maps.Clone(c.pages)} }

func (c *content) write(off int64, data []byte) {
	if c.pages == nil {
		c.pages = map[int64][]byte{}
	}
	c.size = max(c.size, off+int64(len(data)))
	for len(data) > 0 {
		at := off % pageSize
		page := make([]byte, pageSize)
		copy(page, c.pages[off/pageSize])
		n := copy(page[at:], data)
		c.pages[off/pageSize] = page
		data, off = data[n:], off+int64(n)
	}
}

func (c *content) truncate(size int64) {
	if size < c.size {
		for n := range c.pages {
			if n*pageSize >= size {
				delete(c.pages, n)
			}
		}
		if page, ok := c.pages[size/pageSize]; ok {
			short := make([]byte, pageSize)
			copy(short, page[:size%pageSize])
			c.pages[size/pageSize] = short
		}
	}
	c.size = size
}

// read fills p from off on as far as the file goes.
func (c *content) read(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	p = p[:min(int64(len(p)), c.size-off)]
	for n := 0; n < len(p); {
		at := (off + int64(n)) % pageSize
		part := p[n:min(len(p), n+int(pageSize-at))]
		if page := c.pages[(off+int64(n))/pageSize]; page != nil {
			copy(part, page[at:])
		} else {
			clear(part)
		}
		n += len(part)
	}
	return len(p)
}

// save writes the file out; what was never written stays a hole.
func (c *content) save(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // a place of the test
	if err != nil {
		return fmt.Errorf("creating a file of a state: %w", err)
	}
	defer f.Close() //nolint:errcheck // written before
	if err := f.Truncate(c.size); err != nil {
		return fmt.Errorf("sizing a file of a state: %w", err)
	}
	for _, n := range slices.Sorted(maps.Keys(c.pages)) {
		page := c.pages[n][:min(pageSize, c.size-n*pageSize)]
		if _, err := f.WriteAt(page, n*pageSize); err != nil {
			return fmt.Errorf("writing a file of a state: %w", err)
		}
	}
	return nil
}
