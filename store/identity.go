// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// credential is the name under which systemd hands over the identity.
const credential = "kith-identity"

// identitySuffix makes the name of the identity that kith makes itself from the
// name of the data directory.
const identitySuffix = ".identity"

// kept is where a machine identity is and how it is kept.
type kept struct{ path, kind string }

// identityPath is where the machine identity of the store in dir lives: never
// inside dir, so that a copy of the directory alone opens nothing.
func identityPath(dir string, o *Options) string {
	if o.Identity != "" {
		return o.Identity
	}
	if path := credentialPath(); path != "" {
		return path
	}
	return dir + identitySuffix
}

// credentialPath is the file of the systemd credential, "" when there is none.
func credentialPath() string {
	given := os.Getenv("CREDENTIALS_DIRECTORY")
	if given == "" {
		return ""
	}
	path := filepath.Join(given, credential)
	if _, err := os.Stat(path); err != nil { //nolint:gosec // systemd sets the variable
		return ""
	}
	return path
}

// findIdentity names the identity of the store in dir. Its kind is that of the
// place: a protected file is CustodyPassphrase only once it was read.
func findIdentity(dir string, o *Options) (kept, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return kept{}, fmt.Errorf("finding %s: %w", dir, err)
	}
	k := kept{path: filepath.Clean(identityPath(abs, o)), kind: CustodyFile}
	if k.path == filepath.Clean(credentialPath()) {
		k.kind = CustodyCredential
	}
	return k, nil
}

// now is how the identity is kept at this moment: a passphrase comes and goes
// while the server runs.
func (k *kept) now() string {
	text, err := os.ReadFile(k.path)
	switch {
	case err != nil || k.kind == CustodyCredential:
		return k.kind
	case isProtected(text):
		return CustodyPassphrase
	}
	return CustodyFile
}

// read opens an age identity of the post-quantum kind, with the passphrase when
// it is protected by one. log is told when others may read the file.
func (k *kept) read(passphrase string, log *slog.Logger) (*age.HybridIdentity, error) {
	text, err := os.ReadFile(k.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: the identity file %s is missing; put it back, nothing else opens this store", ErrWrongKey, k.path)
	}
	if err != nil {
		return nil, filing("reading", k.path, err)
	}
	if info, err := os.Stat(k.path); err == nil && info.Mode().Perm()&0o077 != 0 && log != nil {
		log.Warn("others may read the identity file; take the right away with chmod 600", "file", k.path)
	}
	if isProtected(text) {
		if text, err = unprotect(text, passphrase, k.path); err != nil {
			return nil, err
		}
		k.kind = CustodyPassphrase
	}
	return parseIdentity(text, k.path)
}

func parseIdentity(text []byte, path string) (*age.HybridIdentity, error) {
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

// workFactor makes a guess at the passphrase cost 64 MiB and a third of a second
// on a small server; maxWorkFactor bounds what a foreign file may ask for.
const (
	workFactor    = 16
	maxWorkFactor = 20
)

const ageHead = "age-encryption.org/"

// isProtected tells whether an identity file is itself an age file.
func isProtected(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return bytes.HasPrefix(text, []byte(ageHead)) || bytes.HasPrefix(text, []byte(armor.Header))
}

// unprotect opens a protected identity, also one made by age -p.
func unprotect(text []byte, passphrase, path string) ([]byte, error) {
	if passphrase == "" {
		return nil, fmt.Errorf("%w: a passphrase opens %s; give it with kith unseal, or with --passphrase-file", ErrSealed, path)
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: the passphrase cannot be used", ErrWrongKey)
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	var in io.Reader = bytes.NewReader(text)
	if text = bytes.TrimLeft(text, " \t\r\n"); !bytes.HasPrefix(text, []byte(ageHead)) {
		in = armor.NewReader(bytes.NewReader(text))
	}
	r, err := age.Decrypt(in, id)
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(r, 64<<10))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the passphrase does not open %s; give the one it was protected with", ErrWrongKey, path)
	}
	return text, nil
}

// identityText is the contents of an identity file, protected when a passphrase
// is given.
func identityText(id *age.HybridIdentity, passphrase string) ([]byte, error) {
	text := fmt.Appendf(nil, "# The machine identity of kith. Whoever holds it and the data directory reads everything.\n# public key: %s\n%s\n", id.Recipient(), id)
	if passphrase == "" {
		return text, nil
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("protecting the identity: %w", err)
	}
	to.SetWorkFactor(workFactor)
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to)
	if err == nil {
		_, err = w.Write(text)
		err = errors.Join(err, w.Close(), a.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("protecting the identity: %w", err)
	}
	return out.Bytes(), nil
}

// create makes a new identity unless there is one, which then serves. The file
// gets its name when it is whole: a crash in between leaves none.
func (k *kept) create(passphrase string, log *slog.Logger) (*age.HybridIdentity, error) {
	if _, err := os.Lstat(k.path); err == nil {
		id, err := k.read(passphrase, log)
		if err != nil {
			return nil, err
		}
		// A start that was cut short may have left it without a sync.
		return id, syncAbove(k.path)
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("making an identity: %w", err)
	}
	text, err := identityText(id, passphrase)
	if err != nil {
		return nil, err
	}
	if err := writeFile(k.path+newSuffix, text); err != nil {
		return nil, errors.Join(err, ignoreMissing(os.Remove(k.path+newSuffix)))
	}
	if err := os.Rename(k.path+newSuffix, k.path); err != nil {
		return nil, filing("renaming to", k.path, errors.Join(err, os.Remove(k.path+newSuffix)))
	}
	if err := syncDir(filepath.Dir(k.path)); err != nil {
		return nil, err
	}
	if passphrase != "" {
		k.kind = CustodyPassphrase
	}
	log.Info("made a machine identity; keep a copy of it in a safe place, apart from the data", "file", k.path)
	return id, nil
}

// writeOwned writes a file with the owner of another one.
func writeOwned(path, like string, text []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return filing("removing", path, err)
	}
	if err := writeFile(path, text); err != nil {
		return err
	}
	if err := sameOwner(path, like); err != nil {
		return filing("giving its owner to", path, errors.Join(err, os.Remove(path)))
	}
	return syncDir(filepath.Dir(path))
}

// overwrite puts random bytes where a file that has lost its name holds a secret.
func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("looking at the old identity: %w", err)
	}
	b := make([]byte, info.Size())
	_, _ = rand.Read(b)
	if _, err := f.WriteAt(b, 0); err != nil {
		return filing("overwriting", "the old identity", err)
	}
	if err := f.Sync(); err != nil {
		return filing("syncing", "the old identity", err)
	}
	return nil
}
