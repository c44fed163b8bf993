// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kith/app/backup"
	"kith/store"
)

const backupHelp = `The backup is one age file around a tar archive; age -d and tar look into it. It holds everything but the keys. A copy
of these lies beside it (.keys), and the ledger of what was destroyed (.ledger): a restore needs all three, and the
machine's identity or the recovery key. kith overwrites the copy of the keys whenever a key is destroyed, so that who is
erased is gone from every backup, too. Keep no other copy of that file.

It is made while kith runs, and read back and restored as a test. A directory or s3://bucket/prefix keeps several backups;
with --daily the server makes one each day and removes the oldest.

The machine and the recovery key open the backup, with age 1.3 or newer. Older ones open it for --recipient age1...

The access key of an S3 storage is two lines in --s3-credentials-file, its id and its secret; else it comes from
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. The bucket must keep no versions.`

// backupFlags are the flags of kith backup.
type backupFlags struct {
	data, to, command, beside string
	recipients                []string
	daily                     string
	keep, keepDays            int
	verify, asJSON            bool
	s3                        s3Flags
}

func setBackup(f *flags) func(context.Context, streams) error {
	var o backupFlags
	data := f.data()
	f.set.StringVar(&o.to, "to", "", "`WHERE`: a file, a directory, s3://bucket/prefix or - for standard output")
	f.set.StringVar(&o.command, "to-command", "", "`CMD` of the shell takes the backup from its standard input")
	f.set.StringVar(&o.beside, "keys", "", "`PATH`.keys and PATH.ledger go with a backup to - or to a command")
	f.set.Func("recipient", "`age1...` opens the backup instead of the machine; repeatable", func(v string) error {
		o.recipients = append(o.recipients, v)
		return nil
	})
	f.set.StringVar(&o.daily, "daily", "", "`HH:MM` in UTC at which the server makes one each day")
	f.set.IntVar(&o.keep, "keep", backup.DefaultKeep, "`N` newest ones of --daily are kept")
	f.set.IntVar(&o.keepDays, "keep-days", backup.MaxKeepDays, "`N` days is the oldest of them, at most 90")
	f.set.BoolVar(&o.verify, "verify", true, "read it back and restore it as a test")
	f.set.BoolVar(&o.asJSON, "json", false, "print JSON")
	o.s3.declare(f)
	return func(ctx context.Context, s streams) error {
		o.data = *data
		return o.run(ctx, s)
	}
}

func (o *backupFlags) run(ctx context.Context, s streams) error {
	if (o.to == "") == (o.command == "") {
		return usage("say where to with --to or with --to-command. See: kith help backup")
	}
	if err := errors.Join(exists(o.data), store.CheckRecipients(o.recipients)); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if o.to == "-" || o.command != "" {
		if o.daily != "" {
			return usage("--daily needs a directory or s3://bucket/prefix")
		}
		return withOrigin(ctx, o.data, func(from *origin) error { return o.pipe(ctx, from, s) })
	}
	p, err := backup.At(o.to)
	if err != nil {
		return err
	}
	if err := o.s3.complete(&p); err != nil {
		return err
	}
	if data, err := filepath.Abs(o.data); err == nil && strings.HasPrefix(p.Where+"/", data+"/") {
		return usage("--to %s is inside the data directory; a backup belongs on another disk", o.to)
	}
	p.Recipients, p.Daily, p.Keep, p.KeepDays = o.recipients, o.daily, o.keep, o.keepDays
	return withOrigin(ctx, o.data, func(from *origin) error { return o.keepIn(ctx, from, p, s) })
}

