// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"kith/app"
	"kith/app/backup"
	"kith/app/egress"
	"kith/store"
)

// The operations of backups.
const (
	opBackupFacts  = "backup.facts"
	opBackupStream = "backup.stream"
	opBackupBeside = "backup.beside"
	opBackupSave   = "backup.save"
	opBackupNote   = "backup.note"
	opBackupPlaces = "backup.places"
	opBackupForget = "backup.forget"
)

// origin is the installation that a command backs up: in the server that runs, or here. It implements backup.Source.
type origin struct {
	facts  originFacts
	data   string
	ctx    context.Context //nolint:containedctx // of the command; Source.Escrow has none
	house  *house          // nil when a server runs
	direct bool            // what is written to is as fast as a disk
}

// originFacts are what there is to know of an installation.
type originFacts struct {
	Instance string `json:"instance"`
	Identity string `json:"identity"` // the file of the machine identity
}

// withOrigin runs fn on the installation in dir.
func withOrigin(ctx context.Context, dir string, fn func(*origin) error) error {
	data, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("finding %s: %w", dir, err)
	}
	for deadline := time.Now().Add(startWait); ; {
		conn, dialed := dial(ctx, dir)
		if dialed == nil {
			_ = conn.Close() // it was only asked whether somebody is there
			facts, err := perform[originFacts](ctx, dir, opBackupFacts, struct{}{})
			if err != nil {
				return err
			}
			return fn(&origin{facts: facts, data: data, ctx: ctx})
		}
		err := within(ctx, dir, func(ctx context.Context, h *house) error {
			facts, err := h.backupFacts(ctx, struct{}{})
			if err != nil {
				return err
			}
			return fn(&origin{facts: facts, data: data, ctx: ctx, house: h})
		})
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			return err
		}
		if errors.Is(dialed, os.ErrPermission) {
			return fmt.Errorf("%w: %w; run this as the user that runs kith serve", store.ErrPermission, dialed)
		}
	}
}

func (h *house) backupFacts(context.Context, struct{}) (originFacts, error) {
	return originFacts{h.db.Instance(), h.db.Custody().Identity}, nil
}

// ask performs an operation on the origin.
func ask[P, R any](ctx context.Context, o *origin, op string, params P, here func(*house) func(context.Context, P) (R, error)) (R, error) {
	if o.house != nil {
		return here(o.house)(ctx, params)
	}
	return perform[R](ctx, o.data, op, params)
}

// Instance implements backup.Source.
func (o *origin) Instance() string { return o.facts.Instance }

// besides are the copies of keys and ledger.
type besides struct {
	Keys       []byte `json:"keys"`
	Ledger     []byte `json:"ledger"`
	Generation uint64 `json:"generation"`
}

func (h *house) besides(ctx context.Context, _ struct{}) (b besides, err error) {
	if b.Keys, b.Generation, err = h.db.Escrow(); err == nil {
		b.Ledger, err = h.db.Ledger(ctx)
	}
	return b, err
}

// Escrow implements backup.Source.
func (o *origin) Escrow() (sealed []byte, generation uint64, err error) {
	b, err := ask(o.ctx, o, opBackupBeside, struct{}{}, func(h *house) func(context.Context, struct{}) (besides, error) { return h.besides })
	return b.Keys, b.Generation, err
}

// Ledger implements backup.Source.
func (o *origin) Ledger(ctx context.Context) ([]byte, error) {
	b, err := ask(ctx, o, opBackupBeside, struct{}{}, func(h *house) func(context.Context, struct{}) (besides, error) { return h.besides })
	return b.Ledger, err
}

func (o *origin) save(ctx context.Context, p backup.Place) (backup.Place, error) {
	return ask(ctx, o, opBackupSave, p, func(h *house) func(context.Context, backup.Place) (backup.Place, error) { return h.savePlace })
}

func (h *house) savePlace(ctx context.Context, p backup.Place) (backup.Place, error) {
	return h.backups.Save(ctx, app.Host(), p)
}

// noteParams say what became of a backup.
type noteParams struct {
	Place      uint64         `json:"place"`
	Outcome    backup.Outcome `json:"outcome"`
	Generation uint64         `json:"generation"`
	Verified   bool           `json:"verified"`
}

func (o *origin) noted(ctx context.Context, p noteParams) error {
	_, err := ask(ctx, o, opBackupNote, p, func(h *house) func(context.Context, noteParams) (bool, error) { return h.noteBackup })
	return err
}

func (h *house) noteBackup(ctx context.Context, p noteParams) (bool, error) {
	return true, h.backups.Noted(ctx, p.Place, p.Outcome, p.Generation, p.Verified)
}

// identityText reads the machine's identity; nil where this command may not, or where a passphrase protects it.
func (o *origin) identityText() []byte {
	text, err := os.ReadFile(filepath.Clean(o.facts.Identity))
	if err != nil || store.IsProtected(text) {
		return nil
	}
	return text
}

// streamParams ask for a backup over the connection.
type streamParams struct {
	Recipients []string `json:"recipients,omitempty"`
	Witness    bool     `json:"witness,omitempty"`
	Direct     bool     `json:"direct,omitempty"`
}

type streamResult struct {
	Manifest store.Manifest `json:"manifest"`
	Witness  string         `json:"witness,omitempty"` // the socket is the owner's alone
}

// A backup comes over the connection in frames, length u32 and bytes; an empty frame is the end, one of endFailed bytes
// says that there is no backup. The answer follows, as to every operation.
const (
	endFailed = math.MaxUint32
	frameSize = 256 << 10
)

