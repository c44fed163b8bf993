// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kith/app"
	"kith/store"
)

const retentionHelp = `Records are kept for whole days: what is older goes in the night after, first its key, then the records. What could not
be read is kept for 7 days, always; how long messages and the audit log are kept says kith retention set.

The server runs retention by itself. It stops and waits for kith retention run --confirm when the clock cannot be
trusted, or when more than 7 days would go at once: look at kith retention preview first.`

const nowHelp = "`TIME` to go by, as 2026-01-31T12:00:00Z; who names it answers for it, the clock is not asked"

// retentionParams are those of a preview, a run and a change.
type retentionParams struct {
	Now     time.Time      `json:"now,omitzero"`
	Confirm bool           `json:"confirm,omitempty"`
	Set     *app.Retention `json:"set,omitempty"`
}

// retentionResult is what a run did; Stopped says what was left undone.
type retentionResult struct {
	Classes []app.Expiring `json:"classes"`
	Stopped string         `json:"stopped,omitempty"`
	Waits   bool           `json:"waits,omitempty"` // for a person to confirm it
}

// timeFlag is a flag for a point in time.
type timeFlag struct{ time.Time }

// String returns the instant as it is typed.
func (i *timeFlag) String() string {
	if i.IsZero() {
		return ""
	}
	return i.Format(time.RFC3339)
}

// Set reads an instant.
func (i *timeFlag) Set(s string) (err error) {
	if i.Time, err = time.Parse(time.RFC3339, s); err != nil {
		return errors.New("a time looks like 2026-01-31T12:00:00Z")
	}
	return nil
}

func setRetentionPreview(f *flags) func(context.Context, streams) error {
	data := f.data()
	var now timeFlag
	f.set.Var(&now, "now", nowHelp)
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		all, err := perform[[]app.Expiring](ctx, *data, opRetentionPreview, retentionParams{Now: now.Time})
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(s.out).Encode(retentionResult{Classes: all})
		}
		printExpiring(s.out, all, "would be destroyed")
		return nil
	}
}

func setRetentionRun(f *flags) func(context.Context, streams) error {
	data := f.data()
	var now timeFlag
	f.set.Var(&now, "now", nowHelp)
	confirm := f.set.Bool("confirm", false, "you looked at the preview and at the date")
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		done, err := perform[retentionResult](ctx, *data, opRetentionRun, retentionParams{Now: now.Time, Confirm: *confirm})
		if err != nil {
			return err
		}
		if *asJSON {
			err = json.NewEncoder(s.out).Encode(done)
		} else {
			printExpiring(s.out, done.Classes, "were destroyed")
		}
		if err != nil || done.Stopped == "" {
			return err
		}
		if done.Waits {
			return fmt.Errorf("%s; look at kith retention preview, then use --confirm", done.Stopped)
		}
		return errors.New(done.Stopped)
	}
}

func setRetentionSet(f *flags) func(context.Context, streams) error {
	data := f.data()
	messages := f.set.String("messages", "", "`DAYS` that messages are kept, such as 365d; forever is the default")
	audit := f.set.String("audit", "", "`DAYS` that the audit log is kept; forever is the default")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		r, err := perform[app.Retention](ctx, *data, opRetention, retentionParams{})
		if err != nil {
			return err
		}
		for _, one := range []struct {
			name, value string
			into        *uint16
		}{{"messages", *messages, &r.Messages}, {"audit", *audit, &r.Audit}} {
			if err := readDays(one.name, one.value, one.into); err != nil {
				return err
			}
		}
		if *messages != "" || *audit != "" {
			if r, err = perform[app.Retention](ctx, *data, opRetention, retentionParams{Set: &r}); err != nil {
				return err
			}
		}
		fmt.Fprintf(s.out, "messages: %s\naudit: %s\nwhat could not be read: %s\n",
			daysText(r.Messages), daysText(r.Audit), daysText(app.IngressDays))
		return nil
	}
}

// readDays reads a number of days such as 365d, or forever; what is not given stays as it is.
func readDays(name, value string, into *uint16) error {
	switch value {
	case "":
		return nil
	case "forever":
		*into = 0
		return nil
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(value, "d"), 10, 16)
	if err != nil || n == 0 {
		return usage("--%s is a number of days such as 365d, or forever, not %q", name, value)
	}
	*into = uint16(n)
	return nil
}

func daysText(n uint16) string {
	if n == 0 {
		return "kept for ever"
	}
	return fmt.Sprintf("kept for %d days", n)
}

