// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kith/store"
)

// Directory is a target on a disk that is mounted here.
type Directory string

// partSuffix marks a file that is being written.
const partSuffix = ".part"

// Put implements Target.
func (d Directory) Put(ctx context.Context, name string, write func(io.Writer) error) (err error) {
	path := d.path(name)
	f, err := os.OpenFile(path+partSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", path+partSuffix, err)
	}
	w := &paced{f: f}
	err = write(w)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = w.flush()
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = filing("writing", path, cerr)
	}
	if err == nil {
		if rerr := os.Rename(path+partSuffix, path); rerr != nil {
			err = filing("renaming to", path, rerr)
		}
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(path+partSuffix)))
	}
	return d.sync()
}

// Replace implements Target. The old bytes are overwritten after the new file has taken the name: on most disks that
// reaches the blocks where they lie.
func (d Directory) Replace(_ context.Context, name string, b []byte) error {
	path := d.path(name)
	old, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return filing("opening", path, err)
	}
	if err = scrap(path + partSuffix); err == nil {
		err = writeWhole(path+partSuffix, b)
	}
	if err == nil {
		if err = os.Rename(path+partSuffix, path); err != nil {
			err = filing("renaming to", path, err)
		}
	}
	if err == nil {
		err = d.sync()
	}
	if old == nil {
		return err
	}
	if err == nil {
		err = overwrite(old)
	}
	return errors.Join(err, old.Close())
}

// scrap overwrites what a crash left of an earlier attempt.
func scrap(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return filing("opening", path, err)
	}
	return errors.Join(overwrite(f), f.Close())
}

func writeWhole(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", path, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return filing("writing", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// overwrite puts chance where a file that has lost its name holds an old copy.
func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return filing("looking at", f.Name(), err)
	}
	if _, err = io.CopyN(&offset{f, 0}, rand.Reader, info.Size()); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return filing("overwriting", f.Name(), err)
	}
	return nil
}

// offset writes into a file from its beginning on.
type offset struct {
	f  *os.File
	at int64
}

// Write implements io.Writer.
func (o *offset) Write(p []byte) (int, error) {
	n, err := o.f.WriteAt(p, o.at)
	o.at += int64(n)
	return n, err
}

// Open implements Target.
func (d Directory) Open(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, filing("opening", d.path(name), err)
	}
	return f, nil
}

// List implements Target.
func (d Directory) List(context.Context) (all []File, err error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, filing("reading", string(d), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			all = append(all, File{e.Name(), info.Size()})
		}
	}
	return all, nil
}

// Remove implements Target.
func (d Directory) Remove(_ context.Context, name string) error {
	if err := os.Remove(d.path(name)); err != nil {
		return filing("removing", d.path(name), err)
	}
	return d.sync()
}

func (d Directory) path(name string) string { return filepath.Join(string(d), filepath.Base(name)) }

// sync makes the names in the directory durable.
func (d Directory) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return filing("opening", string(d), err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return filing("syncing", string(d), err)
	}
	return nil
}

// paced is a file that goes to the disk a little at a time: what waits in RAM until the end would stop other writers
// for as long as the disk takes. It leaves RAM for what others read.
type paced struct {
	f          *os.File
	at, synced int64
}

const pace = 2 << 20

// Write implements io.Writer.
func (p *paced) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.at += int64(n)
	if err != nil {
		return n, filing("writing", p.f.Name(), err)
	}
	if p.at-p.synced >= pace {
		return n, p.flush()
	}
	return n, nil
}

func (p *paced) flush() error {
	if err := p.f.Sync(); err != nil {
		return filing("writing", p.f.Name(), err)
	}
	forget(p.f, p.synced, p.at-p.synced)
	p.synced = p.at
	return nil
}

// filing wraps an error of the file system with what it means.
func filing(doing, path string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %s %s: %w; give the user that runs kith the right to it", store.ErrPermission, doing, path, err)
	case isFull(err):
		return fmt.Errorf("%w: %s %s: %w; free some space there", store.ErrFull, doing, path, err)
	}
	return fmt.Errorf("%s %s: %w", doing, path, err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
