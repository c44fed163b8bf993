// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kith/store"
)

// passphraseCredential is the name under which systemd hands over the passphrase.
const passphraseCredential = "kith-passphrase"

// passphraseFlag is declared by commands that take the passphrase from a file. The others read its variable.
const passphraseFlag = "passphrase-file"

func (f *flags) passphrase() *string {
	return f.set.String(passphraseFlag, "", "`F` holds the passphrase of the identity")
}

// givenPassphrase returns the passphrase that was handed over without asking: the file, else KITH_PASSPHRASE_FILE, else
// the credential kith-passphrase; "" when there is none.
func givenPassphrase(file string) (string, error) {
	if file == "" {
		file = os.Getenv("KITH_PASSPHRASE_FILE")
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); file == "" && dir != "" {
		path := filepath.Join(dir, passphraseCredential)
		if _, err := os.Stat(path); err == nil { //nolint:gosec // systemd sets the variable
			file = path
		}
	}
	if file == "" {
		return "", nil
	}
	return secretFile(passphraseFlag, file)
}

// askPassphrase asks on a terminal; without one the passphrase is missing.
func askPassphrase(s streams, question string) (string, error) {
	in, ok := s.in.(*os.File)
	if !ok || !isTerminal(in) {
		return "", fmt.Errorf("%w: give its passphrase with --%s or KITH_PASSPHRASE_FILE", store.ErrSealed, passphraseFlag)
	}
	fmt.Fprint(s.err, question)
	var line string
	err := withoutEcho(in, func() (err error) {
		line, err = readLine(in)
		return err
	})
	fmt.Fprintln(s.err)
	return strings.TrimSpace(line), err
}

// readLine reads up to the end of a line and not a byte more: what follows belongs to the next question.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < maxSecret; {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			break
		}
		line = append(line, one[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("reading the answer: %w", err)
		}
	}
	return strings.TrimSuffix(string(line), "\r"), nil
}

// letters are those of generated passphrases, those of base32: no digit among them looks like a letter.
const letters = "abcdefghijklmnopqrstuvwxyz234567"

// newPassphrase makes a passphrase of 160 random bits in eight groups of four letters.
func newPassphrase() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(letters[r&31])
	}
	return b.String()
}
