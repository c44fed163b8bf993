// SPDX-License-Identifier: Apache-2.0

package app

import (
	"sync"

	"kith/store"
)

// inboxCache keeps the inboxes that were read, because every webhook asks for one. Whoever changes an inbox calls forget
// once the change is committed; what was read before that is not kept.
type inboxCache struct {
	mu    sync.RWMutex
	gen   uint64
	all   map[InboxID]*Inbox
	kinds sync.Map // InboxID → kind, which never changes
}

// get returns a copy of the inbox, nil when it is not kept, and the generation that put wants.
func (c *inboxCache) get(id InboxID) (*Inbox, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	in, ok := c.all[id]
	if !ok {
		return nil, c.gen
	}
	copied := *in
	return &copied, c.gen
}

func (c *inboxCache) put(in Inbox, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gen != c.gen {
		return
	}
	if c.all == nil {
		c.all = map[InboxID]*Inbox{}
	}
	c.all[in.ID] = &in
}

func (c *inboxCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	clear(c.all)
}

// kindOf returns the kind of an inbox.
func (d *Desk) kindOf(tx *store.Tx, id InboxID) (string, error) {
	if kind, ok := d.inboxes.kinds.Load(id); ok {
		return kind.(string), nil //nolint:errcheck // the map holds nothing else
	}
	in, err := inboxOf(tx, id)
	if err != nil {
		return "", err
	}
	d.inboxes.kinds.Store(id, in.Kind)
	return in.Kind, nil
}
