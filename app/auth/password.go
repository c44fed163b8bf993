// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"kith/app"
	"kith/store"
)

// The lengths of a password: at least so many characters, at most so many bytes.
const (
	MinPassword = 12
	MaxPassword = 1000
)

// The cost of a password's hash: 46 MiB and one pass, as OWASP advises for argon2id. A hash made with other costs is
// made anew when its owner signs in.
const (
	memory  = 46 << 10 // KiB
	passes  = 1
	threads = 1
	saltLen = 16
	keyLen  = 32
)

// hashers bounds how many hashes are made at the same moment, hashQueue how many wait for their turn: sign-ins cannot
// exhaust the memory.
const (
	hashers   = 2
	hashQueue = 64
)

// password is the hash of an agent's password.
type password struct {
	Agent     app.AgentID `cbor:"1,keyasint"`
	PHC       string      `cbor:"2,keyasint"`
	ChangedAt app.Instant `cbor:"3,keyasint"`
}

var passwords = store.NewTable[password]("passwords", func(p *password) store.Subject { return p.Agent })

// checkPassword asks for length, not for kinds of characters, and refuses what everybody tries first.
func checkPassword(pw string, about ...string) error {
	switch {
	case utf8.RuneCountInString(pw) < MinPassword:
		return &app.Problem{
			Kind: app.ErrInvalid, Field: "password", Key: "problem.password_short", Args: []any{MinPassword},
			Text: fmt.Sprintf("Choose a password of at least %d characters, such as four random words.", MinPassword),
		}
	case len(pw) > MaxPassword:
		return &app.Problem{
			Kind: app.ErrInvalid, Field: "password", Key: "problem.password_long", Args: []any{MaxPassword},
			Text: fmt.Sprintf("A password may have at most %d bytes.", MaxPassword),
		}
	case common(pw, about):
		return refused("password", "problem.password_common",
			"This password is easy to guess. Choose another one, such as four random words.")
	}
	return nil
}

// hasher makes and compares hashes, few at a time.
type hasher struct {
	slots   chan struct{}
	waiting *atomic.Int32
	made    *atomic.Int64 // how many it made, so that a test can tell that all answers cost the same
	memory  uint32        // the cost: KiB
	dummy   string        // compared with when nobody has the address, so that it takes as long
}

func newHasher() hasher {
	return hasher{
		slots: make(chan struct{}, hashers), waiting: new(atomic.Int32), made: new(atomic.Int64), memory: memory,
		dummy: phcOf(memory, make([]byte, saltLen), make([]byte, keyLen)),
	}
}

// turn waits for a free slot and returns what gives it back.
func (h hasher) turn(ctx context.Context) (done func(), err error) {
	if h.waiting.Add(1) > hashQueue {
		h.waiting.Add(-1)
		return nil, &SlowDown{Wait: 5e9}
	}
	select {
	case h.slots <- struct{}{}:
		h.made.Add(1)
		return func() {
			<-h.slots
			if h.waiting.Add(-1) == 0 {
				debug.FreeOSMemory() // what a hash takes is more than all the rest of an idle server
			}
		}, nil
	case <-ctx.Done():
		h.waiting.Add(-1)
		return nil, ctx.Err()
	}
}

// make returns the hash of a password in PHC form.
func (h hasher) make(ctx context.Context, pw string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails, by its documentation
	return phcOf(h.memory, salt, argon2.IDKey([]byte(pw), salt, passes, h.memory, threads, keyLen)), nil
}

// check compares a password with a hash; "" stands for nobody's and takes as long.
func (h hasher) check(ctx context.Context, phc, pw string) (right, outdated bool, err error) {
	nobody := phc == ""
	if nobody {
		phc = h.dummy
	}
	p, err := parsePHC(phc)
	if err != nil {
		return false, false, err
	}
	done, err := h.turn(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	if len(pw) > MaxPassword {
		pw, nobody = pw[:MaxPassword], true
	}
	got := argon2.IDKey([]byte(pw), p.salt, p.time, p.memory, p.threads, uint32(len(p.key))) //nolint:gosec // parsed as short
	right = subtle.ConstantTimeCompare(got, p.key) == 1 && !nobody
	return right, p.memory != h.memory || p.time != passes || p.threads != threads, nil
}

// phc is a parsed hash: $argon2id$v=19$m=47104,t=1,p=1$salt$key
type phc struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func phcOf(memory uint32, salt, key []byte) string {
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, memory, passes, threads, e.EncodeToString(salt), e.EncodeToString(key))
}

var errPHC = errors.New("the stored hash of a password has an unknown form")

func parsePHC(s string) (p phc, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, errPHC
	}
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return p, errPHC
	}
	if p.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return p, errPHC
	}
	if p.memory > 1<<20 || p.time == 0 || p.time > 16 || p.threads == 0 || len(p.key) < 16 || len(p.key) > 64 {
		return p, errPHC
	}
	return p, nil
}
