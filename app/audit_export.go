// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"kith/store"
)

// An export is lines of JSON: a head, the entries, and a signed checkpoint over all of them.
//
//	{"kith_audit":1,"key":"...","base":{"size":0,"roots":[],"chain":"..."}}
//	{"seq":1,"at":"...","kind":1,"act":"agent_added","actor":{...},"prev":"..."}
//	{"checkpoint":"kith-audit\n2\n...","entries":2}

// auditExportVersion is the format that is written and read.
const auditExportVersion = 1

type auditHeadLine struct {
	Version int       `json:"kith_audit"`
	Key     string    `json:"key"`
	Base    auditFrom `json:"base"`
}

// auditFrom is the trail before the first entry of an export; entries that were kept long enough are destroyed.
type auditFrom struct {
	Size  uint64   `json:"size"`
	Roots []string `json:"roots"`
	Chain string   `json:"chain"`
	Seq   uint64   `json:"seq"`
}

type auditLine struct {
	Seq     uint64    `json:"seq"`
	At      string    `json:"at"`
	Kind    AuditKind `json:"kind"`
	Act     string    `json:"act"`
	Actor   auditWho  `json:"actor"`
	About   uint64    `json:"about,omitempty"`
	Object  uint64    `json:"object,omitempty"`
	Message uint64    `json:"message,omitempty"`
	Prev    string    `json:"prev"`
}

type auditWho struct {
	Kind ActorKind `json:"kind"`
	ID   uint64    `json:"id,omitempty"`
	Role Role      `json:"role,omitempty"`
}

type auditEndLine struct {
	Checkpoint string `json:"checkpoint"`
	Entries    int    `json:"entries"`
}

// ExportAudit writes the whole trail with a signed checkpoint, after it wrote down that it did.
func (d *Desk) ExportAudit(ctx context.Context, a Actor, w io.Writer) (entries int, err error) {
	if err := d.act(ctx, a, MayAudit, AuditExported, func(*store.Tx, *AuditEvent) error { return nil }); err != nil {
		return 0, err
	}
	key, err := d.auditKey(ctx)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(w)
	err = d.db.View(ctx, func(tx *store.Tx) error {
		_, base, err := auditBase(tx, ascending(auditTrail.Days(tx)), true)
		if err != nil {
			return err
		}
		if err := writeLine(out, auditHeadLine{auditExportVersion, key.Verifier, fromOf(&base)}); err != nil {
			return err
		}
		walk, err := walkAudit(tx, func(e *AuditEvent) error {
			entries++
			return writeLine(out, lineOf(e))
		})
		if err != nil {
			return err
		}
		text, err := signed(&walk.at, key.Signer)
		if err != nil {
			return err
		}
		return writeLine(out, auditEndLine{text, entries})
	})
	if err != nil {
		return entries, err
	}
	return entries, out.Flush()
}

func ascending(days []store.DayKey) []store.DayKey {
	days = newestFirst(days)
	slices.Reverse(days)
	return days
}

func fromOf(at *auditDay) auditFrom {
	return auditFrom{at.Tree.Size, hexes(at.Tree.Roots), hex.EncodeToString(at.Chain[:]), at.Seq}
}

func lineOf(e *AuditEvent) auditLine {
	return auditLine{
		Seq: e.Seq, At: e.At.Time().Format(time.RFC3339Nano), Kind: e.Kind, Act: e.Kind.String(),
		Actor: auditWho{e.Actor.Kind, e.Actor.ID, e.Actor.Role}, About: uint64(e.Subject), Object: e.Object,
		Message: e.Message, Prev: hex.EncodeToString(e.Prev[:]),
	}
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the audit trail: %w", err)
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("writing the audit trail: %w", err)
	}
	return nil
}

// event is the entry that a line holds.
func (l *auditLine) event() (*AuditEvent, error) {
	at, err := time.Parse(time.RFC3339Nano, l.At)
	if err != nil {
		return nil, errors.New("has no time")
	}
	prev, err := hashIn(l.Prev)
	if err != nil || l.About > 1<<32-1 {
		return nil, errors.New("cannot be read")
	}
	if name, known := auditNames[l.Kind]; known && name != l.Act {
		return nil, fmt.Errorf("says %q for act %d", l.Act, l.Kind)
	}
	return &AuditEvent{
		Seq: l.Seq, Kind: l.Kind, Actor: Actor{Kind: l.Actor.Kind, ID: l.Actor.ID, Role: l.Actor.Role}, At: InstantOf(at),
		Subject: store.Subject(l.About), Object: l.Object, Message: l.Message, Prev: prev,
	}, nil
}

// strict reads a line into v and refuses one that kith would not have written exactly so.
func strict(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New("cannot be read")
	}
	again, err := json.Marshal(v)
	if err != nil || !bytes.Equal(again, line) {
		return errors.New("is not as kith writes it")
	}
	return nil
}

