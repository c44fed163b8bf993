// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

// maxRecipients is how many recipients fit into a slot of the anchor: each takes
// about 1,650 of its 8,192 bytes.
const maxRecipients = 4

// What a recipient is for.
const (
	RecipientMachine  = "machine"  // the identity that the server starts with
	RecipientRecovery = "recovery" // made at the set-up, kept on paper
	RecipientOther    = "other"
)

// Recipient is a public key that the anchor is encrypted to: whoever holds its
// secret opens the store.
type Recipient struct {
	Key   string // age1pq1...
	Kind  string
	Label string
	Added time.Time // zero when it is not known
	// InUse says that this process opened the store with its secret.
	InUse bool
}

// recipientNote is what the keyring remembers of a recipient beside its key.
// Numbers of fields are never used again.
type recipientNote struct {
	Kind  string `cbor:"1,keyasint"`
	Label string `cbor:"2,keyasint,omitempty"`
	At    int64  `cbor:"3,keyasint,omitempty"` // unix seconds
}

// ErrRecipients wraps the sentences that refuse a change of the recipients.
var ErrRecipients = errors.New("the recipients stay as they are")

func refusedRecipient(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRecipients, fmt.Sprintf(format, args...))
}

// note is what is known of a recipient. A store of before there were notes has
// one recipient, the machine.
func (b *ringBody) note(key string) recipientNote {
	if n, ok := b.Notes[key]; ok {
		return n
	}
	return recipientNote{Kind: RecipientMachine}
}

// with returns a copy of the body that has one more recipient.
func (b *ringBody) with(key string, n recipientNote) ringBody {
	out := *b
	out.Recipients = append(slices.Clone(b.Recipients), key)
	out.Notes = maps.Clone(b.Notes)
	if out.Notes == nil {
		out.Notes = map[string]recipientNote{}
	}
	out.Notes[key] = n
	return out
}

// without returns a copy of the body without some recipients.
func (b *ringBody) without(gone func(key string) bool) ringBody {
	out := *b
	out.Recipients = slices.DeleteFunc(slices.Clone(b.Recipients), gone)
	out.Notes = maps.Clone(b.Notes)
	maps.DeleteFunc(out.Notes, func(key string, _ recipientNote) bool { return gone(key) })
	return out
}

// ParseRecipient checks a public key; its error is a sentence for people.
func ParseRecipient(key string) (string, error) {
	key = strings.TrimSpace(key)
	if strings.HasPrefix(key, "AGE-SECRET-KEY-") {
		return "", refusedRecipient("this is a secret key; give its public key, which begins with age1pq1")
	}
	if _, err := age.ParseHybridRecipient(key); err != nil {
		return "", refusedRecipient("a recipient is a post-quantum public key that begins with age1pq1; age-keygen -pq makes one")
	}
	return key, nil
}

// AddRecipient lets another identity open the store from now on: the secret of
// the anchor is made anew and encrypted to it too. kind is RecipientRecovery or
// RecipientOther. A recipient that is there already is given the label.
func (db *DB) AddRecipient(key, kind, label string) error {
	key, err := ParseRecipient(key)
	if err != nil {
		return err
	}
	if label = strings.Join(strings.Fields(label), " "); len(label) > 100 {
		return refusedRecipient("a label has at most 100 bytes")
	}
	n := recipientNote{Kind: kind, Label: label, At: db.now().Unix()}
	return db.changeRecipients(func(b *ringBody) (ringBody, error) {
		if slices.Contains(b.Recipients, key) {
			if b.note(key).Kind == RecipientMachine {
				n.Kind = RecipientMachine
			}
			out := b.without(func(string) bool { return false })
			if out.Notes == nil {
				out.Notes = map[string]recipientNote{}
			}
			out.Notes[key] = n
			return out, nil
		}
		if len(b.Recipients) >= maxRecipients {
			return *b, refusedRecipient("the anchor has room for %d recipients; remove one first", maxRecipients)
		}
		return b.with(key, n), nil
	})
}

// RemoveRecipient takes the right to open the store from an identity. which is
// its public key, or a beginning of it or its label that fits only one.
func (db *DB) RemoveRecipient(which string) error {
	return db.changeRecipients(func(b *ringBody) (ringBody, error) {
		key, err := b.find(which)
		if err != nil {
			return *b, err
		}
		if key == db.machineKey() {
			return *b, refusedRecipient("the server starts with this identity; rotate it instead: kith keys rotate --level identity")
		}
		return b.without(func(k string) bool { return k == key }), nil
	})
}

func (b *ringBody) find(which string) (string, error) {
	which = strings.TrimSpace(which)
	var fits []string
	for _, key := range b.Recipients {
		if key == which {
			return key, nil
		}
		if n := b.note(key); which != "" && (n.Label == which || (len(which) >= len("age1pq1")+4 && strings.HasPrefix(key, which))) {
			fits = append(fits, key)
		}
	}
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		return "", refusedRecipient("no recipient has this key or label; kith keys list shows them")
	}
	return "", refusedRecipient("%d recipients fit; give the whole public key", len(fits))
}

// changeRecipients commits the anchor to other recipients.
func (db *DB) changeRecipients(change func(*ringBody) (ringBody, error)) error {
	err := db.commitRing(func(b *ringBody, _ trees) (bool, error) {
		next, err := change(b)
		if err != nil {
			return false, err
		}
		*b = next
		return true, nil
	})
	if err != nil {
		return err
	}
	return db.writeRecipients()
}

// writeRecipients keeps recipient.txt in step with the keyring.
func (db *DB) writeRecipients() error {
	body, path := db.currentRing(), db.path(recipientFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return filing("reading", path, err)
	}
	if body.sameRecipients(strings.Fields(string(text))) {
		return nil
	}
	return writeFile(path, []byte(strings.Join(body.Recipients, "\n")+"\n"))
}

// recipients lists them, the machine first.
func (db *DB) recipients() []Recipient {
	body := db.currentRing()
	var out []Recipient
	for _, key := range body.Recipients {
		n := body.note(key)
		r := Recipient{Key: key, Kind: n.Kind, Label: n.Label, InUse: key == db.machineKey()}
		if n.At != 0 {
			r.Added = time.Unix(n.At, 0).UTC()
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b Recipient) int { return rank(a) - rank(b) })
	return out
}

func rank(r Recipient) int {
	return slices.Index([]string{RecipientMachine, RecipientRecovery, RecipientOther}, r.Kind)
}

// NewRecoveryKey makes an identity that is kept on paper. Nothing of it is
// written anywhere: the caller shows the secret once and adds the recipient.
func NewRecoveryKey() (secret, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", "", fmt.Errorf("making a recovery key: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// machineKey is the recipient of the identity that opened the store.
func (db *DB) machineKey() string {
	if key := db.machine.Load(); key != nil {
		return *key
	}
	return ""
}

func (db *DB) setMachine(key string) { db.machine.Store(&key) }
