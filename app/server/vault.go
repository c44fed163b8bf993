// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"kith/store"
)

// vaultFile is a certificate, a key or a note of certmagic. It is about nobody.
type vaultFile struct {
	Name     string    `cbor:"1,keyasint"`
	Data     []byte    `cbor:"2,keyasint"`
	Modified time.Time `cbor:"3,keyasint"`
}

var (
	vaultFiles = store.NewTable[vaultFile]("tls_files", func(*vaultFile) store.Subject { return store.Nobody })
	vaultNames = store.NewLookup("tls_names", listVault)
)

// listVault lists the names, for the change of the key they are hidden under.
func listVault(tx *store.Tx, after uint64, yield func(uint64, store.LookupEntry) error) error {
	return vaultFiles.Each(tx, store.Nobody, func(id uint64, f *vaultFile) error {
		if id <= after {
			return nil
		}
		return yield(id, store.LookupEntry{Kind: "file", Ident: f.Name, Value: id})
	})
}

// vault keeps the files of certmagic sealed in the store. One process has the store, so locks are kept in memory.
type vault struct {
	db *store.DB

	mu    sync.Mutex
	locks map[string]chan struct{}
}

var _ certmagic.Storage = (*vault)(nil)

func newVault(db *store.DB) *vault { return &vault{db: db, locks: map[string]chan struct{}{}} }

// Lock waits until nobody else holds the name.
func (v *vault) Lock(ctx context.Context, name string) error {
	for {
		v.mu.Lock()
		held, taken := v.locks[name]
		if !taken {
			v.locks[name] = make(chan struct{})
			v.mu.Unlock()
			return nil
		}
		v.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unlock gives the name back.
func (v *vault) Unlock(_ context.Context, name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	held, taken := v.locks[name]
	if !taken {
		return fmt.Errorf("%s is not locked", name)
	}
	delete(v.locks, name)
	close(held)
	return nil
}

// Store writes a file.
func (v *vault) Store(ctx context.Context, key string, value []byte) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		id, have, err := vaultNames.Get(tx, "file", key)
		if err != nil {
			return err
		}
		if !have {
			id = tx.NextID()
			if err := vaultNames.Set(tx, "file", key, id); err != nil {
				return err
			}
		}
		return vaultFiles.Put(tx, id, &vaultFile{Name: key, Data: value, Modified: tx.Now()})
	})
}

func (v *vault) file(ctx context.Context, key string) (f *vaultFile, err error) {
	err = v.db.View(ctx, func(tx *store.Tx) error {
		id, have, err := vaultNames.Get(tx, "file", key)
		if err != nil {
			return err
		}
		if !have {
			return fs.ErrNotExist
		}
		if f, err = vaultFiles.Get(tx, store.Nobody, id); errors.Is(err, store.ErrNotFound) {
			return fs.ErrNotExist
		}
		return err
	})
	return f, err
}

// Load reads a file.
func (v *vault) Load(ctx context.Context, key string) ([]byte, error) {
	f, err := v.file(ctx, key)
	if err != nil {
		return nil, err
	}
	return f.Data, nil
}

// newest returns the file that was written last among those whose name ends so.
func (v *vault) newest(ctx context.Context, suffix string) (data []byte, err error) {
	var at time.Time
	err = v.db.View(ctx, func(tx *store.Tx) error {
		return vaultFiles.Each(tx, store.Nobody, func(_ uint64, f *vaultFile) error {
			if strings.HasSuffix(f.Name, suffix) && f.Modified.After(at) {
				data, at = f.Data, f.Modified
			}
			return nil
		})
	})
	if err == nil && data == nil {
		err = fs.ErrNotExist
	}
	return data, err
}

// Delete removes a file, or every file below a folder.
func (v *vault) Delete(ctx context.Context, key string) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		gone := map[uint64]string{}
		err := vaultFiles.Each(tx, store.Nobody, func(id uint64, f *vaultFile) error {
			if f.Name == key || strings.HasPrefix(f.Name, key+"/") {
				gone[id] = f.Name
			}
			return nil
		})
		if err != nil {
			return err
		}
		for id, name := range gone {
			if err := vaultNames.Delete(tx, "file", name); err != nil {
				return err
			}
			if err := vaultFiles.Delete(tx, store.Nobody, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Exists reports whether there is a file, or a folder with files.
func (v *vault) Exists(ctx context.Context, key string) bool {
	if _, err := v.file(ctx, key); err == nil {
		return true
	}
	below, err := v.List(ctx, key, true)
	return err == nil && len(below) > 0
}

// List names what is in a folder; recursive names everything below it.
func (v *vault) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	var out []string
	prefix := strings.TrimSuffix(folder, "/") + "/"
	if prefix == "/" {
		prefix = ""
	}
	err := v.db.View(ctx, func(tx *store.Tx) error {
		return vaultFiles.Each(tx, store.Nobody, func(_ uint64, f *vaultFile) error {
			rest, in := strings.CutPrefix(f.Name, prefix)
			if !in {
				return nil
			}
			if !recursive {
				rest, _, _ = strings.Cut(rest, "/")
			}
			if name := path.Join(prefix, rest); !slices.Contains(out, name) {
				out = append(out, name)
			}
			return nil
		})
	})
	if err == nil && len(out) == 0 {
		err = fs.ErrNotExist
	}
	return out, err
}

// Stat tells about a file or folder.
func (v *vault) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	f, err := v.file(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Modified: f.Modified, Size: int64(len(f.Data)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	if _, err := v.List(ctx, key, true); err != nil {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: key}, nil
}
