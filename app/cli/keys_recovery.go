// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kith/store"
)

const (
	recoveryHelp = `The secret of the recovery key is shown this once and stored nowhere. Print it or write it down and keep it apart from the
server: with it and a backup everything can be restored, and whoever has both reads everything. On a terminal the last
four characters are asked for; elsewhere say --yes, and --print to have the secret on standard output.`
	//nolint:gosec // a help text
	passphraseHelp = `With a passphrase kith starts sealed: it takes nothing in and shows nothing until somebody opens it, on its page, with
kith unseal, or by --passphrase-file. A stolen disk or backup of the machine is then worth nothing. A server that runs
is not disturbed; the next start asks.

--generate makes a passphrase and prints it, once. --remove goes back to a file without one.`
)

func setKeysRecovery(f *flags) func(context.Context, streams) error {
	data := f.data()
	label := f.set.String("label", "recovery key", "`L` says where the secret is kept")
	show := f.set.Bool("print", false, "print the secret although standard output is no terminal")
	yes := f.set.Bool("yes", false, "do not ask whether the secret was written down")
	replace := f.set.Bool("replace", false, "put the new key in the place of the present one")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		if !isTerminal(s.out) && !*show {
			return usage("the secret is shown on a terminal only; say --print to have it on standard output")
		}
		now, err := perform[keysView](ctx, *data, opKeysList, struct{}{})
		if err != nil {
			return err
		}
		if now.Recovery && !*replace {
			return usage("there is a recovery key already; --replace puts a new one in its place")
		}
		secret, key, err := store.NewRecoveryKey()
		if err != nil {
			return err
		}
		showSecret(s, secret)
		if !*yes {
			if err := confirmSecret(s, secret); err != nil {
				return err
			}
		}
		p := recipientParams{Key: key, Kind: store.RecipientRecovery, Label: *label, Replace: *replace}
		if _, err := perform[struct{}](ctx, *data, opKeysAdd, p); err != nil {
			return fmt.Errorf("the key shown above opens nothing, throw it away: %w", err)
		}
		fmt.Fprintln(s.err, "The recovery key opens the store from now on.")
		return nil
	}
}

// showSecret prints the secret; the words around it are for people only.
func showSecret(s streams, secret string) {
	if isTerminal(s.out) {
		fmt.Fprint(s.err, "\nThis is the recovery key. It is shown once and kept nowhere. Print it or write it down, and keep it\napart from this server.\n\n")
	}
	fmt.Fprintln(s.out, secret)
	if isTerminal(s.out) {
		fmt.Fprintln(s.err)
	}
}

// tries is how often somebody may mistype.
const tries = 3

func confirmSecret(s streams, secret string) error {
	end := secret[len(secret)-4:]
	for range tries {
		fmt.Fprint(s.err, "Type its last four characters: ")
		line, err := readLine(s.in)
		if err != nil {
			return err
		}
		if strings.EqualFold(strings.TrimSpace(line), end) {
			return nil
		}
		if line == "" {
			break
		}
	}
	return errors.New("these are not its last four characters; nothing was changed, and the key shown above opens nothing")
}

func setKeysPassphrase(f *flags) func(context.Context, streams) error {
	data, file := f.data(), f.passphrase()
	next := f.set.String("new-passphrase-file", "", "`F` holds the new passphrase")
	generate := f.set.Bool("generate", false, "make a passphrase and print it on standard output")
	remove := f.set.Bool("remove", false, "keep the identity without a passphrase")
	return func(_ context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		if given := count(*next != "", *generate, *remove); given > 1 {
			return usage("--new-passphrase-file, --generate and --remove exclude each other")
		}
		o, err := presentPassphrase(*data, *file, s)
		if err != nil {
			return err
		}
		words, err := chooseNext(s, *next, *generate, *remove)
		if err != nil {
			return err
		}
		if err := store.ChangePassphrase(*data, o, words); err != nil {
			return err
		}
		if words == "" {
			fmt.Fprintln(s.err, "The identity has no passphrase; kith starts by itself.")
			return nil
		}
		fmt.Fprintln(s.err, "From the next start on kith is sealed until it is given this passphrase. Nobody can tell you what it is.")
		return nil
	}
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// presentPassphrase finds the passphrase in force, if there is one.
func presentPassphrase(dir, file string, s streams) (store.Options, error) {
	var o store.Options
	sealed, err := store.IsSealed(dir, o)
	if err != nil || !sealed {
		return o, err
	}
	if o.Passphrase, err = givenPassphrase(file); err == nil && o.Passphrase == "" {
		o.Passphrase, err = askPassphrase(s, "Present passphrase: ")
	}
	return o, err
}

// chooseNext returns the new passphrase, "" for none.
func chooseNext(s streams, file string, generate, remove bool) (string, error) {
	switch {
	case remove:
		return "", nil
	case file != "":
		return secretFile("new-passphrase-file", file)
	case generate:
		words := newPassphrase()
		fmt.Fprintln(s.out, words)
		return words, nil
	case !isTerminal(s.in):
		return "", usage("say --generate, --remove or --new-passphrase-file F")
	}
	words, err := askPassphrase(s, "New passphrase, or nothing to have one made: ")
	if err != nil {
		return "", err
	}
	if words == "" {
		words = newPassphrase()
		fmt.Fprintf(s.err, "\n    %s\n\nWrite it down now.\n", words)
	}
	again, err := askPassphrase(s, "Type it once more: ")
	if err != nil {
		return "", err
	}
	if again != words {
		return "", errors.New("these are two different passphrases; nothing was changed")
	}
	return words, nil
}
