// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// disk is a file system on a loop device, whose image is searched for what was
// written and should be gone.
type disk struct {
	image, mount, options string
}

// diskKind is a file system to make, and what is expected of it.
type diskKind struct {
	name, options string
	size          int64
	make, tune    []string
	full          bool // overwriting in place reaches the old blocks
	journals      bool // it does not: the control of the scan
}

var diskKinds = []diskKind{
	{name: "ext4", size: 256 << 20, make: []string{"mkfs.ext4", "-q", "-F"}, full: true},
	{name: "xfs", size: 400 << 20, make: []string{"mkfs.xfs", "-q", "-f"}, full: true},
	{name: "ext4 data=journal", options: "data=journal", size: 256 << 20, make: []string{"mkfs.ext4", "-q", "-F"}, journals: true},
	{name: "ext4 tuned to journal", size: 256 << 20, make: []string{"mkfs.ext4", "-q", "-F"}, tune: []string{"tune2fs", "-o", "journal_data"}, journals: true},
	{name: "btrfs", size: 400 << 20, make: []string{"mkfs.btrfs", "-q", "-f"}, full: true}, // createAnchor asks for overwriting in place
}

// TestWhatIsDestroyedIsGoneFromTheDisk destroys keys on file systems of its own
// and searches the raw device for the secrets of before: none may be left. As a
// control the same search finds a key file that was replaced by renaming, the
// usual way, and the anchor on a file system that journals its contents.
//
// It needs root and loop devices. KITH_SHRED=1 runs it.
func TestWhatIsDestroyedIsGoneFromTheDisk(t *testing.T) {
	if os.Getenv("KITH_SHRED") == "" {
		t.Skip("KITH_SHRED=1 runs it; it needs root and loop devices")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root mounts file systems")
	}
	for _, kind := range diskKinds {
		for _, rounds := range []int{1, 20} {
			t.Run(fmt.Sprintf("%s %d", kind.name, rounds), func(t *testing.T) {
				shred(t, kind, rounds)
			})
		}
	}
}

