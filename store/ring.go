// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"
)

const (
	anchorFile  = "anchor"
	keyringFile = "keyring.age"
	newSuffix   = ".new"
)

// ring is the keyring on disk. To destroy a key, commit writes the punctured
// trees under a new anchor secret and overwrites the old one: what is left of
// the old keyring in free blocks opens for nobody.
//
// A commit from generation g to g+1 is safe at every point:
//
//	1  slot (g+1)%2 of the anchor <- the new secret       crash: the old state
//	2  keyring.age.new <- the body under the new secret    crash: the old state
//	3  rename to keyring.age, fsync of the directory       the commit point
//	4  slot g%2 <- random bytes                            crash: finished by openRing
type ring struct {
	dir  string
	gen  uint64
	body ringBody
	// unscrubbed says that the old secret may still be in the anchor.
	unscrubbed bool
	// fault lets tests stop a commit after a step.
	fault func(step int) error
}

// ringBody is what keyring.age holds. Numbers of fields are never used again.
type ringBody struct {
	Gen        uint64   `cbor:"1,keyasint"`
	Static     []byte   `cbor:"2,keyasint"`
	Lookup     []byte   `cbor:"3,keyasint"`
	LookupGen  uint32   `cbor:"4,keyasint"`
	Subjects   []byte   `cbor:"5,keyasint"`
	Days       []byte   `cbor:"6,keyasint"`
	Segments   []byte   `cbor:"7,keyasint"`
	Recipients []string `cbor:"8,keyasint"` // of the anchor: the machine, a recovery key, others

	Notes map[string]recipientNote `cbor:"9,keyasint,omitempty"` // by recipient

	// The key of identifiers that is being brought in; NextGen is 0 when none is.
	NextLookup []byte `cbor:"10,keyasint,omitempty"`
	NextGen    uint32 `cbor:"11,keyasint,omitempty"`
	LookupAt   int64  `cbor:"12,keyasint,omitempty"` // unix seconds: when Lookup was made
	LookupRing uint64 `cbor:"13,keyasint,omitempty"` // the generation that knew of it first
	NextRing   uint64 `cbor:"14,keyasint,omitempty"` // the same of NextLookup
}

func newBody(recipients ...string) ringBody {
	b := ringBody{Static: make([]byte, 32), Lookup: make([]byte, 32), LookupGen: 1, Recipients: recipients}
	_, _ = rand.Read(b.Static)
	_, _ = rand.Read(b.Lookup)
	b.setTrees(newTrees())
	return b
}

func (b *ringBody) setTrees(t trees) {
	b.Subjects, b.Days, b.Segments = t.subjects.bytes(), t.days.bytes(), t.segments.bytes()
}

// keys builds the keys in RAM from a body.
func (b *ringBody) keys() (*keys, error) {
	ks := &keys{}
	if len(b.Static) != 32 || len(b.Lookup) != 32 || (b.NextGen != 0) != (len(b.NextLookup) == 32) {
		return nil, errors.New("a key of the keyring has the wrong length")
	}
	ks.static = [32]byte(b.Static)
	var err [3]error
	ks.trees.subjects, err[0] = parseCover(subjectDepth, b.Subjects)
	ks.trees.days, err[1] = parseCover(dayDepth, b.Days)
	ks.trees.segments, err[2] = parseCover(segmentDepth, b.Segments)
	return ks, errors.Join(err[:]...)
}

// createRing writes the first generation into a directory that has none.
func createRing(dir string, body ringBody) (*ring, error) {
	if err := createAnchor(filepath.Join(dir, anchorFile)); err != nil {
		return nil, err
	}
	r := &ring{dir: dir, body: body}
	_, err := r.commit(body)
	return r, err
}

func (r *ring) step(n int) error {
	if r.fault == nil {
		return nil
	}
	return r.fault(n)
}

