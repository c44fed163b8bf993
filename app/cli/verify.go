// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kith/app"
	"kith/store"
)

const verifyHelp = `Without FILE it reads everything that kith holds: the pages of data.db, the seal of every record, the indexes against the
tables, the attachments against the records that refer to them. It works while the server runs. What is damaged is listed,
the rest stays usable; the exit code is then 5.

--at-rest also proves that nothing readable lies in the data directory: every value of data.db and every file is an age
file, or holds plain numbers only. Run it while kith is stopped to check the pages of a large data.db, too.

FILE is a certificate of an erasure: whether it is genuine and shows what it says is checked with nothing but the file. Or
it is a backup: every sum in it is checked with an identity that opens it. Or it is an audit trail of kith audit export:
whether anything in it was changed, left out or cut off, and, with --checkpoint, rolled back.`

func setVerify(f *flags) func(context.Context, streams) error {
	data := f.data()
	path := f.maybeWord("FILE")
	var identities [][]byte
	f.set.Func("identity", "`F` holds an identity that opens the backup FILE; repeatable", func(name string) error {
		text, err := os.ReadFile(filepath.Clean(name))
		identities = append(identities, text)
		return err
	})
	key := f.set.String("key", "", "`KEY` that the audit trail has to be signed with: kith audit key")
	checkpoint := f.set.String("checkpoint", "", "`F` is an earlier checkpoint that the audit trail must still agree with")
	atRest := f.set.Bool("at-rest", false, "also prove that nothing readable lies on the disk")
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if *path != "" {
			return verifyFile(ctx, *path, proofs{identities, *key, *checkpoint}, *asJSON, s)
		}
		if err := exists(*data); err != nil {
			return err
		}
		out, err := perform[store.Verified](ctx, *data, opVerify, verifyParams{*atRest})
		if err != nil {
			return err
		}
		if *asJSON {
			err = json.NewEncoder(s.out).Encode(out)
		} else {
			printVerified(s.out, &out)
		}
		if err == nil && !out.Fine() {
			return &exitError{exitDamaged}
		}
		return err
	}
}

type verifyParams struct {
	AtRest bool `json:"at_rest,omitempty"`
}

func (h *house) verify(ctx context.Context, p verifyParams) (*store.Verified, error) {
	return h.db.Verify(ctx, store.VerifyOptions{AtRest: p.AtRest})
}

func printVerified(w io.Writer, v *store.Verified) {
	fmt.Fprintf(w, "%d records open, %d entries of indexes and logs, %d attachments.\n", v.Records, v.Numbers, v.Blobs)
	if v.Erased > 0 {
		fmt.Fprintf(w, "%d records have no key any more and are about to be removed.\n", v.Erased)
	}
	if v.Orphans > 0 {
		fmt.Fprintf(w, "%d files belong to no record; a later start removes them.\n", v.Orphans)
	}
	if !v.Pages {
		fmt.Fprintln(w, "How the pages hang together was left out: data.db is large and in use.")
	}
	for _, d := range v.Damaged {
		fmt.Fprintf(w, "damaged: %s %s: %s\n", d.Table, d.Key, d.Reason)
	}
	for _, text := range v.Problems {
		fmt.Fprintf(w, "wrong: %s\n", text)
	}
	switch {
	case !v.Fine():
		fmt.Fprintln(w, "Restore from a backup what is damaged; kith goes on with the rest.")
	case v.AtRest:
		fmt.Fprintf(w, "All of it is sound, and nothing readable lies in %d files.\n", v.Files)
	default:
		fmt.Fprintln(w, "All of it is sound.")
	}
}

// proofs are what whoever checks a file brings along.
type proofs struct {
	identities      [][]byte // that open a backup
	key, checkpoint string   // of an audit trail; the checkpoint is a file
}

// verifyFile checks what a file says of itself; its first bytes tell what it is.
func verifyFile(ctx context.Context, path string, with proofs, asJSON bool, s streams) error {
	f, err := os.Open(filepath.Clean(path))
	if errors.Is(err, os.ErrNotExist) {
		return usage("there is no file %s; name a certificate or a backup", path)
	}
	if err != nil {
		return fmt.Errorf("%w: reading %s: %w", store.ErrPermission, path, err)
	}
	defer f.Close() //nolint:errcheck // only read
	in := bufio.NewReader(f)
	head, _ := in.Peek(len(ageHead)) // a shorter file is neither
	var out any
	var said string
	switch {
	case string(head) == ageHead:
		if len(with.identities) == 0 {
			return usage("%s is encrypted; name what opens it with --identity FILE", path)
		}
		m, err := store.CheckBackup(ctx, in, store.CheckOptions{Identities: with.identities})
		if err != nil {
			return fmt.Errorf("checking %s: %w", path, err)
		}
		out, said = m, fmt.Sprintf("%s is whole: %d records and %d attachments of %s.", path, m.Contents.Records, m.Attachments, m.Taken.Format(time.RFC3339))
	case app.IsAuditExport(head):
		return verifyAudit(in, path, with.key, with.checkpoint, asJSON, s)
	case bytes.HasPrefix(head, []byte("{")):
		c, err := certificate(in)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", store.ErrDamaged, path, err)
		}
		out, said = c, fmt.Sprintf("%s is genuine: what it says was destroyed on %s has no key any more.\nIt was signed with %s; compare that with what the instance shows.",
			path, c.DestroyedAt.Format(time.DateOnly), c.Key)
	default:
		return fmt.Errorf("%w: %s is no certificate and no backup of kith", store.ErrDamaged, path)
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(out)
	}
	fmt.Fprintln(s.out, said)
	return nil
}

const (
	ageHead        = "age-encryption.org/v1\n"
	maxCertificate = 64 << 20
)

func certificate(in io.Reader) (store.Certificate, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxCertificate))
	if err != nil {
		return store.Certificate{}, err
	}
	return store.VerifyCertificate(text)
}
