// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"kith/store"
)

const (
	keysListHelp = `It shows how the machine identity is kept, whether there is a recovery key, who may open the store, the generation of
the keyring and how well this disk forgets what is destroyed. All of it is public.`
	keysAddHelp = `kith keys add-recipient age1pq1... --label "the safe"

From then on whoever has the secret of that key opens the store, too. age-keygen -pq makes such keys. There is room for
four recipients, the machine among them.`
	keysRemoveHelp = `kith keys remove-recipient WHICH

WHICH is the label, the public key or its beginning. What the recipient has copied before stays readable to them: kith
keys rotate --level all after it changes every key that can be changed.`
	keysRotateHelp = `The server goes on while keys are changed.

--level anchor    the secret that opens the keyring; every erasure changes it, too
--level keyring   the same: the keyring is encrypted anew
--level lookup    the key under which telephone numbers and addresses are hidden; every entry is written anew
--level static    the key of this installation's own secrets
--level identity  the machine identity: its file is replaced, and the old one opens the store no more
--level all       all of them`
)

// keysView is what kith keys list shows.
type keysView struct {
	Custody    string          `json:"custody"`
	Identity   string          `json:"identity"`
	Recovery   bool            `json:"recovery"`
	Recipients []recipientView `json:"recipients"`
	Generation uint64          `json:"generation"`
	Lookup     lookupView      `json:"lookup"`
	Erasure    string          `json:"erasure"`
	Reason     string          `json:"reason,omitempty"`
}

type recipientView struct {
	Key   string     `json:"key"`
	Kind  string     `json:"kind"`
	Label string     `json:"label,omitempty"`
	Added *time.Time `json:"added,omitempty"`
	InUse bool       `json:"in_use"`
}

type lookupView struct {
	Generation uint32     `json:"generation"`
	Made       *time.Time `json:"made,omitempty"`
	Waiting    bool       `json:"waiting"`
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func setKeysList(f *flags) func(context.Context, streams) error {
	data := f.data()
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		v, err := perform[keysView](ctx, *data, opKeysList, struct{}{})
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(s.out).Encode(v)
		}
		v.print(s.out)
		return nil
	}
}

func (v *keysView) print(w io.Writer) {
	fmt.Fprintf(w, "identity    %s, kept as a %s\n", v.Identity, v.Custody)
	if v.Recovery {
		fmt.Fprintln(w, "recovery    there is a recovery key")
	} else {
		fmt.Fprintln(w, "recovery    none: kith keys recovery makes one; without it a lost identity is lost data")
	}
	fmt.Fprintf(w, "keyring     generation %d\n", v.Generation)
	fmt.Fprintf(w, "lookup key  generation %d%s\n", v.Lookup.Generation, ifTrue(v.Lookup.Waiting, ", the next one is on its way"))
	fmt.Fprintf(w, "erasure     %s%s\n", v.Erasure, ifTrue(v.Reason != "", ": "+v.Reason))
	for _, r := range v.Recipients {
		added := "before dates were kept"
		if r.Added != nil {
			added = r.Added.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%-11s %s…%s  %s  %s%s\n", r.Kind, r.Key[:16], r.Key[len(r.Key)-6:], added, r.Label, ifTrue(r.InUse, " (in use)"))
	}
}

func ifTrue(ok bool, text string) string {
	if ok {
		return text
	}
	return ""
}

func setKeysAdd(f *flags) func(context.Context, streams) error {
	data := f.data()
	key := f.word("RECIPIENT")
	label := f.set.String("label", "", "`L` says whose key it is or where its secret lies")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		parsed, err := store.ParseRecipient(*key)
		if err != nil {
			return usage("%s", err)
		}
		_, err = perform[struct{}](ctx, *data, opKeysAdd, recipientParams{Key: parsed, Kind: store.RecipientOther, Label: *label})
		if err == nil {
			fmt.Fprintln(s.out, "The key opens the store from now on.")
		}
		return err
	}
}

func setKeysRemove(f *flags) func(context.Context, streams) error {
	data := f.data()
	which := f.word("WHICH")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		_, err := perform[struct{}](ctx, *data, opKeysRemove, recipientParams{Key: *which})
		if err == nil {
			fmt.Fprintln(s.out, "The key opens the store no more.")
		}
		return err
	}
}

// The levels of keys, in the order in which --level all changes them.
var levels = []string{"static", "lookup", "identity", "anchor"}

func setKeysRotate(f *flags) func(context.Context, streams) error {
	data := f.data()
	level := f.set.String("level", "anchor", "`LEVEL` is anchor, keyring, lookup, static, identity or all")
	file := f.passphrase()
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		wanted := []string{*level}
		switch *level {
		case "all":
			wanted = levels
		case "anchor", "keyring", "lookup", "static", "identity":
		default:
			return usage("--level is anchor, keyring, lookup, static, identity or all, not %q", *level)
		}
		secret, err := identityPassphrase(*data, *file, wanted, s)
		if err != nil {
			return err
		}
		for _, one := range wanted {
			if _, err := perform[struct{}](ctx, *data, opKeysRotate, rotateParams{Level: one, Passphrase: secret}); err != nil {
				return err
			}
			fmt.Fprintf(s.out, "changed: %s\n", one)
		}
		return nil
	}
}

// identityPassphrase asks for the passphrase when a protected identity is to be replaced.
func identityPassphrase(dir, file string, wanted []string, s streams) (string, error) {
	if !strings.Contains(strings.Join(wanted, " "), "identity") {
		return "", nil
	}
	secret, err := givenPassphrase(file)
	if err != nil || secret != "" {
		return secret, err
	}
	sealed, err := store.IsSealed(dir, store.Options{})
	if err != nil || !sealed {
		return "", err
	}
	return askPassphrase(s, "Passphrase of the identity: ")
}
