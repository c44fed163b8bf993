// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"
)

// backupFormat is the newest layout of a backup that this program knows.
//
// A backup is one age file around a tar archive, so that age and tar are all it
// takes to look into it:
//
//	kith-backup.json         what it is of: the Manifest
//	data.db                  as of one transaction
//	blobs/ab/<32 hex>        the attachments that data.db refers to
//	certificates/<name>      proofs of what was destroyed
//	SHA256SUMS               of all of these, as sha256sum -c reads it
//	kith-end.json            the checksum of all records, and a seal over
//	                         SHA256SUMS under a key of the keyring
//
// The values inside stay sealed, each under its own key. The keyring is never in
// it: what is destroyed later must be gone from this file, too.
const backupFormat = 1

// Names inside a backup.
const (
	manifestName = "kith-backup.json"
	sumsName     = "SHA256SUMS"
	endName      = "kith-end.json"
)

// Manifest says what a backup is of.
type Manifest struct {
	Format      int       `json:"format"`
	Data        uint32    `json:"data"`     // the format of data.db
	Instance    string    `json:"instance"` // of which installation
	Taken       time.Time `json:"taken"`
	Seq         uint64    `json:"seq"`        // the last number that was given out
	Generation  uint64    `json:"generation"` // of the keyring
	Size        int64     `json:"size"`       // of data.db, in bytes
	Attachments int       `json:"attachments"`
	Contents    Contents  `json:"contents,omitzero"` // known at the end
}

// Contents are what a backup was found to hold when it was complete.
type Contents struct {
	Records     uint64 `json:"records"`
	RecordBytes uint64 `json:"record_bytes"`
	Sum         string `json:"sum"` // the Checksum of all records, in hex
	// Gone are attachments that were deleted while the backup was written;
	// Missing are those whose file was not there although it should have been.
	Gone    []string `json:"gone,omitempty"`
	Missing []string `json:"missing,omitempty"`
	Seal    string   `json:"seal,omitempty"`
}

// BackupOptions say for whom a backup is made.
type BackupOptions struct {
	// Recipients are age recipients who open the backup instead of the machine and
	// the recovery key. All are of one kind, X25519 or post-quantum.
	Recipients []string
	// Witness asks for a key, kept in RAM only, that opens this one backup, to
	// check what was written with.
	Witness bool
	// Progress hears how many bytes of how many are written.
	Progress func(done, total int64)
}

// Witness opens one backup, for as long as the process remembers it.
type Witness struct{ id age.Identity }

// Backup writes everything the store holds, as of one moment, to w, beside
// writers. What comes with an error is no backup.
func (db *DB) Backup(ctx context.Context, w io.Writer, o BackupOptions) (Manifest, *Witness, error) {
	to, witness, err := db.backupRecipients(&o)
	if err != nil {
		return Manifest{}, nil, err
	}
	key, err := db.backupKey()
	if err != nil {
		return Manifest{}, nil, err
	}
	// The generation is read before the data: no key that the data needs is younger.
	m := Manifest{Format: backupFormat, Data: formatVersion, Instance: db.Instance(), Generation: db.currentRing().Gen}
	s, err := db.snapshot()
	if err != nil {
		return m, nil, err
	}
	defer s.end()
	out := bufio.NewWriterSize(w, 1<<20)
	sealed, err := age.Encrypt(out, to...)
	if err != nil {
		return m, nil, fmt.Errorf("encrypting the backup: %w", err)
	}
	a := newArchiveWriter(sealed, key, o.Progress)
	if err := db.writeBackup(ctx, a, s, &m); err != nil {
		return m, nil, err
	}
	if err := errors.Join(sealed.Close(), out.Flush()); err != nil {
		return m, nil, fmt.Errorf("writing the backup: %w", err)
	}
	return m, witness, nil
}

// backupKey is what a backup is sealed with. It lives as long as the instance:
// the key of what is about nobody and for ever.
func (db *DB) backupKey() ([32]byte, error) { return backupKeyOf(db.keys) }

func backupKeyOf(ks keySource) ([32]byte, error) {
	key, err := ks.record(Nobody, DayKey{})
	if err != nil {
		return key, fmt.Errorf("%w: the keyring lacks its first key; restore the store from a backup", ErrDamaged)
	}
	return mac(key[:], []byte("backup/v1")), nil
}

// snapshot is data.db as of one commit, seen twice: a view belongs to one
// goroutine, and one writes the pages while another sums up the records.
type snapshot struct {
	pages, records *bolt.Tx
	ended          []func()
}

func (db *DB) snapshot() (*snapshot, error) {
	for {
		s := new(snapshot)
		for _, tx := range []**bolt.Tx{&s.pages, &s.records} {
			b, of, err := db.bolt.begin()
			if err != nil {
				s.end()
				return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			*tx = b
			s.ended = append(s.ended, func() { _ = b.Rollback(); of.views.Done() })
		}
		if s.pages.ID() == s.records.ID() && s.pages.DB() == s.records.DB() {
			return s, nil
		}
		s.end() // a commit came in between
	}
}

// end lets the space of what changed meanwhile be used again. It may be called
// twice.
func (s *snapshot) end() {
	for _, end := range s.ended {
		end()
	}
	s.ended = nil
}

// writeBackup writes all entries. The snapshot is given back as soon as data.db
// is written: attachments never change.
func (db *DB) writeBackup(ctx context.Context, a *archiveWriter, s *snapshot, m *Manifest) error {
	refs, err := db.describe(s, m)
	if err != nil {
		return err
	}
	a.total = m.Size
	if err := a.json(manifestName, m, m.Taken); err != nil {
		return err
	}
	if err := db.writeRecords(ctx, a, s, m); err != nil {
		return err
	}
	s.end()
	for _, ref := range refs {
		if err := errors.Join(ctx.Err(), db.writeAttachment(ctx, a, ref, m)); err != nil {
			return err
		}
	}
	if err := db.writeCertificates(a); err != nil {
		return err
	}
	return a.finish(m)
}

// describe fills the manifest and lists the attachments.
func (db *DB) describe(s *snapshot, m *Manifest) (refs []BlobRef, err error) {
	defer recovered(&err)
	c, err := parseCounters(s.pages.Bucket([]byte(metaBucket)).Get([]byte(countersKey)))
	if err != nil {
		return nil, err
	}
	refs = blobRefs(s.pages)
	m.Taken, m.Seq, m.Size, m.Attachments = time.Unix(0, c.Now).UTC(), c.ID, s.pages.Size(), len(refs)
	return refs, nil
}

// recovered turns the panic or the fault of a damaged page into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %s cannot be read to its end; restore it from a backup", ErrDamaged, dataFile)
	}
}

