// SPDX-License-Identifier: Apache-2.0

package store

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// CheckOptions say what opens a backup that is to be checked.
type CheckOptions struct {
	// Identities are the contents of identity files; Passphrase opens those that
	// are protected. A Witness does instead.
	Identities [][]byte
	Passphrase string
	Witness    *Witness
	// Keys is the escrow file of the backup, to check the seal with. Without it
	// only what the backup says of itself is checked.
	Keys []byte
	// Progress hears how many bytes of the backup were read.
	Progress func(done int64)
}

// CheckBackup reads a backup to its end and holds everything in it against its
// sums, without writing anything. Its errors wrap ErrDamaged, ErrWrongKey or
// ErrNewer.
func CheckBackup(ctx context.Context, from io.Reader, o CheckOptions) (Manifest, error) {
	ids, err := o.identities()
	if err != nil {
		return Manifest{}, err
	}
	b, err := readBackup(ctx, from, ids, o.Progress, nothing)
	if err != nil || len(o.Keys) == 0 {
		return b.Manifest, err
	}
	e, err := openEscrow(o.Keys, ids)
	if err != nil {
		return b.Manifest, err
	}
	return b.Manifest, b.checkAgainst(e)
}

func (o *CheckOptions) identities() ([]age.Identity, error) {
	if o.Witness != nil {
		return []age.Identity{o.Witness.id}, nil
	}
	return parseIdentities(o.Identities, o.Passphrase)
}

// parseIdentities reads the contents of identity files.
func parseIdentities(texts [][]byte, passphrase string) (ids []age.Identity, err error) {
	for _, text := range texts {
		if isProtected(text) {
			if text, err = unprotect(text, passphrase, "the identity"); err != nil {
				return nil, err
			}
		}
		some, err := age.ParseIdentities(bytes.NewReader(text))
		if err != nil {
			// What age says about the text may quote it.
			return nil, fmt.Errorf("%w: the identity file holds no age identity; give the one that kith or age-keygen made", ErrWrongKey)
		}
		ids = append(ids, some...)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: no identity was given; a backup opens with the machine identity or the recovery key", ErrWrongKey)
	}
	return ids, nil
}

// placer gives an entry of a backup somewhere to go, nil for nowhere.
type placer func(name string, size int64) (io.WriteCloser, error)

func nothing(string, int64) (io.WriteCloser, error) { return nil, nil }

// readArchive is a backup on its way in.
type readArchive struct {
	Manifest
	ctx   context.Context //nolint:containedctx // lives as long as one call of readBackup
	tar   *tar.Reader
	place placer
	sums  bytes.Buffer    // of what was read
	blobs map[string]bool // attachments that were there
	text  []byte          // SHA256SUMS
}

// readBackup reads a backup to its last byte, hands every entry to place and
// holds it against its sum.
func readBackup(ctx context.Context, from io.Reader, ids []age.Identity, progress func(int64), to placer) (*readArchive, error) {
	src := &source{ctx: ctx, r: from, progress: progress}
	a := &readArchive{ctx: ctx, place: to, blobs: map[string]bool{}}
	plain, err := age.Decrypt(bufio.NewReaderSize(src, 1<<20), ids...)
	if err == nil {
		a.tar = tar.NewReader(plain)
		if err = a.read(); err == nil {
			err = ended(plain)
		}
	}
	switch {
	case err == nil:
		return a, nil
	case src.err != nil:
		return a, fmt.Errorf("reading the backup: %w", src.err)
	}
	return a, refusedBackup(err)
}

// ended makes sure that nothing follows, and that the file was not cut off.
func ended(r io.Reader) error {
	n, err := io.Copy(io.Discard, r)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d bytes follow its end", n)
	}
	return err
}

// refusedBackup says why a backup is not believed.
func refusedBackup(err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer) || errors.Is(err, errPlacing) {
		return err
	}
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return fmt.Errorf("%w: the backup is for other recipients; give the identity of one of them", ErrWrongKey)
	}
	return fmt.Errorf("%w: the backup cannot be read to its end: %w; use another one", ErrDamaged, err)
}

// errPlacing marks what went wrong where the entries go, not where they come from.
var errPlacing = errors.New("restoring")

