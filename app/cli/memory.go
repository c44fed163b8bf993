// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"runtime/debug"
)

// leastMemory is the lowest limit that tuneMemory sets; gcPercent is how far the heap may grow between collections. At
// 100,000 conversations a collection takes as long as twenty pages: half as many of them halve the slowest pages, for 60 MB.
const (
	leastMemory = 256 << 20
	gcPercent   = 400
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
