// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"kith/store/crashtest"
)

// casesOf reads how much a test is asked to do.
func casesOf(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q; it is the number of cases to try", name, text)
	}
	return n
}

// runChild lets a child process work on a disk of its own and returns the disk.
// The child ends by itself; what it says beyond its exit code is shown.
func runChild(t *testing.T, fault crashtest.Fault, words string) *crashtest.Disk {
	t.Helper()
	disk := crashtest.NewDisk(fault)
	dir := crashtest.Mount(t, disk)
	child := exec.CommandContext(t.Context(), thisBinary(t), "-test.run=^TestCrashChild$", "-test.timeout=1m") //nolint:gosec // this very test binary
	child.Env = append(os.Environ(), workEnv+"="+dir+" "+words)
	child.Dir = os.TempDir()
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("the process under test: %v\n%s", err, out)
	}
	return disk
}

// TestCrashStates lets a store work on a disk that remembers every write, and
// then opens what a loss of power at any moment may have left: nothing that was
// acknowledged is lost, nothing is half there. KITH_CRASH_STATES says how many
// states are tried; make crash-states takes 2,000.
func TestCrashStates(t *testing.T) {
	states := casesOf(t, "KITH_CRASH_STATES", 40)
	disk := runChild(t, crashtest.Fault{}, "")
	if t.Failed() {
		return
	}
	lost, corrupt, acked := tryStates(t, disk, states, true)
	t.Logf("%d steps, %d promises, %d states: %d lost something, %d are corrupt", len(disk.Steps()), acked, states, lost, corrupt)
}

// TestCrashStatesControl proves that the oracle sees a loss: a store that does
// not wait for the disk must lose what it promised.
func TestCrashStatesControl(t *testing.T) {
	disk := runChild(t, crashtest.Fault{}, "nosync")
	if t.Failed() {
		return
	}
	lost, corrupt, acked := tryStates(t, disk, 24, false)
	t.Logf("without sync: %d promises, 24 states: %d lost something, %d are corrupt", acked, lost, corrupt)
	if lost+corrupt == 0 {
		t.Error("a store that never syncs lost nothing: the oracle is blind")
	}
}

// tryStates spreads the states over the moments of a run and judges each.
func tryStates(t *testing.T, disk *crashtest.Disk, states int, strict bool) (lost, corrupt, acked int) {
	t.Helper()
	const seed = 7
	chance := rand.New(rand.NewPCG(seed, uint64(states))) //nolint:gosec // any states will do
	steps, said := disk.Steps(), &promises{}
	replay, judges := crashtest.NewReplay(steps), &court{}
	for n := range states {
		from, to := len(steps)*n/states, len(steps)*(n+1)/states
		at := from + chance.IntN(max(to-from, 1)) + 1
		replay.To(at, said.hear)
		how := crashtest.Survival(chance.IntN(int(crashtest.Survivals))) //nolint:gosec // small
		dir := filepath.Join(t.TempDir(), "state")
		if err := replay.Save(dir, how, chance); err != nil {
			t.Fatal(err)
		}
		v := judges.ask(t, question{Dir: dir, Promises: *said})
		lost, corrupt = lost+min(len(v.Lost), 1), corrupt+min(len(v.Corrupt), 1)
		if strict && len(v.Lost)+len(v.Corrupt) > 0 {
			t.Errorf("after step %d of %d, %s of %d pending steps survived: lost %q, corrupt %q",
				at, len(steps), how, replay.Pending(), v.Lost, v.Corrupt)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	return lost, corrupt, said.Acked
}

func thisBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