// Backup implements backup.Source.
func (o *origin) Backup(ctx context.Context, w io.Writer, bo store.BackupOptions) (store.Manifest, *store.Witness, error) {
	if o.house != nil {
		return o.house.source(o.direct).Backup(ctx, w, bo)
	}
	raw, err := json.Marshal(streamParams{bo.Recipients, bo.Witness, o.direct})
	if err != nil {
		return store.Manifest{}, nil, fmt.Errorf("asking for a backup: %w", err)
	}
	conn, err := dial(ctx, o.data)
	if err != nil {
		return store.Manifest{}, nil, fmt.Errorf("speaking to the server: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends what waits below
	in := &framed{r: bufio.NewReaderSize(conn, frameSize), w: w, progress: bo.Progress}
	answer, err := exchange(conn, request{opBackupStream, raw}, in)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return store.Manifest{}, nil, err
	}
	var result streamResult
	if err := json.Unmarshal(answer, &result); err != nil {
		return store.Manifest{}, nil, fmt.Errorf("reading the answer of the server: %w", err)
	}
	if result.Witness == "" {
		return result.Manifest, nil, nil
	}
	witness, err := store.NewWitness(result.Witness)
	return result.Manifest, witness, err
}

// exchange sends a request, takes the frames and returns the answer.
func exchange(conn net.Conn, r request, in *framed) (json.RawMessage, error) {
	defer conn.Close() //nolint:errcheck // everything was read
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return nil, fmt.Errorf("speaking to the server: %w", err)
	}
	if err := in.copy(); err != nil {
		return nil, err
	}
	var a response
	if err := json.NewDecoder(in.r).Decode(&a); err != nil {
		return nil, fmt.Errorf("the server broke off in the middle of the backup: %w", err)
	}
	if a.Error != "" {
		return nil, &remoteError{a.Error, a.Code}
	}
	if in.failed {
		return nil, errors.New("the server broke off in the middle of the backup")
	}
	return a.Result, nil
}

// framed takes a backup out of its frames.
type framed struct {
	r        *bufio.Reader
	w        io.Writer
	progress func(done, total int64)
	failed   bool
	done     int64
}

func (f *framed) copy() error {
	var head [12]byte
	for {
		if _, err := io.ReadFull(f.r, head[:]); err != nil {
			return fmt.Errorf("the server broke off in the middle of the backup: %w", err)
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 || n == endFailed {
			f.failed = n != 0
			return nil
		}
		if _, err := io.CopyN(f.w, f.r, int64(n)); errors.Is(err, io.EOF) {
			return fmt.Errorf("the server broke off in the middle of the backup: %w", io.ErrUnexpectedEOF)
		} else if err != nil {
			return err
		}
		if f.done += int64(n); f.progress != nil {
			f.progress(f.done, int64(binary.BigEndian.Uint64(head[4:])))
		}
	}
}

// framing puts a backup into frames. Each says how many bytes there will be at least.
type framing struct {
	w     io.Writer
	total int64
}

// Write implements io.Writer.
func (f *framing) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:min(n+frameSize, len(p))]
		if err := f.head(uint32(len(part))); err != nil { //nolint:gosec // at most frameSize
			return n, err
		}
		if _, err := f.w.Write(part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

func (f *framing) head(n uint32) error {
	head := binary.BigEndian.AppendUint32(make([]byte, 0, 12), n)
	_, err := f.w.Write(binary.BigEndian.AppendUint64(head, uint64(f.total))) //nolint:gosec // a size
	return err
}

// stalled is how long a reader may take nothing: while a backup goes out, the pages of its moment are not used again.
const stalled = 2 * time.Minute

// impatient is a connection whose reader has to go on reading.
type impatient struct{ net.Conn }

// Write implements io.Writer.
func (i *impatient) Write(p []byte) (int, error) {
	if err := i.SetWriteDeadline(time.Now().Add(stalled)); err != nil {
		return 0, err
	}
	return i.Conn.Write(p)
}

// streamBackup writes a backup and the answer to a connection.
func (h *house) streamBackup(ctx context.Context, conn net.Conn, raw json.RawMessage) response {
	out := &framing{w: &impatient{conn}}
	result, err := on(ctx, raw, func(ctx context.Context, p streamParams) (streamResult, error) {
		m, witness, err := h.source(p.Direct).Backup(ctx, out, store.BackupOptions{
			Recipients: p.Recipients, Witness: p.Witness, Progress: func(_, total int64) { out.total = total },
		})
		r := streamResult{Manifest: m}
		if witness != nil {
			r.Witness = witness.Secret()
		}
		return r, err
	})
	end := uint32(0)
	if err != nil {
		end = endFailed
	}
	if herr := out.head(end); err == nil {
		err = herr
	}
	if err != nil {
		return response{Error: err.Error(), Code: codeOf(err)}
	}
	return response{Result: result}
}

// source is what backups are made of: by way of a file on the disk of the store unless what takes them is as fast.
func (h *house) source(direct bool) backup.Source {
	if direct {
		return h.db
	}
	return backup.Spooled(h.db, h.db.Dir())
}

// storage makes the calls of an S3 storage.
func (h *house) storage(s backup.S3) backup.Doer { return storageOf(h.egress, s) }

// storageClient does so in a command.
func storageClient(s backup.S3) backup.Doer {
	return storageOf(egress.New(egress.Options{Log: slog.New(slog.DiscardHandler)}), s)
}

// storageOf lets an operator's own storage have a private address; Amazon's has none.
func storageOf(e *egress.Egress, s backup.S3) *http.Client {
	if s.Endpoint != "" {
		e.Trust(s.Base())
	}
	return e.Client("backup", s.Base())
}
