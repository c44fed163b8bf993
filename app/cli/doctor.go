// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kith/app"
)

const doctorHelp = `It looks at the data directory, the identity file, the disk, the store or the server that runs on it, TLS, and each
inbox; with --network it also asks the networks. Exit code 0 when all is well, 1 with warnings, 2 when something is broken.`

// grade says how bad a finding is.
type grade int

const (
	fine grade = iota
	warning
	broken
)

var gradeNames = [...]string{fine: "ok", warning: "warning", broken: "broken"}

// finding is one sentence of the doctor.
type finding struct {
	Grade grade  `json:"grade"`
	Text  string `json:"text"`
}

// findings are what the doctor says.
type findings []finding

func (f *findings) add(g grade, format string, args ...any) {
	*f = append(*f, finding{g, fmt.Sprintf(format, args...)})
}

func (f findings) worst() grade {
	worst := fine
	for _, one := range f {
		worst = max(worst, one.Grade)
	}
	return worst
}

type checkParams struct {
	Network bool `json:"network"`
}

func setDoctor(f *flags) func(context.Context, streams) error {
	data := f.data()
	network := f.set.Bool("network", false, "ask the networks whether the inboxes work")
	return func(ctx context.Context, s streams) error {
		var found findings
		if found.files(*data) {
			inside, err := perform[findings](ctx, *data, opCheck, checkParams{*network})
			if err != nil {
				found.add(broken, "The store cannot be opened: %s.", oneLine(err.Error()))
			}
			found = append(found, inside...)
		}
		for _, one := range found {
			fmt.Fprintf(s.out, "%s: %s\n", gradeNames[one.Grade], one.Text)
		}
		if worst := found.worst(); worst != fine {
			return &exitError{int(worst)}
		}
		return nil
	}
}

// files looks at what lies on the disk; it reports whether there is a data directory.
func (f *findings) files(dir string) bool {
	info, err := os.Stat(filepath.Clean(dir))
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.add(broken, "There is no data directory %s. Name it with --data, or make one with kith serve.", dir)
		return false
	case err != nil:
		f.add(broken, "The data directory cannot be looked at: %s.", err)
		return false
	case !info.IsDir():
		f.add(broken, "%s is not a directory.", dir)
		return false
	case info.Mode().Perm()&0o077 != 0:
		f.add(warning, "Others may enter the data directory %s. Run: chmod 700 %s", dir, dir)
	default:
		f.add(fine, "Only its owner enters the data directory %s.", dir)
	}
	f.identity(dir)
	f.disk(dir)
	return true
}

func (f *findings) identity(dir string) {
	path := filepath.Clean(dir) + ".identity"
	if given := os.Getenv("CREDENTIALS_DIRECTORY"); given != "" {
		//nolint:gosec // systemd names the folder
		if _, err := os.Stat(filepath.Join(given, "kith-identity")); err == nil {
			path = filepath.Join(given, "kith-identity")
		}
	}
	info, err := os.Stat(path) //nolint:gosec // the operator names it
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.add(warning, "There is no identity file %s here. That is right only when systemd hands it to the server.", path)
	case err != nil:
		f.add(broken, "The identity file cannot be looked at: %s.", err)
	case info.Mode().Perm()&0o077 != 0:
		f.add(warning, "Others may read the identity file %s. Run: chmod 600 %s", path, path)
	default:
		f.add(fine, "Only its owner reads the identity file %s. Keep a copy of it in a safe place.", path)
	}
}

// The free space below which the doctor warns, and below which kith is about to stop taking messages.
const (
	littleSpace = 2 << 30
	noSpace     = 200 << 20
)

func (f *findings) disk(dir string) {
	free, err := freeOf(dir)
	switch {
	case err != nil:
		f.add(warning, "%s.", err)
	case free < noSpace:
		f.add(broken, "The disk of the data directory is full: %d MB are free. Free some space.", free>>20)
	case free < littleSpace:
		f.add(warning, "The disk of the data directory is nearly full: %d MB are free.", free>>20)
	default:
		f.add(fine, "%d GB are free on the disk of the data directory.", free>>30)
	}
}

