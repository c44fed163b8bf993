// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Fetched is a backup with what lies beside it. Keys or Ledger are nil where there are none.
type Fetched struct {
	Name         string
	File         io.ReadCloser
	Keys, Ledger []byte
}

// maxBeside bounds what is read into RAM: the keyring of a million erasures has 100 MB.
const maxBeside = 1 << 30

// Fetch opens a backup in a target, the newest one when name is empty, and reads what lies beside it.
func Fetch(ctx context.Context, t Target, name string) (*Fetched, error) {
	if name == "" {
		var err error
		if name, err = newest(ctx, t); err != nil {
			return nil, err
		}
	}
	f, err := t.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening the backup %s: %w", name, err)
	}
	b := &Fetched{Name: name, File: f}
	for _, n := range besideNames(name) {
		if b.Keys == nil {
			if b.Keys, err = read(ctx, t, n.Keys); err != nil {
				break
			}
		}
		if b.Ledger == nil {
			if b.Ledger, err = read(ctx, t, n.Ledger); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

// newest finds the newest backup by its name. Backups of two installations in one place are told apart by their
// operator.
func newest(ctx context.Context, t Target) (string, error) {
	files, err := t.List(ctx)
	if err != nil {
		return "", err
	}
	found := map[string]string{}
	for _, f := range files {
		base, at, ok := cutStamp(f.Name)
		if ok && at > strings.TrimPrefix(found[base], base+"-") {
			found[base] = f.Name
		}
	}
	if len(found) > 1 {
		var names []string
		for _, name := range found {
			names = append(names, name)
		}
		slices.Sort(names)
		return "", invalid("there are backups of %d installations; name one of these: %s", len(found), strings.Join(names, ", "))
	}
	for _, name := range found {
		return name, nil
	}
	return "", fmt.Errorf("there is no backup in that place: %w", os.ErrNotExist)
}

// cutStamp parts the name of a backup into what is the same for all of an installation and the rest.
func cutStamp(name string) (base, at string, ok bool) {
	at, ok = strings.CutSuffix(name, fileSuffix)
	if n := len(at) - len(stamp) - 1; ok && n > 0 && strings.HasPrefix(name, "kith-") && at[n] == '-' {
		_, err := time.Parse(stamp, at[n+1:])
		return at[:n], at[n+1:], err == nil
	}
	return "", "", false
}

func read(ctx context.Context, t Target, name string) ([]byte, error) {
	f, err := t.Open(ctx, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBeside))
	return b, errors.Join(err, f.Close())
}
