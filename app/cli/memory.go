// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"runtime/debug"
)

// leastMemory is the lowest limit that tuneMemory sets; gcPercent is how far the heap may grow between collections.
const (
	leastMemory = 256 << 20
	gcPercent   = 200
)

// tuneMemory lets the collector use up to 60 % of the machine before it works hard, unless the operator decided.
func tuneMemory() {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	if total := memoryOf(); total > 0 {
		debug.SetMemoryLimit(int64(max(leastMemory, total/10*6)))
	}
	debug.SetGCPercent(gcPercent)
}
