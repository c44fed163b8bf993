// SPDX-License-Identifier: Apache-2.0

package store

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machineUptime goes on while the machine sleeps.
func machineUptime() uptime {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return uptime{boot: processBoot, up: time.Since(processStart)}
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return uptime{boot: processBoot, up: time.Since(processStart)}
	}
	return uptime{boot: strings.TrimSpace(string(boot)), up: time.Duration(ts.Nano())}
}