// keepIn makes a backup in a place that kith remembers.
func (o *backupFlags) keepIn(ctx context.Context, from *origin, p backup.Place, s streams) error {
	p, err := from.save(ctx, p)
	if err != nil {
		return err
	}
	if p.S3 == nil {
		from.direct = true
	}
	t := p.Target(storageClient)
	began := time.Now()
	r, err := backup.Write(ctx, from, t, p.Names(from.Instance(), began), store.BackupOptions{
		Recipients: p.Recipients, Witness: true, Progress: told(s.err, "backing up"),
	})
	if err != nil {
		return fmt.Errorf("backing up to %s: %w", p.Where, err)
	}
	out := backup.OutcomeOf(&r, began)
	if o.verify {
		if err := verifyBackup(ctx, from, t, &r, &out, s.err); err != nil {
			return fmt.Errorf("restoring the backup as a test: %w", err)
		}
	}
	if err := from.noted(ctx, noteParams{p.ID, out, r.Generation, o.verify}); err != nil {
		return err
	}
	return o.report(s.out, p.Where, &r, &out)
}

// pipe makes a backup that kith does not see again.
func (o *backupFlags) pipe(ctx context.Context, from *origin, s streams) error {
	var m store.Manifest
	write := func(w io.Writer) (err error) {
		m, _, err = from.Backup(ctx, w, store.BackupOptions{Recipients: o.recipients, Progress: told(s.err, "backing up")})
		return err
	}
	var err error
	if o.command != "" {
		err = backup.Command(ctx, o.command, s.err, write)
	} else {
		err = write(s.out)
	}
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if o.beside == "" {
		fmt.Fprintln(s.err, "kith: no copy of the keys went with this backup; restore it with the newest one of another place, or use --keys")
	} else if err := o.putBeside(ctx, from); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "kith: backed up %d records; it was not read back\n", m.Contents.Records)
	return nil
}

// putBeside keeps keys and ledger of a backup that went elsewhere.
func (o *backupFlags) putBeside(ctx context.Context, from *origin) error {
	p, err := backup.At(o.beside)
	if err != nil {
		return err
	}
	if !p.File {
		return usage("--keys is a path such as /mnt/keys/kith, to which .keys and .ledger are added; %s is something else", o.beside)
	}
	if p, err = from.save(ctx, p); err != nil {
		return err
	}
	generation, err := backup.Beside(ctx, from, p.Target(storageClient), p.Names(from.Instance(), time.Now()))
	if err != nil {
		return err
	}
	return from.noted(ctx, noteParams{p.ID, backup.Outcome{}, generation, false})
}

// backupReport is what kith backup --json prints.
type backupReport struct {
	Where    string `json:"where"`
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Records  uint64 `json:"records"`
	Sum      string `json:"sum"`
	Verified bool   `json:"verified"`
	Missing  int    `json:"missing_attachments,omitempty"`
	Damaged  int    `json:"damaged_records,omitempty"`
}

func (o *backupFlags) report(w io.Writer, where string, r *backup.Result, out *backup.Outcome) error {
	if o.asJSON {
		return json.NewEncoder(w).Encode(backupReport{where, out.Name, out.Size, out.Records, out.Sum, o.verify, out.Missing, out.Damaged})
	}
	how := "It was not read back."
	switch {
	case o.verify && out.Streamed:
		how = "It was read back and its sums are right; there was no room to unpack it."
	case o.verify:
		how = "It was restored as a test."
	}
	path := where
	if !strings.HasSuffix(where, r.Names.File) {
		path = strings.TrimRight(where, "/") + "/" + r.Names.File
	}
	fmt.Fprintf(w, "%s\n%d records, %s. %s\n", path, out.Records, sizeText(out.Size), how)
	if out.Damaged > 0 {
		fmt.Fprintf(w, "%d records do not open: they were damaged before. See: kith verify\n", out.Damaged)
	}
	if out.Missing > 0 {
		fmt.Fprintf(w, "%d attachments have no file: they were lost before. See: kith verify\n", out.Missing)
	}
	return nil
}

