// SPDX-License-Identifier: Apache-2.0

// Package all lists the channels of this build.
package all

import (
	"kith/app/channel"
	"kith/app/channel/whatsapp"
)

// All returns the channels.
func All() channel.Set { return channel.NewSet(whatsapp.New()) }
