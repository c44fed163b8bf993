// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"kith/app"
	"kith/app/backup"
	"kith/store"
)

const restoreHelp = `The data directory must be empty or not there. What fails a check is refused, and then nothing is left behind.
Needed are the backup, the copy of the keys and the ledger beside it (found there unless named), and an identity: that
of the machine, or the recovery key in a file. With the recovery key a new machine identity is made beside the data
directory. What was erased since the backup, as the ledger lists it, is erased again before kith can be started.

Use the newest copies of keys and ledger there are, from whatever place; they fit backups of any age.

When the backup was made for --recipient, name that identity as well as the machine's.`

// restoreFlags are the flags of kith restore.
type restoreFlags struct {
	data, from, keys, ledger, passphrase string
	identities                           []string
	accept, asJSON                       bool
	s3                                   s3Flags
}

func setRestore(f *flags) func(context.Context, streams) error {
	var o restoreFlags
	data := f.data()
	from := f.must("from", "`WHERE`: a file, a directory (its newest backup), s3://bucket/prefix[/name] or - for standard input")
	f.set.Func("identity", "`FILE` holds the machine's identity or the recovery key; repeatable", func(v string) error {
		o.identities = append(o.identities, v)
		return nil
	})
	f.set.StringVar(&o.keys, "keys", "", "`FILE` is the copy of the keys (default beside the backup)")
	f.set.StringVar(&o.ledger, "ledger", "", "`FILE` is the ledger (default beside the backup)")
	f.set.StringVar(&o.passphrase, "passphrase-file", "", "`F` holds the passphrase of the identity")
	f.set.BoolVar(&o.accept, "accept-damage", false, "restore although some records were damaged before the backup")
	f.set.BoolVar(&o.asJSON, "json", false, "print JSON")
	o.s3.declare(f)
	return func(ctx context.Context, s streams) error {
		o.data, o.from = *data, *from
		ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
		defer cancel()
		return o.run(ctx, s)
	}
}

func (o *restoreFlags) run(ctx context.Context, s streams) error {
	if len(o.identities) == 0 {
		return usage("--identity is missing. See: kith help restore")
	}
	b, err := o.fetch(ctx, s.in)
	if err != nil {
		return err
	}
	defer func() { _ = b.File.Close() }() // it was only read
	tell := told(s.err, "restoring")
	step := ""
	opt := store.RestoreOptions{
		Keys: b.Keys, Ledger: b.Ledger, AcceptDamage: o.accept, Log: slog.New(slog.DiscardHandler),
		Progress: func(p store.Progress) {
			if p.Step != step {
				step = p.Step
				fmt.Fprintf(s.err, "kith: %s\n", step)
			}
			if p.Total == 0 {
				tell(p.Done, p.Done)
			}
		},
	}
	if opt.Identities, err = readFiles("identity", o.identities); err != nil {
		return err
	}
	if o.passphrase != "" {
		if opt.Passphrase, err = secretFile("passphrase-file", o.passphrase); err != nil {
			return err
		}
	}
	rep := restoreReport{Data: o.data}
	opt.Finish = rep.finish
	r, err := store.Restore(ctx, o.data, b.File, opt)
	if err != nil {
		return fmt.Errorf("restoring %s: %w", b.Name, err)
	}
	return o.report(s.out, &rep, &r)
}

// finish makes the restored installation harmless: the messages that waited to be sent may have been sent since, and
// the places of backups and the standbys may be in use by the installation that made this one.
func (r *restoreReport) finish(ctx context.Context, db *store.DB) (err error) {
	if r.Doubted, err = app.NewDesk(db, app.Options{}).DoubtOutbox(ctx); err != nil {
		return fmt.Errorf("looking at what waits to be sent: %w", err)
	}
	if r.Places, err = backup.ForgetAll(ctx, db); err != nil {
		return err
	}
	for _, one := range db.Replicas() {
		if err := db.RemoveReplica(ctx, one.Name); err != nil {
			return err
		}
		r.Standbys++
	}
	return nil
}

