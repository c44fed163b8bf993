// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
)

// replica is a server that may follow this one. Numbers of fields are never used
// again.
type replica struct {
	Name      string `cbor:"1,keyasint"`
	Token     []byte `cbor:"2,keyasint"`           // SHA-256 of the secret
	Recipient string `cbor:"3,keyasint,omitempty"` // set by whoever joins first with the token
	Added     int64  `cbor:"4,keyasint"`           // unix seconds
	Ring      uint64 `cbor:"5,keyasint,omitempty"` // the generation of the keyring that it acknowledged
}

var replicas = NewTable("replica", func(*replica) Subject { return Nobody })

// Replica is a server that may follow this one.
type Replica struct {
	ID     uint64    `json:"id"`
	Name   string    `json:"name"`
	Added  time.Time `json:"added"`
	Joined bool      `json:"joined"` // it has come at least once
	// Ring is the generation of the keyring that it acknowledged.
	Ring uint64 `json:"ring"`
	// Seen is when it last asked since this server started; zero for never.
	Seen time.Time `json:"seen,omitzero"`
	// Behind is how many segments of the op log it has not taken yet.
	Behind uint64 `json:"behind"`
}

// standbys is what is known in RAM of those who follow.
type standbys struct {
	mu    sync.Mutex
	known map[uint64]*standbySeen
}

type standbySeen struct {
	r    replica
	seen time.Time
	next uint64 // the segment it will ask for
}

const tokenPrefix = "kithf_"

// AddReplica lets another server follow this one and returns the token that it
// shows; whoever shows it first is that server from then on.
func (db *DB) AddReplica(ctx context.Context, name string) (token string, err error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || len(name) > 100 {
		return "", errors.New("a standby has a name of at most 100 bytes")
	}
	for _, r := range db.Replicas() {
		if r.Name == name {
			return "", fmt.Errorf("there is a standby of the name %q; give this one another name", name)
		}
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:])
	sum := sha256.Sum256(secret[:])
	r := replica{Name: name, Token: sum[:]}
	var id uint64
	err = db.Update(ctx, func(tx *Tx) error {
		id, r.Added = tx.NextID(), tx.Now().Unix()
		return replicas.Put(tx, id, &r)
	})
	if err != nil {
		return "", err
	}
	db.standbys.mu.Lock()
	defer db.standbys.mu.Unlock()
	db.standbys.known[id] = &standbySeen{r: r}
	return tokenPrefix + strconv.FormatUint(id, 36) + "_" + base64.RawURLEncoding.EncodeToString(secret[:]), nil
}

// RemoveReplica ends the right of a server to follow. What it has it keeps: keys
// destroyed later are not destroyed there.
func (db *DB) RemoveReplica(ctx context.Context, name string) error {
	for _, r := range db.Replicas() {
		if r.Name != name {
			continue
		}
		if err := db.Update(ctx, func(tx *Tx) error { return replicas.Delete(tx, Nobody, r.ID) }); err != nil {
			return err
		}
		db.standbys.mu.Lock()
		delete(db.standbys.known, r.ID)
		db.standbys.mu.Unlock()
		return db.openOplog(ctx)
	}
	return fmt.Errorf("%w: no standby has the name %q; kith standby list shows them", ErrNotFound, name)
}

// Replicas lists the servers that may follow this one, by name.
func (db *DB) Replicas() []Replica {
	db.oplog.mu.Lock()
	next := db.oplog.at.Next
	if len(db.oplog.buf) > 0 || db.oplog.busy {
		next++ // a segment that is about to be written
	}
	db.oplog.mu.Unlock()
	db.standbys.mu.Lock()
	defer db.standbys.mu.Unlock()
	all := make([]Replica, 0, len(db.standbys.known))
	for id, s := range db.standbys.known {
		r := Replica{ID: id, Name: s.r.Name, Added: time.Unix(s.r.Added, 0).UTC(), Joined: s.r.Recipient != "", Ring: s.r.Ring, Seen: s.seen}
		if r.Joined {
			r.Behind = next - min(next, s.next)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Replica) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// pendingReplicas names the standbys that have not destroyed yet what the
// generation of the keyring destroyed.
func (db *DB) pendingReplicas(gen uint64) []string {
	var names []string
	for _, r := range db.Replicas() {
		if r.Joined && r.Ring < gen {
			names = append(names, "standby "+r.Name)
		}
	}
	return names
}

// loadReplicas reads who may follow, when the store is opened.
func (db *DB) loadReplicas() error {
	db.oplog = newOplog(db)
	db.standbys.known = map[uint64]*standbySeen{}
	db.onRing = append(db.onRing, db.oplog.ringChanged)
	db.onPending = append(db.onPending, db.pendingReplicas)
	err := db.View(context.Background(), func(tx *Tx) error {
		return replicas.Each(tx, Nobody, func(id uint64, r *replica) error {
			db.standbys.known[id] = &standbySeen{r: *r}
			return nil
		})
	})
	if err != nil {
		return err
	}
	to, err := db.followers()
	if err != nil || len(to) == 0 {
		return err
	}
	return db.oplog.begin(to, db.epoch)
}

// followers are those who joined, as recipients of the op log.
func (db *DB) followers() ([]age.Recipient, error) {
	db.standbys.mu.Lock()
	defer db.standbys.mu.Unlock()
	var keys []string
	for _, s := range db.standbys.known {
		if s.r.Recipient != "" {
			keys = append(keys, s.r.Recipient)
		}
	}
	slices.Sort(keys)
	return parseRecipients(keys)
}

// openOplog lets the op log be written for those who follow now.
func (db *DB) openOplog(ctx context.Context) error {
	to, err := db.followers()
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return db.between(ctx, db.oplog.stop)
	}
	return db.between(ctx, func() error { return db.oplog.begin(to, db.epoch) })
}

// ErrToken says that a token belongs to no server that may follow.
var ErrToken = errors.New("the token belongs to no standby; make one with kith standby add")

// replicaOf finds the server that a token belongs to.
func (db *DB) replicaOf(token string) (id uint64, r replica, err error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(token), tokenPrefix)
	number, secret, ok2 := strings.Cut(text, "_")
	id, nerr := strconv.ParseUint(number, 36, 64)
	raw, serr := base64.RawURLEncoding.DecodeString(secret)
	if !ok || !ok2 || nerr != nil || serr != nil {
		return 0, r, ErrToken
	}
	db.standbys.mu.Lock()
	defer db.standbys.mu.Unlock()
	sum := sha256.Sum256(raw)
	s := db.standbys.known[id]
	if s == nil || subtle.ConstantTimeCompare(sum[:], s.r.Token) != 1 {
		return 0, r, ErrToken
	}
	s.seen = db.now()
	return id, s.r, nil
}

// saveReplica writes what changed of a server that follows.
func (db *DB) saveReplica(ctx context.Context, id uint64, change func(*replica)) error {
	var now replica
	err := db.UpdateFreeing(ctx, func(tx *Tx) error {
		r, err := replicas.Get(tx, Nobody, id)
		if err != nil {
			return err
		}
		change(r)
		now = *r
		return replicas.Put(tx, id, r)
	})
	if err != nil {
		return err
	}
	db.standbys.mu.Lock()
	defer db.standbys.mu.Unlock()
	if s := db.standbys.known[id]; s != nil {
		s.r = now
	}
	return nil
}