// source remembers whether reading failed below age, which would look like damage.
type source struct {
	ctx      context.Context //nolint:containedctx // lives as long as one call of readBackup
	r        io.Reader
	progress func(int64)
	done     int64
	err      error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if s.done += int64(n); s.progress != nil && n > 0 {
		s.progress(s.done)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// read takes the entries in their order.
func (a *readArchive) read() error {
	if err := a.readManifest(); err != nil {
		return err
	}
	first, err := a.next()
	if err != nil {
		return err
	}
	if first.Name != dataFile || first.Size != a.Size {
		return fmt.Errorf("%w: the backup does not begin with %s; use another one", ErrDamaged, dataFile)
	}
	for h := first; ; {
		if err := a.readEntry(h); err != nil {
			return err
		}
		if h, err = a.next(); err != nil {
			return err
		}
		if h.Name == sumsName {
			return a.readEnd(h)
		}
	}
}

func (a *readArchive) next() (*tar.Header, error) {
	h, err := a.tar.Next()
	if err != nil {
		return nil, unexpected(err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("%w: an entry of the backup is no file; use another one", ErrDamaged)
	}
	return h, nil
}

// unexpected is an end that comes too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// maxNote bounds what is read into RAM; a list of ten million sums fits.
const maxNote = 1 << 30

// note reads one of the entries that are not files of the store.
func (a *readArchive) note(h *tar.Header, name string) ([]byte, error) {
	if h.Name != name || h.Size > maxNote {
		return nil, fmt.Errorf("%w: the backup has something else where %s should be; use another one", ErrDamaged, name)
	}
	return io.ReadAll(a.tar)
}

func (a *readArchive) readManifest() error {
	h, err := a.next()
	if err != nil {
		return err
	}
	text, err := a.note(h, manifestName)
	if err != nil {
		return err
	}
	a.sum(sha256.Sum256(text), manifestName)
	if err := json.Unmarshal(text, &a.Manifest); err != nil {
		return fmt.Errorf("%w: the backup does not say what it is; use another one", ErrDamaged)
	}
	if a.Format > backupFormat || a.Data > formatVersion {
		return fmt.Errorf("%w: the backup has format %d with data of format %d, and this kith knows %d and %d; install the kith that made it",
			ErrNewer, a.Format, a.Data, backupFormat, formatVersion)
	}
	return nil
}

func (a *readArchive) sum(sum [32]byte, name string) { fmt.Fprintf(&a.sums, "%x  %s\n", sum, name) }

// readEntry hands a file of the store on.
func (a *readArchive) readEntry(h *tar.Header) error {
	if !isBackupName(h.Name) {
		return fmt.Errorf("%w: the backup holds a file that has no place in a store; use another one", ErrDamaged)
	}
	if id, ok := strings.CutPrefix(h.Name, blobDir+"/"); ok {
		a.blobs[id[3:]] = true
	}
	w, err := a.place(h.Name, h.Size)
	if err != nil {
		return fmt.Errorf("%w: %w", errPlacing, err)
	}
	sum := sha256.New()
	if w == nil {
		_, err = io.Copy(sum, onlyReader{a.tar})
	} else {
		p := &placing{w: w}
		_, err = io.CopyBuffer(onlyWriter{io.MultiWriter(sum, p)}, onlyReader{a.tar}, make([]byte, 256<<10))
		if cerr := w.Close(); cerr != nil || p.err != nil {
			return fmt.Errorf("%w: %w", errPlacing, errorOr(p.err, cerr))
		}
	}
	if err != nil {
		return unexpected(err)
	}
	a.sum([32]byte(sum.Sum(nil)), h.Name)
	return nil
}

// placing remembers whether it was the writing that failed.
type placing struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (p *placing) Write(b []byte) (n int, err error) {
	n, err = p.w.Write(b)
	if err != nil {
		p.err = err
	}
	return n, err
}

// readEnd compares the sums and reads what the whole holds.
func (a *readArchive) readEnd(h *tar.Header) error {
	text, err := a.note(h, sumsName)
	if err != nil {
		return err
	}
	if !bytes.Equal(text, a.sums.Bytes()) {
		return fmt.Errorf("%w: the files in the backup do not have the sums it says; use another one", ErrDamaged)
	}
	a.text = text
	if h, err = a.next(); err != nil {
		return err
	}
	if text, err = a.note(h, endName); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &a.Contents); err != nil {
		return fmt.Errorf("%w: the backup does not say what it holds; use another one", ErrDamaged)
	}
	if n := len(a.blobs) + len(a.Contents.Gone) + len(a.Contents.Missing); n != a.Attachments {
		return fmt.Errorf("%w: the backup holds %d of %d attachments; use another one", ErrDamaged, n, a.Attachments)
	}
	if _, err = a.tar.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the end of the backup; use another one", ErrDamaged)
	}
	return nil
}

// checkSeal proves that the backup was made by the holder of these keys.
func (a *readArchive) checkSeal(ks keySource) error {
	key, err := backupKeyOf(ks)
	if err != nil {
		return err
	}
	want, err := sealOf(key, a.text, a.Contents)
	if err != nil {
		return err
	}
	got, err := hex.DecodeString(a.Contents.Seal)
	if err != nil || !hmac.Equal(got, want[:]) {
		return fmt.Errorf("%w: the backup was not made with these keys; give the keys of the same installation", ErrDamaged)
	}
	return nil
}

// IsProtected tells whether the contents of an identity file open only with a
// passphrase.
func IsProtected(text []byte) bool { return isProtected(text) }