// AuditTrust is what whoever checks an export knows from elsewhere. What is empty is not asked for, and then the export
// proves only that it is of one piece.
type AuditTrust struct {
	Key     string // the public key of the installation: kith audit key
	Witness string // an earlier checkpoint: what it says must still be so
}

// AuditReport is what a check of an export found.
type AuditReport struct {
	Entries int
	Before  uint64 // entries that were destroyed before, after their time
	First   time.Time
	Last    time.Time
	Key     string
}

// VerifyAuditExport checks an export without a store: every entry follows the one before, all of them are what the
// checkpoint at the end was signed for, and what an earlier checkpoint says is still so.
func VerifyAuditExport(r io.Reader, trust AuditTrust) (AuditReport, error) {
	v := auditVerifier{trust: trust}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		if err := v.line(s.Bytes()); err != nil {
			return v.report, fmt.Errorf("line %d %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return v.report, fmt.Errorf("reading the export: %w", err)
	}
	return v.report, v.finish()
}

// IsAuditExport reports whether a file that begins so is an export of an audit trail.
func IsAuditExport(beginning []byte) bool {
	return bytes.HasPrefix(beginning, []byte(`{"kith_audit":`))
}

type auditVerifier struct {
	trust   AuditTrust
	report  AuditReport
	at      auditDay
	begun   bool
	ended   bool
	witness *opened
	seen    bool // the trail was as the witness says
}

func (v *auditVerifier) line(b []byte) error {
	switch {
	case !v.begun:
		return v.head(b)
	case v.ended:
		return errors.New("comes after the checkpoint")
	case bytes.HasPrefix(b, []byte(`{"checkpoint":`)):
		return v.end(b)
	}
	var l auditLine
	if err := strict(b, &l); err != nil {
		return err
	}
	e, err := l.event()
	if err != nil {
		return err
	}
	if again := lineOf(e); again != l {
		return errors.New("is not as kith writes it")
	}
	if err := v.at.follow(e); err != nil {
		return fmt.Errorf("is wrong: %w", err)
	}
	if v.report.Entries == 0 {
		v.report.First = e.At.Time()
	}
	v.report.Entries++
	v.report.Last = e.At.Time()
	return v.look()
}

func (v *auditVerifier) head(b []byte) error {
	var h auditHeadLine
	if err := strict(b, &h); err != nil {
		return err
	}
	if h.Version != auditExportVersion {
		return fmt.Errorf("is of version %d, which this kith does not know", h.Version)
	}
	if v.trust.Key == "" {
		v.trust.Key = h.Key
	}
	if h.Key != v.trust.Key {
		return errors.New("names another key than the one that is trusted: this is not the trail of that installation")
	}
	roots, err := hashes(h.Base.Roots)
	if err != nil {
		return err
	}
	chain, err := hashIn(h.Base.Chain)
	if err != nil {
		return err
	}
	v.begun, v.at = true, auditDay{auditTree{h.Base.Size, roots}, chain, h.Base.Seq}
	v.report.Before, v.report.Key = h.Base.Size, h.Key
	if !v.at.Tree.whole() {
		return errors.New("does not say what was there before")
	}
	if v.trust.Witness == "" {
		return nil
	}
	w, err := openCheckpoint(v.trust.Witness, v.trust.Key)
	if err != nil {
		return fmt.Errorf("cannot be compared: %w", err)
	}
	if v.witness = &w; w.size < h.Base.Size {
		return errors.New("begins after the earlier checkpoint; compare with a younger one")
	}
	return v.look()
}

// look compares the trail with the earlier checkpoint once it is as long.
func (v *auditVerifier) look() error {
	if v.witness == nil || v.at.Tree.Size != v.witness.size {
		return nil
	}
	if v.seen = v.at.Tree.root() == v.witness.root; !v.seen {
		return errors.New("contradicts the earlier checkpoint: entries were changed since")
	}
	return nil
}

func (v *auditVerifier) end(b []byte) error {
	var l auditEndLine
	if err := strict(b, &l); err != nil {
		return err
	}
	c, err := openCheckpoint(l.Checkpoint, v.trust.Key)
	if err != nil {
		return err
	}
	if c.size != v.at.Tree.Size || c.root != v.at.Tree.root() || l.Entries != v.report.Entries ||
		c.chain != base64.StdEncoding.EncodeToString(v.at.Chain[:]) {
		return errors.New("was signed for other entries than those above")
	}
	v.ended = true
	return nil
}

func (v *auditVerifier) finish() error {
	switch {
	case !v.begun:
		return errors.New("this is no export of an audit trail")
	case !v.ended:
		return errors.New("the export ends without its checkpoint: something is missing at the end")
	case v.witness != nil && !v.seen:
		return errors.New("the trail is shorter than the earlier checkpoint says: it was rolled back")
	}
	return nil
}