// blobRefs lists what a transaction refers to.
func blobRefs(tx *bolt.Tx) (refs []BlobRef) {
	b := tx.Bucket(blobs.name)
	if b == nil {
		return nil
	}
	days := b.Cursor()
	for name, _ := days.First(); name != nil; name, _ = days.Next() {
		day, ok := parseDayKey(name)
		part := b.Bucket(name)
		if !ok || part == nil {
			continue
		}
		c := part.Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if ref, ok := parseBlobKey(k, day); ok {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// writeRecords writes data.db and sums up its records on the side.
func (db *DB) writeRecords(ctx context.Context, a *archiveWriter, s *snapshot, m *Manifest) error {
	type result struct {
		sum Checksum
		err error
	}
	summed := make(chan result, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		sum, err := checksumOf(ctx, s.records)
		summed <- result{sum, err}
	}()
	err := a.entry(dataFile, m.Size, m.Taken, func(w io.Writer) error { return writePages(ctx, s.pages, w) })
	if err != nil {
		cancel() // nobody needs the sum any more
	}
	r := <-summed
	cancel()
	if err == nil {
		err = r.err
	}
	m.Contents.Records, m.Contents.RecordBytes, m.Contents.Sum = r.sum.Records, r.sum.Bytes, r.sum.String()
	return err
}

// writePages writes the file as the transaction sees it.
func writePages(ctx context.Context, tx *bolt.Tx, w io.Writer) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recovered(&err)
	_, err = tx.WriteTo(&interrupted{ctx, w})
	return err
}

// interrupted is a writer that ends with its context.
type interrupted struct {
	ctx context.Context //nolint:containedctx // lives as long as one call of writePages
	w   io.Writer
}

// Write implements io.Writer.
func (i *interrupted) Write(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.w.Write(p)
}

// writeAttachment copies the file of an attachment as it is. One that was deleted
// since the snapshot is noted as gone, one that was lost before as missing.
func (db *DB) writeAttachment(ctx context.Context, a *archiveWriter, ref BlobRef, m *Manifest) error {
	f, err := os.Open(db.blobPath(ref.ID))
	if errors.Is(err, os.ErrNotExist) {
		return db.noteAbsent(ctx, ref, m)
	}
	if err != nil {
		return filing("opening", db.blobPath(ref.ID), err)
	}
	defer func() { _ = f.Close() }() // it was only read
	return a.file(blobName(ref.ID), f, m.Taken)
}

func blobName(id [16]byte) string {
	name := BlobRef{ID: id}.String()
	return blobDir + "/" + name[:2] + "/" + name
}

func (db *DB) noteAbsent(ctx context.Context, ref BlobRef, m *Manifest) error {
	return db.View(ctx, func(tx *Tx) error {
		day := ref.bytes()
		b, err := tx.sub(&blobs, day[:], false)
		if err != nil {
			return err
		}
		if b != nil && b.Get(ref.key(tx)) != nil {
			m.Contents.Missing = append(m.Contents.Missing, ref.String())
			return nil
		}
		m.Contents.Gone = append(m.Contents.Gone, ref.String())
		return nil
	})
}

// writeCertificates copies the proofs of what was destroyed.
func (db *DB) writeCertificates(a *archiveWriter) error {
	entries, err := os.ReadDir(db.path(certificateDir))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		name := certificateDir + "/" + e.Name()
		if !e.Type().IsRegular() || !isBackupName(name) {
			continue
		}
		f, err := os.Open(filepath.Join(db.dir, filepath.FromSlash(name)))
		if err != nil {
			return filing("opening", name, err)
		}
		info, err := f.Stat()
		if err == nil {
			err = a.file(name, f, info.ModTime())
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// isBackupName tells whether an entry may be in a backup, and hence be written by
// a restore.
func isBackupName(name string) bool {
	if name == dataFile {
		return true
	}
	if base, ok := strings.CutPrefix(name, certificateDir+"/"); ok {
		return len(base) > 0 && len(base) <= 100 && base[0] != '.' && strings.Trim(base, nameLetters) == ""
	}
	dir, base, _ := strings.Cut(strings.TrimPrefix(name, blobDir+"/"), "/")
	id, ok := ParseBlobID(base)
	return ok && dir == base[:2] && name == blobName(id)
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// parseBlobKey reads the key of an attachment in its partition.
func parseBlobKey(k []byte, day DayKey) (BlobRef, bool) {
	if len(k) != 4+16 {
		return BlobRef{}, false
	}
	return BlobRef{About: Subject(binary.BigEndian.Uint32(k)), DayKey: day, ID: [16]byte(k[4:])}, true
}
