// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package store

import "time"

// machineUptime is that of this process only: a restart counts as a reboot.
func machineUptime() uptime { return uptime{boot: processBoot, up: time.Since(processStart)} }
