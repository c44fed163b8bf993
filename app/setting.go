// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	"kith/store"
)

// Settings are what an owner decides about the whole installation.
type Settings struct {
	Organisation string `cbor:"1,keyasint,omitempty"`
	TimeZone     string `cbor:"2,keyasint,omitempty"` // IANA name; "" = UTC
}

var settings = store.NewTable[Settings]("settings", func(*Settings) store.Subject { return store.Nobody })

// Settings returns the installation's settings, the zero value when none were made.
func (d *Desk) Settings(ctx context.Context) (s Settings, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		stored, err := settings.Get(tx, store.Nobody, 0)
		if err == nil {
			s = *stored
		}
		return ignoreMissing(err)
	})
	return s, err
}

// SaveSettings replaces the installation's settings.
func (d *Desk) SaveSettings(ctx context.Context, a Actor, s Settings) error {
	return d.act(ctx, a, MayAgents, AuditSettingChanged, func(tx *store.Tx, _ *AuditEvent) error {
		return settings.Put(tx, 0, &s)
	})
}
