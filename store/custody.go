// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// How the machine identity is kept.
const (
	CustodyFile       = "file"       // a file that only its owner reads
	CustodyCredential = "credential" // handed over by systemd
	CustodyPassphrase = "passphrase" // a file that a passphrase opens: the start is sealed
)

// Custody says who can open the store and how well destroyed keys stay
// destroyed.
type Custody struct {
	Kind       string // how the machine identity is kept: file, credential or passphrase
	Identity   string // the path of its file
	Recovery   bool   // there is a recovery key
	Recipients []Recipient
	Generation uint64 // of the keyring
	// LookupGeneration is that of the key of identifiers, LookupAt when it was made
	// and LookupWaiting whether a newer one is to come or being brought in.
	LookupGeneration uint32
	LookupAt         time.Time
	LookupWaiting    bool
	// Strength is "full" or "reduced", with the reason: see ErasureStrength.
	Strength, Reason string
}

// Custody returns how the keys of this store are kept now.
func (db *DB) Custody() Custody {
	body := db.currentRing()
	c := Custody{
		Kind: db.kept.now(), Identity: db.kept.path, Recipients: db.recipients(), Generation: body.Gen,
		LookupGeneration: body.LookupGen, LookupWaiting: body.NextGen != 0 || db.rotation.wanted.Load(),
		Strength: db.strength[0], Reason: db.strength[1],
	}
	if body.LookupAt != 0 {
		c.LookupAt = time.Unix(body.LookupAt, 0).UTC()
	}
	for _, r := range c.Recipients {
		c.Recovery = c.Recovery || r.Kind == RecipientRecovery
	}
	return c
}

// ErrSealed says that the identity is protected and no passphrase was given.
var ErrSealed = errors.New("kith is sealed")

// IsSealed tells whether the store in dir opens only with a passphrase. A store
// that is yet to be made, or whose identity is missing, is not sealed.
func IsSealed(dir string, o Options) (bool, error) {
	k, err := findIdentity(dir, &o)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(k.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, filing("reading", k.path, err)
	}
	return isProtected(text), nil
}

// CheckPassphrase opens the identity of the store in dir with the passphrase and
// nothing more. It takes a third of a second and 64 MiB: that is what makes
// guessing slow. ErrWrongKey says that it is another passphrase.
func CheckPassphrase(dir string, o Options) error {
	k, err := findIdentity(dir, &o)
	if err != nil {
		return err
	}
	_, err = k.read(o.Passphrase, nil)
	return err
}

// ErrPassphrase wraps the sentences that refuse a change of the passphrase.
var ErrPassphrase = errors.New("the identity stays as it is")

// MinPassphrase is the length below which a passphrase is refused. Whoever has a
// copy of the identity file may guess as long as they like.
const MinPassphrase = 16

// ChangePassphrase protects the identity of the store in dir with a passphrase
// or, when next is empty, with none. o.Passphrase is the one in force. It works
// beside a running server, which needs the file at its next start only. The
// bytes of the file before are overwritten as far as the disk allows.
func ChangePassphrase(dir string, o Options, next string) error {
	k, err := findIdentity(dir, &o)
	if err != nil {
		return err
	}
	if k.kind == CustodyCredential {
		return fmt.Errorf("%w: systemd hands it over; protect it with systemd-creds encrypt instead", ErrPassphrase)
	}
	if next != "" && len(next) < MinPassphrase {
		return fmt.Errorf("%w: a passphrase has at least %d characters", ErrPassphrase, MinPassphrase)
	}
	id, err := k.read(o.Passphrase, nil)
	if err != nil {
		return err
	}
	text, err := identityText(id, next)
	if err != nil {
		return err
	}
	if err := writeOwned(k.path+newSuffix, k.path, text); err != nil {
		return err
	}
	return replaceFile(k.path)
}

// replaceFile puts path.new in the place of path and overwrites what was there.
func replaceFile(path string) error {
	old, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY, 0)
	if err != nil {
		return filing("opening", path, err)
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return errors.Join(filing("renaming to", path, err), old.Close())
	}
	// The old bytes may go only once no loss of power brings their name back.
	if err = syncDir(filepath.Dir(path)); err == nil {
		err = overwrite(old)
	}
	return errors.Join(err, old.Close())
}

// keeping is what a store knows about its keys beside the keyring.
type keeping struct {
	kept     kept
	machine  atomic.Pointer[string] // the recipient of the identity that opened the store
	lookups  atomic.Pointer[lookKeys]
	rotation rotation

	faultIdentity func(step int) error // tests stop a change of the identity here
}
