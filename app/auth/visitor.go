// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"slices"
	"strings"

	"kith/app"
	"kith/store"
)

// Visitor is what is known about a browser before anybody signed in with it.
type Visitor struct {
	Address string // of the network
	Browser string // what it says about itself: the header User-Agent
	Token   string // of the session that it had; that one ends when another begins
}

// device returns the browser and the system in a few words. It is shown to the person, and trusted for nothing.
func (v Visitor) device() string {
	pick := func(from [][2]string) string {
		for _, f := range from {
			if strings.Contains(v.Browser, f[0]) {
				return f[1]
			}
		}
		return ""
	}
	browser, system := pick(browsers), pick(systems)
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return browser + " · " + system
}

// The words by which browsers and systems are known, the more telling ones first.
var (
	browsers = [][2]string{
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"HeadlessChrome/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
		{"Go-http-client/", "Go"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"},
		{"Linux", "Linux"},
	}
)

// devices are those that a person has signed in with before.
type devices struct {
	Agent app.AgentID `cbor:"1,keyasint"`
	Known []string    `cbor:"2,keyasint"`
}

const maxDevices = 30

// News is something about their account that a person should know and may not have done themselves.
type News struct {
	ID      uint64        `cbor:"-"                    json:"-"`
	Agent   app.AgentID   `cbor:"1,keyasint"           json:"-"`
	Kind    app.AuditKind `cbor:"2,keyasint"           json:"kind"`
	At      app.Instant   `cbor:"3,keyasint"           json:"at"`
	Device  string        `cbor:"4,keyasint,omitempty" json:"device"`
	Address string        `cbor:"5,keyasint,omitempty" json:"address"`
}

const maxNews = 20

var (
	knownDevices = store.NewTable[devices]("agent_devices", func(d *devices) store.Subject { return d.Agent })
	accountNews  = store.NewTable[News]("account_news", func(n *News) store.Subject { return n.Agent })
)

// welcome remembers the device of a session that just became whole. The person is told of one that is new, unless it is
// their first.
func welcome(tx *store.Tx, s *Session) error {
	d, err := knownDevices.Get(tx, s.Agent, 0)
	if errors.Is(err, store.ErrNotFound) {
		return knownDevices.Put(tx, 0, &devices{Agent: s.Agent, Known: []string{s.Device}})
	}
	if err != nil || slices.Contains(d.Known, s.Device) {
		return err
	}
	d.Known = append(d.Known, s.Device)
	d.Known = d.Known[max(0, len(d.Known)-maxDevices):]
	if err := knownDevices.Put(tx, 0, d); err != nil {
		return err
	}
	return tell(tx, &News{Agent: s.Agent, Kind: app.AuditNewDevice, Device: s.Device, Address: s.Address})
}

// tell writes a piece of news for a person.
func tell(tx *store.Tx, n *News) error {
	var all []uint64
	err := accountNews.Each(tx, n.Agent, func(id uint64, _ *News) error {
		all = append(all, id)
		return nil
	})
	for len(all) >= maxNews && err == nil {
		err = accountNews.Delete(tx, n.Agent, all[0])
		all = all[1:]
	}
	if err != nil {
		return err
	}
	n.At = app.InstantOf(tx.Now())
	return accountNews.Put(tx, tx.NextID(), n)
}
