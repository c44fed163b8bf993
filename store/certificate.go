// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrCertificate is about a certificate that does not prove what it says.
var ErrCertificate = errors.New("the certificate is not valid")

// Certificate states that keys were destroyed, and lets anybody check offline that
// no key that was left can make them again: Positions are the places of all nodes
// that the tree of keys still had, and a key can be made only from a node above
// it. Places say nothing about the nodes' values and are no secret.
//
// The file is this object as JSON, signed as it stands: no byte of it can change.
type Certificate struct {
	Format   string `json:"format"`
	Instance string `json:"instance"`
	// Key is the public ed25519 key of the instance, in base64. That it is the right
	// one can be seen only by comparing it with what the instance shows.
	Key      string    `json:"key"`
	Request  string    `json:"request"`
	Kind     string    `json:"kind"`               // "subject" or "days"
	Subjects []Subject `json:"subjects,omitempty"` // who was erased
	Class    Class     `json:"class,omitempty"`    // all days of the class
	Before   string    `json:"before,omitempty"`   // below this one, as 2006-01-02
	// The keyring had the keys in generation GenerationBefore and has them no more
	// from GenerationAfter on; Positions are of the generation Generation.
	GenerationBefore uint64         `json:"generation_before"`
	GenerationAfter  uint64         `json:"generation_after"`
	Generation       uint64         `json:"generation"`
	DestroyedAt      time.Time      `json:"destroyed_at"`
	IssuedAt         time.Time      `json:"issued_at"`
	Removed          map[string]int `json:"removed"`
	// Strength is "full" when overwriting a file reaches its old blocks on the disk.
	Strength string `json:"strength"`
	// Pending names what has not followed yet: copies of the keyring, replicas.
	Pending         []string `json:"pending"`
	PositionsSHA256 string   `json:"positions_sha256"`
	Positions       string   `json:"positions"`
	Signature       string   `json:"signature"`
}

// Kinds and format of certificates.
const (
	CertificateFormat = "kith-certificate/1"
	kindSubject       = "subject"
	kindDays          = "days"
	dayFormat         = "2006-01-02"
)

// signContext keeps signatures apart from others that the key may make one day.
const signContext = "kith certificate 1\x00"

// certificateDir holds the certificates that were issued.
const certificateDir = "certificates"

// Certify states what was destroyed. An empty request is numbered by the ledger.
// The certificate is kept in the directory of the store, under the returned path.
func (db *DB) Certify(ctx context.Context, d Destroyed, request string) (c Certificate, path string, err error) {
	if d.Nothing() || d.At.IsZero() {
		return c, "", errors.New("store: there is nothing to certify")
	}
	if request == "" {
		request = fmt.Sprintf("%s-%d", kindOf(&d), d.Entry)
	}
	if !requestName.MatchString(request) {
		return c, "", fmt.Errorf("store: %q cannot name a request; use letters, digits, - and _", request)
	}
	key, err := db.signingKey(ctx)
	if err != nil {
		return c, "", err
	}
	if c, err = db.certificate(&d, request); err != nil {
		return c, "", err
	}
	b, err := c.sign(key)
	if err != nil {
		return c, "", err
	}
	if _, err := VerifyCertificate(b); err != nil { // never hand out what does not hold
		return c, "", err
	}
	path, err = db.keepCertificate(&c, d.Entry, b)
	return c, path, err
}

var requestName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func kindOf(d *Destroyed) string {
	if len(d.Subjects) > 0 {
		return kindSubject
	}
	return kindDays
}

// certificate fills in everything but key and signature.
func (db *DB) certificate(d *Destroyed, request string) (Certificate, error) {
	body := db.currentRing()
	c := Certificate{
		Format: CertificateFormat, Instance: db.Instance(), Request: request, Kind: kindOf(d), Subjects: d.Subjects,
		GenerationBefore: d.Before, GenerationAfter: d.After, Generation: body.Gen,
		DestroyedAt: d.At.UTC().Truncate(time.Second), IssuedAt: db.Now().Truncate(time.Second),
		Removed: d.Removed, Strength: db.strength[0], Pending: db.pendingAt(d.After),
	}
	if c.Removed == nil {
		c.Removed = map[string]int{}
	}
	depth, tree := subjectDepth, body.Subjects
	if c.Kind == kindDays {
		c.Class, c.Before = d.Days.Class, d.Days.Day.Time().Format(dayFormat)
		depth, tree = dayDepth, body.Days
	}
	held, err := parseCover(depth, tree)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	places := held.places()
	sum := sha256.Sum256(places)
	c.Positions, c.PositionsSHA256 = base64.StdEncoding.EncodeToString(places), hex.EncodeToString(sum[:])
	return c, nil
}

// keepCertificate writes a certificate into the directory of the store, under the
// name of its request. One about the same destruction is replaced; when a request
// has several, the number in the ledger tells them apart.
func (db *DB) keepCertificate(c *Certificate, entry uint64, b []byte) (string, error) {
	dir := db.path(certificateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", filing("making", dir, err)
	}
	path := filepath.Join(dir, c.Request+".json")
	if old, err := os.ReadFile(path); err == nil { //nolint:gosec // its name was checked
		if was, err := VerifyCertificate(old); err != nil || !was.sameAs(c) {
			path = filepath.Join(dir, fmt.Sprintf("%s-%d.json", c.Request, entry))
		}
	}
	if err := writeFile(path+newSuffix, b); err != nil {
		return "", err
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return "", filing("renaming to", path, err)
	}
	return path, errors.Join(syncDir(dir), syncDir(db.dir))
}