// fetch opens the backup and what lies beside it, or what the flags name instead.
func (o *restoreFlags) fetch(ctx context.Context, stdin io.Reader) (b *backup.Fetched, err error) {
	if o.from == "-" {
		b = &backup.Fetched{Name: "standard input", File: io.NopCloser(stdin)}
	} else if b, err = o.fetchFrom(ctx); err != nil {
		return nil, err
	}
	for _, one := range []struct {
		flag, path string
		into       *[]byte
	}{{"keys", o.keys, &b.Keys}, {"ledger", o.ledger, &b.Ledger}} {
		if one.path != "" {
			text, err := readFiles(one.flag, []string{one.path})
			if err != nil {
				return nil, err
			}
			*one.into = text[0]
		}
		if *one.into == nil {
			return nil, usage("there is no .%s file beside the backup; name it with --%s", one.flag, one.flag)
		}
	}
	return b, nil
}

func (o *restoreFlags) fetchFrom(ctx context.Context) (*backup.Fetched, error) {
	p, err := backup.At(o.from)
	if err != nil {
		return nil, err
	}
	if err := o.s3.complete(&p); err != nil {
		return nil, err
	}
	name := ""
	switch {
	case p.File:
		name = filepath.Base(p.Where)
	case p.S3 != nil && strings.HasSuffix(p.S3.Prefix, ".age"):
		dir, base := "", p.S3.Prefix
		if at := strings.LastIndexByte(base, '/'); at >= 0 {
			dir, base = base[:at], base[at+1:]
		}
		p.S3.Prefix, name = dir, base
	}
	return backup.Fetch(ctx, p.Target(storageClient), name)
}

func readFiles(flag string, paths []string) (texts [][]byte, err error) {
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, fmt.Errorf("reading --%s: %w", flag, err)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// restoreReport is what kith restore --json prints.
type restoreReport struct {
	Data        string `json:"data"`
	Taken       string `json:"taken"`
	Records     uint64 `json:"records"`
	Attachments int    `json:"attachments"`
	Sum         string `json:"sum"`
	Again       int    `json:"destroyed_again"`
	Damaged     int    `json:"damaged_records"`
	Missing     int    `json:"missing_attachments"`
	Identity    string `json:"identity"`
	NewIdentity bool   `json:"new_identity"`
	Doubted     int    `json:"doubted_messages"`
	Places      int    `json:"forgotten_places"`
	Standbys    int    `json:"forgotten_standbys"`
}

func (o *restoreFlags) report(w io.Writer, rep *restoreReport, r *store.Restored) error {
	rep.Taken, rep.Records, rep.Attachments = r.Taken.Format("2006-01-02T15:04:05Z"), r.Contents.Records, r.Attachments
	rep.Sum, rep.Again, rep.Damaged, rep.Missing = r.Contents.Sum, r.Again, r.Damaged, len(r.Contents.Missing)
	rep.Identity, rep.NewIdentity = r.Identity, r.NewIdentity
	if o.asJSON {
		return json.NewEncoder(w).Encode(rep)
	}
	fmt.Fprintf(w, "Restored %d records and %d attachments of %s into %s.\n", rep.Records, rep.Attachments, rep.Taken, rep.Data)
	if rep.Again > 0 {
		fmt.Fprintf(w, "%d destructions since then were done again.\n", rep.Again)
	}
	if rep.Damaged > 0 {
		fmt.Fprintf(w, "%d records do not open: they were damaged before the backup.\n", rep.Damaged)
	}
	if rep.Missing > 0 {
		fmt.Fprintf(w, "%d attachments have no file: they were lost before the backup.\n", rep.Missing)
	}
	if rep.Doubted > 0 {
		fmt.Fprintf(w, "Messages that waited to be sent are marked as unknown and do not go out by themselves: %d.\n", rep.Doubted)
	}
	if rep.Places > 0 {
		fmt.Fprintf(w, "Places of backups taken off the list: %d. Once this kith takes over, set them up again: kith backup --to ...\n", rep.Places)
	}
	if rep.Standbys > 0 {
		fmt.Fprintf(w, "Standbys taken off the list: %d. They hold a copy each and do not follow this kith: kith standby add\n", rep.Standbys)
	}
	if rep.NewIdentity {
		fmt.Fprintf(w, "A new machine identity was made: %s. Keep a copy of it, apart from the data.\n", rep.Identity)
	}
	return nil
}