// TestReducedStrengthIsSaid mounts what does not forget.
func TestReducedStrengthIsSaid(t *testing.T) {
	if os.Getenv("KITH_SHRED") == "" || os.Geteuid() != 0 {
		t.Skip("KITH_SHRED=1 runs it as root: it mounts file systems")
	}
	dir := t.TempDir()
	parts := map[string]string{}
	for _, name := range []string{"tmpfs", "overlay"} {
		parts[name] = filepath.Join(dir, name)
		if err := os.Mkdir(parts[name], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("tmpfs", parts["tmpfs"], "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("this machine does not mount tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(parts["tmpfs"], unix.MNT_DETACH) })
	if strength, reason := erasureStrength(parts["tmpfs"]); strength != reducedStrength || !strings.Contains(reason, "tmpfs") {
		t.Errorf("tmpfs: %s, %s", strength, reason)
	}
	var layers []string
	for _, name := range []string{"lowerdir", "upperdir", "workdir"} {
		layer := filepath.Join(parts["tmpfs"], name)
		if err := os.Mkdir(layer, 0o700); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, name+"="+layer)
	}
	if err := unix.Mount("overlay", parts["overlay"], "overlay", 0, strings.Join(layers, ",")); err != nil {
		t.Skipf("this machine does not mount overlayfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(parts["overlay"], unix.MNT_DETACH) })
	if strength, reason := erasureStrength(parts["overlay"]); strength != reducedStrength || !strings.Contains(reason, "overlayfs") {
		t.Errorf("overlayfs: %s, %s", strength, reason)
	}
}

// shred makes a store, destroys keys, and searches the disk.
func shred(t *testing.T, kind diskKind, rounds int) {
	t.Helper()
	d := newDisk(t, kind)
	// The identity lies elsewhere: it opens every anchor, and is not what is searched for.
	identity := filepath.Join(t.TempDir(), "identity")
	db, err := Open(filepath.Join(d.mount, "data"), Options{Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	for s := Subject(1); s <= Subject(rounds+1); s++ {
		update(t, db, func(tx *Tx) error { return people.Put(tx, 1, &person{s, "Sample"}) })
	}
	if err := db.RotateAnchor(); err != nil { // both slots have been used
		t.Fatal(err)
	}
	strength, _ := db.ErasureStrength()
	if (strength == fullStrength) != kind.full {
		t.Errorf("the strength of erasure on %s is %s", kind.name, strength)
	}
	naive := writeNaive(t, d.mount, "the first contents")
	old := map[string][]byte{"anchor": wrappedSecret(t, db.dir), "naive": naive}
	unix.Sync()
	before := d.scan(t, old)
	if before["anchor"] == 0 || before["naive"] == 0 {
		t.Fatalf("the scan finds nothing while it is there: %v", before)
	}
	for s := Subject(1); s <= Subject(rounds); s++ { //nolint:gosec // 20 at most
		old[fmt.Sprintf("anchor %d", s)] = wrappedSecret(t, db.dir)
		if err := db.Erase(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		writeNaive(t, d.mount, fmt.Sprintf("contents %d", s))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	d.unmount(t)
	after := d.scan(t, old)
	t.Logf("copies before: %v, after %d destructions: %v; erasure strength %s", before, rounds, after, strength)
	for name, copies := range after {
		if kind.full && strings.HasPrefix(name, "anchor") {
			t.Errorf("%d copies of the secret %q are on the disk", copies, name)
		}
	}
	if kind.name == "ext4" && after["naive"] == 0 {
		t.Error("the control found nothing: the scan proves nothing")
	}
	if kind.journals && after["anchor"] == 0 {
		t.Error("the control found nothing in the journal: the scan proves nothing")
	}
}

// wrappedSecret is a part of the sealed secret of the anchor that is nowhere else.
func wrappedSecret(t *testing.T, dir string) []byte {
	t.Helper()
	a, err := openAnchor(filepath.Join(dir, anchorFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.close() }()
	for slot := range uint64(2) {
		_, sealed, err := a.read(slot)
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) > 64 {
			return bytes.Clone(sealed[len(sealed)-32:])
		}
	}
	t.Fatal("the anchor holds no secret")
	return nil
}

// writeNaive replaces a key file the usual way, by renaming, and returns what to
// search for.
func writeNaive(t *testing.T, dir, text string) []byte {
	t.Helper()
	path := filepath.Join(dir, "naive.key")
	mark := []byte("naive " + text + " " + strings.Repeat("k", 16))
	if err := writeFile(path+newSuffix, append(bytes.Clone(mark), make([]byte, 4000)...)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(path+newSuffix, path), syncDir(dir)); err != nil {
		t.Fatal(err)
	}
	return mark
}

func newDisk(t *testing.T, kind diskKind) *disk {
	t.Helper()
	if _, err := exec.LookPath(kind.make[0]); err != nil {
		t.Skipf("%s is not installed", kind.make[0])
	}
	dir := t.TempDir()
	d := &disk{image: filepath.Join(dir, "image"), mount: filepath.Join(dir, "mount"), options: "loop"}
	if kind.options != "" {
		d.options += "," + kind.options
	}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, kind.size), os.Mkdir(d.mount, 0o700)); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) error {
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	}
	if err := run(kind.make[0], append(kind.make[1:], d.image)...); err != nil {
		t.Fatal(err)
	}
	if kind.tune != nil {
		if err := run(kind.tune[0], append(kind.tune[1:], d.image)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := run("mount", "-o", d.options, d.image, d.mount); err != nil {
		t.Skipf("this machine does not mount %s: %v", kind.name, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(d.mount, unix.MNT_DETACH) }) // mostly it is unmounted by then
	return d
}

func (d *disk) unmount(t *testing.T) {
	t.Helper()
	if err := unix.Unmount(d.mount, 0); err != nil {
		t.Fatal(err)
	}
}

// scan counts where the patterns are in the image, free blocks included.
func (d *disk) scan(t *testing.T, patterns map[string][]byte) map[string]int {
	t.Helper()
	f, err := os.Open(d.image)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const block, most = 1 << 20, 64
	found := map[string]int{}
	buf := make([]byte, block+most)
	for at := int64(0); ; at += block {
		n, err := f.ReadAt(buf, at)
		for name, p := range patterns {
			for rest, skipped := buf[:n], 0; ; {
				i := bytes.Index(rest, p)
				if i < 0 || skipped+i >= block {
					break
				}
				found[name]++
				rest, skipped = rest[i+1:], skipped+i+1
			}
		}
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
