// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// attachments reads every file that a record refers to, and looks for files that
// nothing refers to.
func (v *verification) attachments(ctx context.Context) error {
	var refs []BlobRef
	if err := v.view(func(tx *bolt.Tx) error {
		refs = blobRefs(tx)
		return nil
	}); err != nil {
		return err
	}
	known := make(map[[16]byte]bool, len(refs))
	for i, ref := range refs {
		known[ref.ID] = true
		if err := v.attachment(ctx, ref); err != nil {
			return err
		}
		v.o.Progress(Progress{"reading the attachments", int64(i + 1), int64(len(refs))})
	}
	return ignoreMissing(filepath.WalkDir(v.db.path(blobDir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(ignoreMissing(err), ctx.Err())
		}
		if id, ok := ParseBlobID(d.Name()); !ok || !known[id] {
			v.out.Orphans++
		}
		return nil
	}))
}

// attachment holds a file against what the record says of it.
func (v *verification) attachment(ctx context.Context, ref BlobRef) error {
	var m BlobMeta
	err := v.db.View(ctx, func(tx *Tx) (err error) {
		m, err = BlobInfo(tx, ref)
		return err
	})
	if passedOver(err) || errors.Is(err, ErrNotFound) {
		return nil // erased, noted as a damaged record, or unlinked meanwhile
	}
	if err != nil {
		return err
	}
	where := append([]byte(blobDir+"\x00"), ref.ID[:]...)
	v.out.Blobs++
	b, err := v.db.OpenBlob(ref)
	switch {
	case errors.Is(err, ErrNotFound):
		if v.db.linked(ctx, ref) {
			v.damaged(where, "its file is missing")
		}
		return nil
	case isErased(err):
		return nil
	case err != nil:
		v.damaged(where, "its file does not open")
		return nil
	}
	defer b.Close() //nolint:errcheck // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(b, 0, b.Size())); err != nil {
		v.damaged(where, "its file cannot be read to the end")
	} else if b.Size() != m.Size || [32]byte(sum.Sum(nil)) != m.SHA256 {
		v.damaged(where, "its file is not the one that was stored")
	}
	return nil
}

// linked tells whether the store still refers to an attachment.
func (db *DB) linked(ctx context.Context, ref BlobRef) bool {
	return db.View(ctx, func(tx *Tx) error {
		_, err := BlobInfo(tx, ref)
		return err
	}) == nil
}

// What lies in a data directory beside age files, and is meant to: marks, public
// keys, sockets, the space that is kept free, and data.db, whose values were
// looked at one by one.
var plainFiles = map[string]bool{
	dataFile: true, cleanFile: true, creatingFile: true, recipientFile: true, anchorFile: true, "LOCK": true,
}

// files proves that every file is an age file or one of those that hold nothing
// of a customer.
func (v *verification) files(ctx context.Context) error {
	err := filepath.WalkDir(v.db.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return errors.Join(ignoreMissing(err), ctx.Err())
		}
		if !d.Type().IsRegular() {
			return nil
		}
		v.out.Files++
		name, err := filepath.Rel(v.db.dir, path)
		if err != nil || plainFiles[name] || strings.HasPrefix(name, dataFile+beforeSuffix) {
			return err
		}
		if filepath.Dir(name) == certificateDir {
			return v.certificate(name, path)
		}
		text, err := readableFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return filing("reading", path, err)
		}
		if text {
			v.problem("%s is no age file and holds something readable", name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking at the files: %w", err)
	}
	return v.anchorSlots()
}

// certificate holds a certificate against itself: it names numbers only and is
// meant to be read.
func (v *verification) certificate(name, path string) error {
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return ignoreMissing(err)
	}
	if _, err := VerifyCertificate(b); err != nil {
		v.problem("%s: %v", name, err)
	}
	return nil
}

// readableFile tells whether a file is anything but an age file or numbers.
func readableFile(path string) (bool, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only read
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	head = head[:n]
	if looksSealed(head) || strings.HasPrefix(string(head), "-----BEGIN AGE ENCRYPTED FILE-----\n") {
		return false, nil
	}
	return readable(head), nil
}

// anchorSlots holds the anchor against its form: a slot is sealed or scrubbed.
func (v *verification) anchorSlots() error {
	b, err := os.ReadFile(v.db.path(anchorFile))
	if err != nil {
		return filing("reading", v.db.path(anchorFile), err)
	}
	if len(b) != 2*slotSize {
		v.problem("%s has %d bytes instead of %d", anchorFile, len(b), 2*slotSize)
		return nil
	}
	for slot := range 2 {
		part := b[slot*slotSize:][:slotSize]
		if bytes.HasPrefix(part, []byte(slotMagic)) && !looksSealed(part[slotHead:]) {
			v.problem("slot %d of the %s holds no age file", slot, anchorFile)
		}
	}
	return nil
}