// verifyBackup restores a backup as a test with what a disaster would leave: the copies of keys and ledger and the
// machine's identity. Where that cannot be read, or there is no room, only the file is checked.
func verifyBackup(ctx context.Context, from *origin, t backup.Target, r *backup.Result, out *backup.Outcome, notes io.Writer) error {
	b, err := backup.Fetch(ctx, t, r.Names.File)
	if err != nil {
		return err
	}
	defer func() { _ = b.File.Close() }() // it was only read
	identity := from.identityText()
	tell := told(notes, "reading it back")
	if out.Streamed = identity == nil || !backup.Room(from.data, r.Size); out.Streamed {
		m, err := store.CheckBackup(ctx, b.File, store.CheckOptions{
			Witness: r.Witness, Progress: func(done int64) { tell(done, r.Size) },
		})
		return errors.Join(err, sameContents(&m, r))
	}
	scratch := filepath.Join(from.data, "trial-"+r.Names.File)
	back, err := store.TrialRestore(ctx, scratch, b.File, store.RestoreOptions{
		Identities: [][]byte{[]byte(r.Witness.Secret()), identity}, Keys: b.Keys, Ledger: b.Ledger, AcceptDamage: true,
		Progress: func(p store.Progress) { tell(p.Done, cmp.Or(p.Total, r.Size)) },
	})
	out.Damaged = back.Damaged
	return errors.Join(err, sameContents(&back.Manifest, r))
}

func sameContents(m *store.Manifest, r *backup.Result) error {
	if m.Contents.Sum != r.Contents.Sum || m.Contents.Records != r.Contents.Records {
		return fmt.Errorf("%w: it does not hold the records that were backed up", store.ErrDamaged)
	}
	return nil
}

// tellEvery is how often progress is told.
const tellEvery = 5 * time.Second

// told returns what tells people now and then how far something has come.
func told(w io.Writer, doing string) func(done, total int64) {
	last := time.Now()
	return func(done, total int64) {
		if time.Since(last) < tellEvery {
			return
		}
		last = time.Now()
		fmt.Fprintf(w, "kith: %s: %s of %s\n", doing, sizeText(done), sizeText(total))
	}
}

func sizeText(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	case n < 10_000_000_000:
		return fmt.Sprintf("%d MB", n/1_000_000)
	}
	return fmt.Sprintf("%d GB", n/1_000_000_000)
}

// s3Flags say how an S3 storage is reached.
type s3Flags struct{ endpoint, region, credentials string }

func (o *s3Flags) declare(f *flags) {
	f.set.StringVar(&o.endpoint, "s3-endpoint", "", "`URL` of an S3-compatible storage (default Amazon's)")
	f.set.StringVar(&o.region, "s3-region", "", "`R` is its region (default us-east-1)")
	f.set.StringVar(&o.credentials, "s3-credentials-file", "", "`F` holds the access key's id and secret, a line each")
}

// complete puts the flags into a place in S3 storage.
func (o *s3Flags) complete(p *backup.Place) error {
	if p.S3 == nil {
		return nil
	}
	if o.endpoint != "" && !strings.HasPrefix(o.endpoint, "https://") && !strings.HasPrefix(o.endpoint, "http://") {
		return usage("--s3-endpoint is an address such as https://storage.example.net, not %q", o.endpoint)
	}
	p.S3.Endpoint, p.S3.Region = o.endpoint, o.region
	p.S3.Access, p.S3.Secret = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if o.credentials != "" {
		text, err := os.ReadFile(filepath.Clean(o.credentials))
		if err != nil {
			return fmt.Errorf("reading --s3-credentials-file: %w", err)
		}
		lines := strings.Fields(string(text))
		if len(lines) != 2 {
			return usage("--s3-credentials-file %s holds two lines, the id of the access key and its secret", o.credentials)
		}
		p.S3.Access, p.S3.Secret = lines[0], lines[1]
	}
	if p.S3.Access == "" || p.S3.Secret == "" {
		return usage("the access key of the storage is missing; write its id and secret into a file and name it with --s3-credentials-file")
	}
	return nil
}