// printExpiring prints a line for each class.
func printExpiring(w io.Writer, all []app.Expiring, did string) {
	for _, e := range all {
		fmt.Fprintf(w, "%s, kept for %d days: from before %s %s %s.\n", e.Class, e.KeptDays, e.Before, whatIsDue(&e), did)
		if e.Held > 0 {
			fmt.Fprintf(w, "  a hold keeps %d records.\n", e.Held)
		}
		if e.Certificate != "" {
			fmt.Fprintf(w, "  certificate: %s\n", e.Certificate)
		}
	}
}

func whatIsDue(e *app.Expiring) string {
	if e.Days == 0 && len(e.Records) == 0 {
		return "no records"
	}
	text := countsText(e.Records, e.Attachments)
	if e.Days > 0 {
		text += fmt.Sprintf(" of %d days", e.Days)
	}
	if e.People > 0 {
		text += fmt.Sprintf(" about %d people", e.People)
	}
	return text
}

// recordNames are what tables are called where their own name does not say it.
var recordNames = map[string]string{
	"audit": "audit entries", "provider_ids": "message ids", "awaited": "awaited message ids", "draft_keys": "request keys",
	"contact_keys": "request keys of contacts", "outbox": "messages to be sent", "unreadable": "webhooks that could not be read",
	"unreadable_ids": "ids of such", "notice_ids": "ids of notices",
}

// countsText lists counts of records by table, in the order of their names.
func countsText(records map[string]int, attachments int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(records)) {
		if name != "attachments" {
			parts = append(parts, fmt.Sprintf("%d %s", records[name], cmp.Or(recordNames[name], strings.ReplaceAll(name, "_", " "))))
		}
	}
	if n := attachments + records["attachments"]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d attachments", n))
	}
	if len(parts) == 0 {
		return "no records"
	}
	return strings.Join(parts, ", ")
}

func (h *house) retention(ctx context.Context, p retentionParams) (app.Retention, error) {
	if p.Set != nil {
		if err := h.desk.SetRetention(ctx, app.Host(), *p.Set); err != nil {
			return app.Retention{}, err
		}
	}
	return h.desk.Retention(ctx, app.Host())
}

func (h *house) previewRetention(ctx context.Context, p retentionParams) ([]app.Expiring, error) {
	return h.desk.RetentionPreview(ctx, app.Host(), app.RetentionRun{Now: p.Now})
}

func (h *house) runRetention(ctx context.Context, p retentionParams) (retentionResult, error) {
	done, err := h.desk.RunRetention(ctx, app.Host(), app.RetentionRun{Now: p.Now, Confirmed: p.Confirm})
	out := retentionResult{Classes: done}
	if err != nil {
		if len(done) == 0 && !errors.Is(err, store.ErrUnconfirmed) {
			return out, err
		}
		out.Stopped, out.Waits = oneLine(err.Error()), errors.Is(err, store.ErrUnconfirmed)
	}
	return out, nil
}

// retentionEvery is how often the server looks whether a day is over.
const retentionEvery = time.Hour

// keepRetention runs retention at start and after every hour, and says once what it waits for.
func (h *house) keepRetention(ctx context.Context) error {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	said := ""
	for {
		done, err := h.desk.RunRetention(ctx, app.System(), app.RetentionRun{})
		for _, e := range done {
			if e.Certificate != "" {
				h.log.InfoContext(ctx, "records expired", "class", e.Class, "before", e.Before, "days", e.Days, "certificate", e.Certificate)
			}
		}
		if text := stoppedText(ctx, err); text != said {
			if said = text; text != "" {
				h.log.WarnContext(ctx, "retention did not run; see kith retention preview", "error", text)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func stoppedText(ctx context.Context, err error) string {
	if err == nil || ctx.Err() != nil {
		return ""
	}
	return oneLine(err.Error())
}

// checkRetention says with which key certificates are signed, and whether retention waits for a person.
func (h *house) checkRetention(ctx context.Context, f *findings) error {
	key, err := h.db.CertificateKey(ctx)
	if err != nil {
		f.add(warning, "The key that signs certificates cannot be had: %s.", oneLine(err.Error()))
	} else {
		f.add(fine, "Certificates are signed with the key %s", key)
	}
	_, doubt, err := h.db.TrustedNow(ctx)
	if err != nil {
		f.add(warning, "Retention cannot remember the clock: %s.", oneLine(err.Error()))
		return nil
	}
	all, err := h.desk.RetentionPreview(ctx, app.Host(), app.RetentionRun{})
	if err != nil {
		return err
	}
	for _, e := range all {
		switch {
		case doubt != "" && e.Days > 0:
			f.add(warning, "Retention of %s waits: %s. Look at kith retention preview, then kith retention run --confirm", e.Class, doubt)
		case e.Days > store.MaxUnconfirmed:
			f.add(warning, "Retention of %s waits: %d days would go at once. Look at kith retention preview, then kith retention run --confirm",
				e.Class, e.Days)
		}
	}
	return nil
}
