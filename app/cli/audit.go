// SPDX-License-Identifier: Apache-2.0

package cli

import (
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

const auditHelp = `The audit trail says who read, changed, exported and revealed what: numbers only. Each entry holds the hash of the one
before; a checkpoint is signed over all of them every hour and at each export.

Keep the key and a checkpoint where this server is not. On any machine, kith verify FILE --key KEY --checkpoint OLD then
finds whatever was changed, left out, cut off or rolled back.`

func setAuditExport(f *flags) func(context.Context, streams) error {
	data := f.data()
	out := f.must("out", "`FILE` to write; it must not exist yet")
	return func(ctx context.Context, s streams) error {
		path, err := filepath.Abs(*out)
		if err != nil {
			return usage("--out %q is no path", *out)
		}
		n, err := perform[int](ctx, *data, opAuditExport, auditParams{path})
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%d entries in %s\n", n, *out)
		return nil
	}
}

func setAuditCheckpoint(f *flags) func(context.Context, streams) error {
	data := f.data()
	return func(ctx context.Context, s streams) error {
		text, err := perform[string](ctx, *data, opAuditCheckpoint, struct{}{})
		if err == nil {
			_, err = io.WriteString(s.out, text)
		}
		return err
	}
}

func setAuditKey(f *flags) func(context.Context, streams) error {
	data := f.data()
	return func(ctx context.Context, s streams) error {
		key, err := perform[string](ctx, *data, opAuditKey, struct{}{})
		if err == nil {
			_, err = fmt.Fprintln(s.out, key)
		}
		return err
	}
}

// operateTrust runs the operations about keys of programs and about the audit trail.
func (h *house) operateTrust(ctx context.Context, r request) (json.RawMessage, error) {
	switch r.Op {
	case opAuditExport:
		return on(ctx, r.Params, h.exportAudit)
	case opAuditCheckpoint:
		return on(ctx, r.Params, h.auditCheckpoint)
	case opAuditKey:
		return on(ctx, r.Params, h.auditKey)
	case opKeyList:
		return on(ctx, r.Params, h.listAPIKeys)
	}
	return on(ctx, r.Params, h.revokeKey)
}

// auditParams names the file that the server writes.
type auditParams struct {
	Path string `json:"path"`
}

// exportAudit writes the trail into a new file. One that could not be finished is removed.
func (h *house) exportAudit(ctx context.Context, p auditParams) (n int, err error) {
	f, err := os.OpenFile(filepath.Clean(p.Path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return 0, fmt.Errorf("%s is there already; name another file", p.Path)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: making %s: %w", store.ErrPermission, p.Path, err)
	}
	n, err = h.desk.ExportAudit(ctx, app.Host(), f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(f.Name()))
	}
	return n, nil
}

func (h *house) auditCheckpoint(ctx context.Context, _ struct{}) (string, error) {
	c, err := h.desk.Checkpoint(ctx, app.Host())
	return c.Note, err
}

func (h *house) auditKey(ctx context.Context, _ struct{}) (string, error) {
	return h.desk.AuditKey(ctx, app.Host())
}

// verifyAudit checks an export of an audit trail. key and the file of an earlier checkpoint may be empty.
func verifyAudit(in io.Reader, path, key, checkpoint string, asJSON bool, s streams) error {
	trust := app.AuditTrust{Key: key}
	if checkpoint != "" {
		text, err := os.ReadFile(filepath.Clean(checkpoint))
		if err != nil {
			return usage("the checkpoint %s cannot be read", checkpoint)
		}
		trust.Witness = string(text)
	}
	r, err := app.VerifyAuditExport(in, trust)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", store.ErrDamaged, path, err)
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(r)
	}
	fmt.Fprintf(s.out, "%s is whole: %d entries from %s to %s.\n", path, r.Entries, r.First.Format(time.DateOnly), r.Last.Format(time.DateOnly))
	if key == "" {
		fmt.Fprintf(s.out, "It was signed with %s; compare that with what kith audit key showed.\n", r.Key)
	}
	if checkpoint == "" {
		fmt.Fprintln(s.out, "Whether it was rolled back shows only a comparison with an earlier checkpoint: --checkpoint FILE.")
	}
	return nil
}
