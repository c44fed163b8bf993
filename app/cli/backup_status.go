// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"kith/app"
	"kith/app/backup"
)

const backupForgetHelp = `Nothing in the place is removed. Destroy the copy of the keys there yourself: with it and an identity, backups there open
as long as they exist, and kith no longer takes from it the keys of those who are erased.`

// placeRow is a line of kith backup status.
type placeRow struct {
	Where    string     `json:"where"`
	Daily    string     `json:"daily,omitempty"`
	Last     *time.Time `json:"last,omitempty"`
	Name     string     `json:"name,omitempty"`
	Size     int64      `json:"size,omitempty"`
	Records  uint64     `json:"records,omitempty"`
	Verified *time.Time `json:"verified,omitempty"`
	Pending  bool       `json:"keys_pending"` // the copy of the keys still has what was destroyed
	Refused  string     `json:"refused,omitempty"`
	Failed   string     `json:"failed,omitempty"`
}

func setBackupStatus(f *flags) func(context.Context, streams) error {
	data := f.data()
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		rows, err := perform[[]placeRow](ctx, *data, opBackupPlaces, struct{}{})
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(s.out).Encode(rows)
		}
		if len(rows) == 0 {
			fmt.Fprintln(s.out, "There is no backup. Make one: kith backup --to DIR")
		}
		for i := range rows {
			rows[i].print(s.out, time.Now())
		}
		return nil
	}
}

func (r *placeRow) print(w io.Writer, now time.Time) {
	fmt.Fprintln(w, r.Where)
	if r.Daily != "" {
		fmt.Fprintf(w, "  each day at %s UTC\n", r.Daily)
	}
	if r.Last == nil {
		fmt.Fprintln(w, "  no backup yet")
	} else {
		fmt.Fprintf(w, "  last: %s, %s ago, %d records, %s\n", r.Name, ageText(now.Sub(*r.Last)), r.Records, sizeText(r.Size))
	}
	if r.Verified == nil {
		fmt.Fprintln(w, "  never restored as a test")
	} else {
		fmt.Fprintf(w, "  restored as a test %s ago\n", ageText(now.Sub(*r.Verified)))
	}
	if r.Pending {
		fmt.Fprintf(w, "  PENDING: the copy of the keys there still has keys that were destroyed%s\n", because(r.Refused))
	}
	if r.Failed != "" {
		fmt.Fprintf(w, "  the last attempt failed: %s\n", oneLine(r.Failed))
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + oneLine(reason)
}

func ageText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func (h *house) backupPlaces(ctx context.Context, _ struct{}) ([]placeRow, error) {
	generation := h.db.Generation() // the next one, of a rotation say, is on its way there by itself
	if err := h.backups.Settle(ctx); err != nil {
		h.log.WarnContext(ctx, "a copy of the keys could not be brought to date; it is tried again", "error", err)
	}
	all, err := h.backups.Places(ctx)
	rows := make([]placeRow, len(all))
	for i := range all {
		p := &all[i]
		rows[i] = placeRow{
			Where: p.Where, Daily: p.Daily, Last: unlessZero(p.Last.At), Name: p.Last.Name, Size: p.Last.Size, Records: p.Last.Records,
			Verified: unlessZero(p.Verified.At), Pending: p.Pending(generation), Refused: p.Refused, Failed: p.Failed,
		}
	}
	return rows, err
}

// lateAfter is when a daily backup is missed.
const lateAfter = 36 * time.Hour

// checkBackups tells doctor what is wrong with backups.
func (h *house) checkBackups(ctx context.Context, f *findings) error {
	rows, err := h.backupPlaces(ctx, struct{}{})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		f.add(fine, "No backup is kept anywhere. Set one up: kith backup --to DIR --daily 03:15")
	}
	for i := range rows {
		r := &rows[i]
		if r.Pending {
			f.add(warning, "The copy of the keys in %s still has keys that were destroyed%s.", r.Where, because(r.Refused))
		}
		switch {
		case r.Failed != "":
			f.add(warning, "The last backup in %s failed: %s.", r.Where, oneLine(r.Failed))
		case r.Daily != "" && (r.Last == nil || time.Since(*r.Last) > lateAfter):
			f.add(warning, "The daily backup in %s is late. Its server must run at %s UTC.", r.Where, r.Daily)
		case r.Last != nil && (r.Verified == nil || r.Verified.Before(*r.Last)):
			f.add(warning, "The last backup in %s was not restored as a test.", r.Where)
		case r.Last != nil:
			f.add(fine, "The last backup in %s is %s old and was restored as a test.", r.Where, ageText(time.Since(*r.Last)))
		}
	}
	return nil
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func setBackupForget(f *flags) func(context.Context, streams) error {
	data := f.data()
	to := f.must("to", "`WHERE`, as kith backup status writes it")
	return func(ctx context.Context, _ streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		where := *to
		if !strings.HasPrefix(where, "s3://") {
			abs, err := filepath.Abs(where)
			if err != nil {
				return fmt.Errorf("finding %s: %w", where, err)
			}
			where = abs
		}
		_, err := perform[bool](ctx, *data, opBackupForget, where)
		return err
	}
}

func (h *house) forgetPlace(ctx context.Context, where string) (bool, error) {
	return true, h.backups.Forget(ctx, app.Host(), where)
}

// operateBackup runs the operations of backups; known is false for others.
func (h *house) operateBackup(ctx context.Context, r request) (answer json.RawMessage, known bool, err error) {
	switch r.Op {
	case opBackupFacts:
		answer, err = on(ctx, r.Params, h.backupFacts)
	case opBackupBeside:
		answer, err = on(ctx, r.Params, h.besides)
	case opBackupSave:
		answer, err = on(ctx, r.Params, h.savePlace)
	case opBackupNote:
		answer, err = on(ctx, r.Params, h.noteBackup)
	case opBackupPlaces:
		answer, err = on(ctx, r.Params, h.backupPlaces)
	case opBackupForget:
		answer, err = on(ctx, r.Params, h.forgetPlace)
	default:
		return nil, false, nil
	}
	return answer, true, err
}

var _ backup.Source = (*origin)(nil)