// sameAs tells whether two certificates are about the same destruction.
func (c *Certificate) sameAs(o *Certificate) bool {
	return c.Kind == o.Kind && slices.Equal(c.Subjects, o.Subjects) && c.Class == o.Class && c.Before == o.Before
}

// encode is the file that stands for a certificate, and the only one.
func (c *Certificate) encode() ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a certificate: %w", err)
	}
	return append(b, '\n'), nil
}

// signed is what the signature is over: the file without it.
func (c *Certificate) signed() ([]byte, error) {
	bare := *c
	bare.Signature = ""
	b, err := bare.encode()
	return append([]byte(signContext), b...), err
}

func (c *Certificate) sign(key ed25519.PrivateKey) ([]byte, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, ErrCertificate
	}
	c.Key = base64.StdEncoding.EncodeToString(public)
	b, err := c.signed()
	if err != nil {
		return nil, err
	}
	c.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, b))
	return c.encode()
}

// IsCertificate tells by the first bytes whether a file may be a certificate.
func IsCertificate(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) && bytes.Contains(b[:min(len(b), 200)], []byte("kith-certificate/"))
}

// VerifyCertificate checks a certificate with nothing but itself: its form, its
// signature, and that no node of the tree that was left lies above a key that it
// says was destroyed. ErrCertificate says what is wrong; ErrNewer that another
// kith wrote it.
func VerifyCertificate(b []byte) (Certificate, error) {
	var c Certificate
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%w: it cannot be read", ErrCertificate)
	}
	if c.Format != CertificateFormat {
		if strings.HasPrefix(c.Format, "kith-certificate/") {
			return c, fmt.Errorf("%w: the certificate has the format %.40q", ErrNewer, c.Format)
		}
		return c, fmt.Errorf("%w: this is no certificate of kith", ErrCertificate)
	}
	if again, err := c.encode(); err != nil || !bytes.Equal(again, b) {
		return c, fmt.Errorf("%w: it is not as kith wrote it", ErrCertificate)
	}
	if err := c.checkSignature(); err != nil {
		return c, err
	}
	return c, c.checkPositions()
}

func (c *Certificate) checkSignature() error {
	key, err := base64.StdEncoding.Strict().DecodeString(c.Key)
	sig, serr := base64.StdEncoding.Strict().DecodeString(c.Signature)
	if err != nil || serr != nil || len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: key or signature cannot be read", ErrCertificate)
	}
	b, err := c.signed()
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, b, sig) {
		return fmt.Errorf("%w: it was changed after it was signed", ErrCertificate)
	}
	return nil
}

// checkPositions is the proof: what is left covers nothing of what is destroyed.
func (c *Certificate) checkPositions() error {
	places, err := base64.StdEncoding.Strict().DecodeString(c.Positions)
	if err != nil {
		return fmt.Errorf("%w: the list of positions cannot be read", ErrCertificate)
	}
	if sum := sha256.Sum256(places); hex.EncodeToString(sum[:]) != c.PositionsSHA256 {
		return fmt.Errorf("%w: the list of positions is not the one that was signed", ErrCertificate)
	}
	if c.GenerationAfter <= c.GenerationBefore || c.Generation < c.GenerationAfter {
		return fmt.Errorf("%w: the generations of the keyring are out of order", ErrCertificate)
	}
	switch c.Kind {
	case kindSubject:
		return c.checkSubjects(places)
	case kindDays:
		return c.checkDays(places)
	}
	return fmt.Errorf("%w: it is about %.40q, which this kith does not know", ErrCertificate, c.Kind)
}

func (c *Certificate) checkSubjects(places []byte) error {
	left, err := parsePlaces(subjectDepth, places)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if len(c.Subjects) == 0 || c.Class != 0 || c.Before != "" || !slices.IsSorted(c.Subjects) {
		return fmt.Errorf("%w: it does not say who was erased", ErrCertificate)
	}
	for _, s := range c.Subjects {
		if _, _, alive := left.find(uint64(s)); alive {
			return fmt.Errorf("%w: the key of subject %d can still be made from what was left", ErrCertificate, s)
		}
	}
	return nil
}

func (c *Certificate) checkDays(places []byte) error {
	left, err := parsePlaces(dayDepth, places)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	before, err := time.Parse(dayFormat, c.Before)
	if err != nil || c.Class == Permanent || len(c.Subjects) > 0 {
		return fmt.Errorf("%w: it does not say which days were destroyed", ErrCertificate)
	}
	lo, hi := DayKey{Class: c.Class}.leaf(), DayKey{c.Class, DayOf(before)}.leaf()
	if left.overlaps(lo, hi) {
		return fmt.Errorf("%w: keys of days before %s can still be made from what was left", ErrCertificate, c.Before)
	}
	return nil
}

// places lists where the nodes of a cover are: the differences between their
// places in ascending order, as varints. A place is level<<56 | prefix.
func (c *cover) places() []byte {
	var b []byte
	last := uint64(0)
	for _, k := range c.sorted() {
		b = binary.AppendUvarint(b, k-last)
		last = k
	}
	return b
}

// parsePlaces reads what places wrote, as a cover whose nodes hold nothing.
func parsePlaces(depth int, b []byte) (*cover, error) {
	c := &cover{depth, map[uint64]node{}}
	for last := uint64(0); len(b) > 0; {
		d, n := binary.Uvarint(b)
		if n <= 0 || (d == 0 && len(c.nodes) > 0) {
			return nil, errors.New("the list of positions is damaged")
		}
		last, b = last+d, b[n:]
		if level := int(last >> 56); level > depth || last<<8>>8 >= 1<<level {
			return nil, errors.New("the list of positions names one outside the tree")
		}
		c.nodes[last] = node{}
	}
	return c, nil
}
