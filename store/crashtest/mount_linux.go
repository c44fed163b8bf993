// SPDX-License-Identifier: Apache-2.0

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// SaidFile is the file at the top of a mounted disk that takes what the program
// says: each write is one step.
const SaidFile = "said"

const saidNode = 2

// Mount shows the disk as a file system until the test ends; it skips the test
// where there is no FUSE. The process that mounts must not touch what it
// mounted: a page fault would wait for itself.
func Mount(tb testing.TB, d *Disk) (dir string) {
	tb.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		tb.Skipf("no FUSE here: %v", err)
	} else if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	dir = tb.TempDir()
	d.last = saidNode
	always := time.Hour // nobody else changes anything
	server, err := fs.Mount(dir, &node{d: d, id: rootNode}, &fs.Options{
		MountOptions: fuse.MountOptions{FsName: "crashtest", Name: "crashtest", DirectMount: true, DisableXAttrs: true},
		EntryTimeout: &always,
		AttrTimeout:  &always,
	})
	if err != nil {
		tb.Skipf("FUSE cannot mount here: %v", err)
	}
	tb.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			tb.Error(errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH)))
		}
	})
	return dir
}

// node is a file or directory as FUSE sees it.
type node struct {
	fs.Inode
	d  *Disk
	id int
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

// show makes the inode of an object; the caller holds the lock.
func (n *node) show(ctx context.Context, id int, out *fuse.EntryOut) *fs.Inode {
	mode := uint32(syscall.S_IFREG)
	if o := n.d.objects[id]; o != nil && o.isDir {
		mode = syscall.S_IFDIR
	}
	n.d.fill(id, &out.Attr)
	return n.NewInode(ctx, &node{d: n.d, id: id}, fs.StableAttr{Mode: mode, Ino: uint64(id)}) //nolint:gosec // small
}

func (d *Disk) fill(id int, out *fuse.Attr) {
	out.Mode, out.Nlink, out.Blksize = 0o600, 1, pageSize
	o := d.objects[id]
	if o == nil { // the file "said"
		return
	}
	if o.isDir {
		out.Mode = 0o700
	}
	out.Mtime = o.made
	out.Size = uint64(o.content.size) //nolint:gosec // not negative
	out.Blocks = uint64(len(o.content.pages)) * pageSize / sector
}

// Lookup implements fs.NodeLookuper.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	if n.id == rootNode && name == SaidFile {
		return n.show(ctx, saidNode, out), 0
	}
	id, ok := n.d.objects[n.id].names[name]
	if !ok {
		return nil, syscall.ENOENT
	}
	return n.show(ctx, id, out), 0
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	child, errno := n.create(ctx, name, false, out)
	return child, nil, 0, errno
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.create(ctx, name, true, out)
}

func (n *node) create(ctx context.Context, name string, dir bool, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	s := Step{Kind: Create, node: n.d.last + 1, dir: n.id, name: name}
	if dir {
		s.size = 1
	}
	if errno := n.d.do(s); errno != 0 {
		return nil, errno
	}
	n.d.last++
	n.d.objects[s.node] = newObject(dir)
	return n.show(ctx, s.node, out), 0
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	id, ok := n.d.objects[n.id].names[name]
	if !ok {
		return syscall.ENOENT
	}
	return n.d.do(Step{Kind: Unlink, node: id, dir: n.id, name: name})
}

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno { return n.Unlink(ctx, name) }

// Rename implements fs.NodeRenamer.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, toName string, _ uint32) syscall.Errno {
	target, ok := to.(*node)
	if !ok {
		return syscall.EXDEV
	}
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	id, ok := n.d.objects[n.id].names[name]
	if !ok {
		return syscall.ENOENT
	}
	return n.d.do(Step{Kind: Rename, node: id, dir: n.id, name: name, to: target.id, toName: toName})
}

// Readdir implements fs.NodeReaddirer.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	var list []fuse.DirEntry
	for name, id := range n.d.objects[n.id].names {
		mode := uint32(syscall.S_IFREG)
		if n.d.objects[id].isDir {
			mode = syscall.S_IFDIR
		}
		list = append(list, fuse.DirEntry{Name: name, Ino: uint64(id), Mode: mode}) //nolint:gosec // small
	}
	return fs.NewListDirStream(list), 0
}

// Open implements fs.NodeOpener.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Getattr implements fs.NodeGetattrer.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.d.fill(n.id, &out.Attr)
	return 0
}

// Setattr implements fs.NodeSetattrer.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	if size, ok := in.GetSize(); ok && n.id != saidNode {
		s := Step{Kind: Truncate, node: n.id, size: int64(size)} //nolint:gosec // a file of a test
		if errno := n.d.do(s); errno != 0 {
			return errno
		}
	}
	n.d.fill(n.id, &out.Attr)
	return 0
}

// Read implements fs.NodeReader.
func (n *node) Read(_ context.Context, _ fs.FileHandle, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	o := n.d.objects[n.id]
	if o == nil {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(p[:o.content.read(p, off)]), 0
}

// Write implements fs.NodeWriter.
func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	s := Step{Kind: Write, node: n.id, off: off, data: append([]byte(nil), data...)}
	if n.id == saidNode {
		s = Step{Kind: Say, Text: strings.TrimSuffix(string(data), "\n")}
	}
	if errno := n.d.do(s); errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0 //nolint:gosec // a write is at most some megabytes
}

// Fsync implements fs.NodeFsyncer.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	return n.d.do(Step{Kind: Sync, node: n.id})
}

// Statfs implements fs.NodeStatfser: a disk with room enough.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = pageSize, pageSize, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<24, 1<<23, 1<<23
	out.Files, out.Ffree = 1<<20, 1<<19
	return 0
}

// Said opens the file of a mounted disk that takes what a program says.
func Said(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir+"/"+SaidFile, os.O_WRONLY|os.O_APPEND, 0) //nolint:gosec // a place of the test
	if err != nil {
		return nil, fmt.Errorf("opening what takes the word of the program: %w", err)
	}
	return f, nil
}
