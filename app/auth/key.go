// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kith/app"
	"kith/store"
)

// Key is what a program proves itself with. The key itself, "kith_<id>_<secret>", is shown once and never stored.
type Key struct {
	ID        uint64      `cbor:"-"`
	Name      string      `cbor:"1,keyasint"`
	Role      app.Role    `cbor:"2,keyasint"`
	Hash      [32]byte    `cbor:"3,keyasint"`
	CreatedAt app.Instant `cbor:"4,keyasint"`
	ExpiresAt app.Instant `cbor:"5,keyasint,omitempty"` // 0 = never
	SeenAt    app.Instant `cbor:"6,keyasint,omitempty"` // to the hour
}

var apiKeys = store.NewTable[Key]("api_keys", func(*Key) store.Subject { return store.Nobody })

// NewKey is what is needed to make a key; a zero Lasts never expires.
type NewKey struct {
	Name  string
	Role  app.Role
	Lasts time.Duration
	Scope app.Scope // what the key sees; the zero Scope is everything that its role does
}

// AddKey makes a key and returns it as text, for the only time. Nobody makes a key that may more than they may.
func (a *Auth) AddKey(ctx context.Context, by app.Actor, n NewKey) (text string, k *Key, err error) {
	n.Name = strings.TrimSpace(n.Name)
	switch {
	case n.Name == "" || len(n.Name) > 200:
		return "", nil, refused("name", "problem.key_name", "Enter a name for the key, such as the program that will use it.")
	case n.Lasts < 0:
		return "", nil, refused("expires", "problem.key_expires", "Enter how long the key lasts, such as 90d.")
	}
	switch err := a.desk.CheckRole(ctx, by, n.Role); {
	case errors.Is(err, app.ErrForbidden):
		return "", nil, refused("role", "problem.key_role", "A key may not have a higher role than your own.")
	case err != nil:
		return "", nil, err
	}
	err = a.desk.Act(ctx, by, app.MayAgents, app.AuditKeyAdded, func(tx *store.Tx, e *app.AuditEvent) error {
		now := tx.Now()
		k = &Key{ID: tx.NextID(), Name: n.Name, Role: n.Role, CreatedAt: app.InstantOf(now)}
		if n.Lasts > 0 {
			k.ExpiresAt = app.InstantOf(now.Add(n.Lasts))
		}
		e.Object = k.ID
		text = fmt.Sprintf("kith_%s_%s", strconv.FormatUint(k.ID, 36), secret())
		k.Hash = sum(text)
		if err := a.desk.LimitKey(tx, k.ID, n.Scope); err != nil {
			return err
		}
		return apiKeys.Put(tx, k.ID, k)
	})
	if err != nil {
		return "", nil, err
	}
	return text, k, nil
}

// Keys lists every key without its secret.
func (a *Auth) Keys(ctx context.Context, by app.Actor) (out []Key, err error) {
	err = a.desk.Look(ctx, by, app.MayAgents, func(tx *store.Tx) error {
		return apiKeys.Each(tx, store.Nobody, func(id uint64, k *Key) error {
			k.ID = id
			out = append(out, *k)
			return nil
		})
	})
	return out, err
}

// RemoveKey takes a key back; it opens nothing from now on.
func (a *Auth) RemoveKey(ctx context.Context, by app.Actor, id uint64) error {
	return a.desk.Act(ctx, by, app.MayAgents, app.AuditKeyRemoved, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Object = id
		if _, err := apiKeys.Get(tx, store.Nobody, id); err != nil {
			return &app.Problem{Kind: app.ErrNotFound, Key: "problem.key_missing", Text: "This key does not exist."}
		}
		return apiKeys.Delete(tx, store.Nobody, id)
	})
}

// Key returns the actor that a bearer stands for, or ErrUnauthenticated.
func (a *Auth) Key(ctx context.Context, bearer string) (app.Actor, error) {
	rest, ok := strings.CutPrefix(bearer, "kith_")
	num, secret, cut := strings.Cut(rest, "_")
	id, err := strconv.ParseUint(num, 36, 64)
	if !ok || !cut || err != nil || len(secret) != 43 {
		return app.Actor{}, ErrUnauthenticated
	}
	var k *Key
	err = a.db.View(ctx, func(tx *store.Tx) (err error) {
		k, err = apiKeys.Get(tx, store.Nobody, id)
		return unknown(err)
	})
	if err != nil {
		return app.Actor{}, err
	}
	hash, now := sum(bearer), a.now()
	if subtle.ConstantTimeCompare(hash[:], k.Hash[:]) != 1 {
		return app.Actor{}, ErrUnauthenticated
	}
	if k.ExpiresAt != 0 && !now.Before(k.ExpiresAt.Time()) {
		return app.Actor{}, ErrUnauthenticated
	}
	if now.Sub(k.SeenAt.Time()) >= touchEvery {
		a.seen(ctx, id)
	}
	return app.Actor{Kind: app.ActorKey, ID: id, Role: k.Role}, nil
}

// seen writes down that a key is in use; that it cannot be written shuts nobody out.
func (a *Auth) seen(ctx context.Context, id uint64) {
	err := a.db.Update(ctx, func(tx *store.Tx) error {
		k, err := apiKeys.Get(tx, store.Nobody, id)
		if err != nil {
			return unknown(err)
		}
		k.SeenAt = app.InstantOf(tx.Now())
		return apiKeys.Put(tx, id, k)
	})
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "the use of a key could not be written down", "key", id, "error", err)
	}
}