// commit makes body durable under a fresh secret and destroys the old secret.
// renamed tells whether the new keyring is in place, also when an error follows.
func (r *ring) commit(body ringBody) (renamed bool, err error) {
	body.Gen = r.gen + 1
	a, err := openAnchor(filepath.Join(r.dir, anchorFile))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, a.close()) }()

	var secret anchorKey
	_, _ = rand.Read(secret[:])
	if err := r.writeSecret(a, body, &secret); err != nil {
		return false, err
	}
	if err := r.writeBody(body, &secret); err != nil {
		return false, err
	}
	path := filepath.Join(r.dir, keyringFile)
	if err := os.Rename(path+newSuffix, path); err != nil { //nolint:gosec // the operator names the directory
		return false, filing("renaming to", path, err)
	}
	old := r.gen
	r.gen, r.body, r.unscrubbed = body.Gen, body, true
	if err := syncDir(r.dir); err != nil {
		return true, err
	}
	if err := r.step(3); err != nil {
		return true, err
	}
	if err := a.scrub(old); err != nil {
		return true, err
	}
	r.unscrubbed = false
	return true, r.step(4)
}

func (r *ring) writeSecret(a *anchor, body ringBody, secret *anchorKey) error {
	if err := r.step(0); err != nil {
		return err
	}
	to, err := parseRecipients(body.Recipients)
	if err != nil {
		return err
	}
	sealed, err := encryptAge(secret[:], to...)
	if err != nil {
		return fmt.Errorf("sealing the anchor: %w", err)
	}
	if err := a.write(body.Gen, sealed); err != nil {
		return err
	}
	return r.step(1)
}

func (r *ring) writeBody(body ringBody, secret *anchorKey) error {
	plain, err := encoding.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding the keyring: %w", err)
	}
	sealed, err := encryptAge(plain, secret)
	if err != nil {
		return fmt.Errorf("sealing the keyring: %w", err)
	}
	if err := writeFile(filepath.Join(r.dir, keyringFile+newSuffix), sealed); err != nil {
		return err
	}
	return r.step(2)
}

// openRing opens the keyring with the identities and finishes or undoes a
// commit that was cut short.
func openRing(dir string, ids ...age.Identity) (*ring, error) {
	path := filepath.Join(dir, keyringFile)
	sealed, err := os.ReadFile(path)
	if err != nil {
		return nil, missing("reading", path, err)
	}
	a, err := openAnchor(filepath.Join(dir, anchorFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.close() }()

	r, refusals, err := findGeneration(a, sealed, ids)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, noGeneration(dir, refusals)
	}
	r.dir = dir
	if err := os.Remove(path + newSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, filing("removing", path+newSuffix, err)
	}
	return r, a.scrub(r.gen + 1)
}

// findGeneration tries the slots: exactly one of them opens the keyring. It
// returns nil when none does, and how many slots refused the identities.
func findGeneration(a *anchor, sealed []byte, ids []age.Identity) (r *ring, refusals int, err error) {
	for slot := range uint64(2) {
		gen, wrapped, err := a.read(slot)
		if err != nil {
			return nil, refusals, err
		}
		if wrapped == nil {
			continue
		}
		secret, err := decryptAge(wrapped, ids...)
		if err != nil || len(secret) != len(anchorKey{}) {
			refusals++
			continue
		}
		key := anchorKey(secret)
		plain, err := decryptAge(sealed, &key)
		if err != nil {
			continue
		}
		r := &ring{gen: gen}
		if err := decoding.Unmarshal(plain, &r.body); err != nil || r.body.Gen != gen {
			return nil, refusals, fmt.Errorf("%w: %s does not belong to the anchor; restore both from one backup", ErrDamaged, keyringFile)
		}
		return r, refusals, nil
	}
	return nil, refusals, nil
}

func noGeneration(dir string, refusals int) error {
	if refusals > 0 {
		return fmt.Errorf("%w: the anchor in %s is sealed to another identity; start with the identity this store was made with", ErrWrongKey, dir)
	}
	return fmt.Errorf("%w: %s and the anchor in %s do not fit together; restore the store from a backup", ErrDamaged, keyringFile, dir)
}

func parseRecipients(texts []string) ([]age.Recipient, error) {
	var to []age.Recipient
	for _, t := range texts {
		r, err := age.ParseHybridRecipient(t)
		if err != nil {
			return nil, fmt.Errorf("recipient of the anchor: %w", err)
		}
		to = append(to, r)
	}
	return to, nil
}

// sameRecipients tells whether recipient.txt still says what the keyring knows.
func (b *ringBody) sameRecipients(texts []string) bool { return slices.Equal(b.Recipients, texts) }