// check looks at the open installation, from inside the process that has it open.
func (h *house) check(ctx context.Context, p checkParams) (findings, error) {
	var f findings
	if h.about != nil {
		f.add(fine, "kith %s runs at %s, TLS: %s.", version, h.about.url, h.about.tls.Mode)
		h.checkCertificate(ctx, &f)
	} else {
		f.add(fine, "The store opens; no server runs on it.")
	}
	if err := h.desk.Ready(); err != nil {
		f.add(broken, "Messages cannot be stored: %s.", err)
	} else {
		f.add(fine, "The store takes writes.")
	}
	spaceFinding(&f, h.db.Space())
	h.checkStandbys(&f)
	h.checkKeys(&f)
	if err := h.checkRetention(ctx, &f); err != nil {
		return nil, err
	}
	if err := h.checkBackups(ctx, &f); err != nil {
		return nil, err
	}
	owned, err := h.desk.HasOwner(ctx)
	if err != nil {
		return nil, err
	}
	if !owned {
		f.add(warning, "Nobody owns this kith yet. Open the claim link that kith serve prints, or run kith user add --role owner.")
	}
	n, err := h.desk.OutboxLen(ctx)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		f.add(fine, "%d messages and notices wait to be sent.", n)
	}
	return f, h.checkInboxes(ctx, &f, p.Network)
}

// soon is how long before its end a certificate should have been renewed.
const soon = 7 * 24 * time.Hour

func (h *house) checkCertificate(ctx context.Context, f *findings) {
	t := h.about.tls
	end, err := t.Expires(ctx, h.db)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.add(warning, "There is no certificate for %s yet. The authority must reach ports 80 and 443 of this server under that name; the log says why it could not.", t.Domain)
	case err != nil:
		f.add(warning, "The certificate cannot be looked at: %s.", err)
	case end.IsZero():
	case time.Until(end) < 0:
		f.add(broken, "The certificate ended on %s. Browsers and networks refuse it.", end.Format(time.DateOnly))
	case time.Until(end) < soon:
		f.add(warning, "The certificate ends on %s and should have been renewed.", end.Format(time.DateOnly))
	default:
		f.add(fine, "The certificate is valid until %s.", end.Format(time.DateOnly))
	}
}

func (h *house) checkInboxes(ctx context.Context, f *findings, network bool) error {
	all, err := h.desk.Inboxes(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		f.add(warning, "No inbox is connected. Run: kith help inbox add whatsapp")
	}
	for i := range all {
		if err := h.checkInbox(ctx, f, &all[i], network); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) checkInbox(ctx context.Context, f *findings, in *app.Inbox, network bool) error {
	name := fmt.Sprintf("Inbox %d (%s, %s)", in.ID, in.Kind, in.Name)
	ch, ok := h.set[in.Kind]
	if !ok {
		f.add(broken, "%s: this kith does not know the channel.", name)
		return nil
	}
	if err := ch.Check(in.Settings); err != nil {
		f.add(broken, "%s: %s.", name, err)
		return nil
	}
	unread, err := h.desk.Unreadable(ctx, app.Host(), in.ID, 100)
	if err != nil {
		return err
	}
	if len(unread) > 0 {
		f.add(warning, "%s: %d webhooks could not be read; see the page Channels.", name, len(unread))
	}
	if in.Paused != nil {
		f.add(warning, "%s sends nothing since %s: %s %s", name, in.PausedAt.Time().Format(time.RFC3339), in.Paused.Title, in.Paused.Detail)
		return nil
	}
	if !network {
		f.add(fine, "%s is connected.", name)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := ch.Open(in.Settings, h.client(in)).Probe(ctx); err != nil {
		f.add(warning, "%s: the network did not accept a call: %s.", name, oneLine(err.Error()))
		return nil
	}
	f.add(fine, "%s: the network answers.", name)
	return nil
}
