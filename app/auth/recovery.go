// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"kith/app"
	"kith/store"
)

// Recovery codes let somebody in who lost their second factor, once each. They are shown once; kept is the slow hash of
// each. A code is twelve characters: the first tells which of the ten it is, so that one hash is made to check it; the
// other eleven, of an alphabet of 32 without look-alikes, are 55 random bits.
const (
	recoveryCodes    = 10
	recoveryLength   = 12
	recoveryAlphabet = "abcdefghjkmnpqrstuvwxyz023456789"
)

// recovery is the hash of one code; its number is its place.
type recovery struct {
	Agent app.AgentID `cbor:"1,keyasint"`
	PHC   string      `cbor:"2,keyasint"`
}

var recoveries = store.NewTable[recovery]("recovery_codes", func(r *recovery) store.Subject { return r.Agent })

// newCodes makes ten codes and their hashes.
func (a *Auth) newCodes(ctx context.Context) (codes, hashes []string, err error) {
	for i := range recoveryCodes {
		b := make([]byte, recoveryLength)
		_, _ = rand.Read(b) // never fails, by its documentation
		for j := range b {
			b[j] = recoveryAlphabet[b[j]%32]
		}
		b[0] = byte('0' + i)
		code := string(b)
		phc, err := a.hash.make(ctx, code)
		if err != nil {
			return nil, nil, err
		}
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:])
		hashes = append(hashes, phc)
	}
	return codes, hashes, nil
}

// normalCode returns the code as it was made and its place; ok is false when it cannot be one.
func normalCode(s string) (code string, place uint64, ok bool) {
	s = strings.ToLower(strings.NewReplacer("-", "", " ", "", "\t", "").Replace(s))
	if len(s) != recoveryLength || s[0] < '0' || s[0] > '9' {
		return "", 0, false
	}
	return s, uint64(s[0] - '0'), true
}

// checkRecovery reports whether the code is one of the person's, and its place. It takes as long when it is not.
func (a *Auth) checkRecovery(ctx context.Context, id app.AgentID, typed string) (place uint64, hash string, ok bool, err error) {
	code, place, form := normalCode(typed)
	if form {
		err = a.db.View(ctx, func(tx *store.Tx) error {
			r, err := recoveries.Get(tx, id, place)
			if err == nil {
				hash = r.PHC
			}
			return missing(err)
		})
		if err != nil {
			return 0, "", false, err
		}
	}
	right, _, err := a.hash.check(ctx, hash, code)
	return place, hash, right && form, err
}

// useRecovery takes the code away; false when somebody else used it meanwhile.
func useRecovery(tx *store.Tx, id app.AgentID, place uint64, hash string) (bool, error) {
	r, err := recoveries.Get(tx, id, place)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.PHC != hash {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, recoveries.Delete(tx, id, place)
}

func putCodes(tx *store.Tx, id app.AgentID, hashes []string) error {
	for i, phc := range hashes {
		if err := recoveries.Put(tx, uint64(i), &recovery{Agent: id, PHC: phc}); err != nil { //nolint:gosec // ten
			return err
		}
	}
	return nil
}

// NewRecoveryCodes makes ten new codes for the person who asks and voids the older ones.
func (a *Auth) NewRecoveryCodes(ctx context.Context, by app.Actor) ([]string, error) {
	if err := a.db.View(ctx, func(tx *store.Tx) error { return needsFactor(tx, by.Agent()) }); err != nil {
		return nil, err // before anything slow is done
	}
	codes, hashes, err := a.newCodes(ctx)
	if err != nil {
		return nil, err
	}
	err = a.desk.Act(ctx, by, app.MayOwnAccount, app.AuditRecoveryMade, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = by.Agent()
		if err := needsFactor(tx, by.Agent()); err != nil {
			return err
		}
		if err := tell(tx, &News{Agent: by.Agent(), Kind: app.AuditRecoveryMade}); err != nil {
			return err
		}
		return putCodes(tx, by.Agent(), hashes)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

func needsFactor(tx *store.Tx, id app.AgentID) error {
	have, err := hasFactor(tx, id)
	if err == nil && !have {
		err = refused("", "problem.factor_first", "Set up a second factor first.")
	}
	return err
}
