// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"kith/store/crashtest"
)

// TestFaults lets the n-th write or the n-th sync of a store fail, once or from
// then on, for want of space or with an error of the device. The process must
// end by itself and without a panic, and what it promised must be there: for the
// process that starts next, and after a loss of power on top, when what a failed
// sync should have written is gone. KITH_CRASH_FAULTS says up to which n.
func TestFaults(t *testing.T) {
	upTo := casesOf(t, "KITH_CRASH_FAULTS", 0)
	var cases []crashtest.Fault
	for n := 1; n <= upTo; n++ {
		cases = append(cases, faultsAt(n)...)
	}
	if upTo == 0 { // a few, spread out
		for i, n := range []int{1, 4, 9, 14, 23, 31, 44, 61} {
			cases = append(cases, faultsAt(n)[i%4])
		}
	}
	sum := map[string]int{}
	judges := &court{}
	for _, fault := range cases {
		t.Run(fmt.Sprintf("%s/%d/%s", [...]string{"write", "sync"}[fault.Class], fault.N, errorName(fault.Errno)), func(t *testing.T) {
			tryFault(t, judges, fault, sum)
		})
	}
	t.Logf("%d faults: %v", len(cases), sum)
}

func errorName(e syscall.Errno) string {
	if e == syscall.ENOSPC {
		return "ENOSPC"
	}
	return "EIO"
}

// faultsAt are the faults at the n-th step; a full disk stays full for a while.
func faultsAt(n int) []crashtest.Fault {
	return []crashtest.Fault{
		{Class: crashtest.Writes, N: n, Errno: syscall.EIO},
		{Class: crashtest.Writes, N: n, Times: 10, Errno: syscall.ENOSPC},
		{Class: crashtest.Syncs, N: n, Errno: syscall.EIO},
		{Class: crashtest.Syncs, N: n, Times: 4, Errno: syscall.ENOSPC},
	}
}

func tryFault(t *testing.T, judges *court, fault crashtest.Fault, sum map[string]int) {
	t.Helper()
	disk := runChild(t, fault, "faults")
	if t.Failed() {
		return
	}
	if disk.Failed() > 0 {
		sum["hit"]++
	}
	steps, said := disk.Steps(), &promises{}
	replay := crashtest.NewReplay(steps)
	replay.To(len(steps), said.hear)
	sum["promises"] += said.Acked
	chance := rand.New(rand.NewPCG(3, uint64(fault.N))) //nolint:gosec // any states will do
	for _, how := range []crashtest.Survival{crashtest.All, crashtest.Nothing, crashtest.Some} {
		dir := filepath.Join(t.TempDir(), "state")
		if err := replay.Save(dir, how, chance); err != nil {
			t.Fatal(err)
		}
		v := judges.ask(t, question{Dir: dir, Promises: *said})
		sum["states"]++
		sum["lost"] += min(len(v.Lost), 1)
		sum["corrupt"] += min(len(v.Corrupt), 1)
		if len(v.Lost)+len(v.Corrupt) > 0 {
			t.Errorf("%s survived: lost %q, corrupt %q", how, v.Lost, v.Corrupt)
		}
	}
}
