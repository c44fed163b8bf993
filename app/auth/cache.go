// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"sync"

	"kith/app"
)

// cacheSize bounds the sessions that are kept decoded.
const cacheSize = 10_000

// cache keeps sessions by the hash of their token. Its generation grows whenever something is forgotten: what was read
// from the store before that is not put in after it.
type cache struct {
	mu    sync.Mutex
	gen   uint64
	known map[[32]byte]Session
}

func (c *cache) get(hash [32]byte) (s Session, ok bool, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok = c.known[hash]
	return s, ok, c.gen
}

func (c *cache) put(s Session, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gen != c.gen {
		return
	}
	if c.known == nil {
		c.known = map[[32]byte]Session{}
	}
	for h := range c.known {
		if len(c.known) < cacheSize {
			break
		}
		delete(c.known, h) // any one: it is read again when it is used again
	}
	c.known[s.Hash] = s
}

func (c *cache) forget(id app.AgentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	for h, s := range c.known {
		if s.Agent == id {
			delete(c.known, h)
		}
	}
}
