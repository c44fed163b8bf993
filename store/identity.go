// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// credential is the name under which systemd hands over the identity.
const credential = "kith-identity"

// identitySuffix makes the name of the identity that kith makes itself from the
// name of the data directory.
const identitySuffix = ".identity"

// identityPath is where the machine identity of the store in dir lives: never
// inside dir, so that a copy of the directory alone opens nothing.
func identityPath(dir string, o *Options) string {
	if o.Identity != "" {
		return o.Identity
	}
	if given := os.Getenv("CREDENTIALS_DIRECTORY"); given != "" {
		path := filepath.Join(given, credential)
		if _, err := os.Stat(path); err == nil { //nolint:gosec // systemd sets the variable
			return path
		}
	}
	return dir + identitySuffix
}

// readIdentity reads an age identity of the post-quantum kind.
func readIdentity(path string, log *slog.Logger) (*age.HybridIdentity, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: the identity file %s is missing; put it back, nothing else opens this store", ErrWrongKey, path)
	}
	if err != nil {
		return nil, filing("reading", path, err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others may read the identity file; take the right away with chmod 600", "file", path)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		// What age says about the text may quote it.
		return nil, fmt.Errorf("%w: %s holds no age identity; put the right file in its place", ErrWrongKey, path)
	}
	for _, id := range ids {
		if h, ok := id.(*age.HybridIdentity); ok {
			return h, nil
		}
	}
	return nil, fmt.Errorf("%w: %s holds no post-quantum identity; make one with age-keygen -pq", ErrWrongKey, path)
}

// createIdentity makes a new identity unless there is one, which then serves.
func createIdentity(path string, log *slog.Logger) (*age.HybridIdentity, error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return readIdentity(path, log)
	}
	if err != nil {
		return nil, filing("creating", path, err)
	}
	id, err := age.GenerateHybridIdentity()
	if err == nil {
		_, err = fmt.Fprintf(f, "# The machine identity of kith. Whoever holds it and the data directory reads everything.\n# public key: %s\n%s\n", id.Recipient(), id)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, filing("writing", path, errors.Join(err, os.Remove(path)))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	log.Info("made a machine identity; keep a copy of it in a safe place, apart from the data", "file", path)
	return id, nil
}
