// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"
	"time"

	"kith/app"
	"kith/store"
)

// factor is a person's authenticator app.
type factor struct {
	Agent     app.AgentID `cbor:"1,keyasint"`
	Secret    []byte      `cbor:"2,keyasint,omitempty"` // empty while none is set up
	Last      uint64      `cbor:"3,keyasint,omitempty"` // the newest step whose code was used
	Since     app.Instant `cbor:"4,keyasint,omitempty"`
	Pending   []byte      `cbor:"5,keyasint,omitempty"` // shown, and not confirmed yet
	PendingAt app.Instant `cbor:"6,keyasint,omitempty"`
}

var factors = store.NewTable[factor]("second_factors", func(f *factor) store.Subject { return f.Agent })

// pendingLasts is how long a secret that was shown can be confirmed.
const pendingLasts = time.Hour

func factorOf(tx *store.Tx, id app.AgentID) (*factor, error) {
	f, err := factors.Get(tx, id, 0)
	if errors.Is(err, store.ErrNotFound) {
		return &factor{Agent: id}, nil
	}
	return f, err
}

// missing passes every error on but "not there".
func missing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// hasFactor reports whether the person has a second factor.
func hasFactor(tx *store.Tx, id app.AgentID) (bool, error) {
	f, err := factorOf(tx, id)
	return err == nil && len(f.Secret) > 0, err
}

// Factors is what a person has set up beside the password.
type Factors struct {
	TOTP     bool
	Since    time.Time // of the authenticator app
	Recovery int       // codes that are left
	Demanded bool      // the role has to have a second factor
	Reminded bool      // it should have one, and has none
}

// Any reports whether there is a second factor.
func (f Factors) Any() bool { return f.TOTP }

// Factors returns what the person has set up.
func (a *Auth) Factors(ctx context.Context, p *app.Agent) (out Factors, err error) {
	err = a.db.View(ctx, func(tx *store.Tx) error {
		f, err := factorOf(tx, p.ID)
		if err != nil {
			return err
		}
		policy, err := policyOf(tx)
		if err != nil {
			return err
		}
		out.TOTP, out.Since = len(f.Secret) > 0, f.Since.Time()
		out.Demanded = policy.demands(p.Role, a.insist.Load())
		out.Reminded = policy.demands(p.Role, true) && !out.Any()
		return recoveries.Each(tx, p.ID, func(uint64, *recovery) error {
			out.Recovery++
			return nil
		})
	})
	return out, err
}

// Enrolment is what an authenticator app has to be told.
type Enrolment struct {
	Secret string // in base 32, to be typed
	URI    string // to be drawn as a square
}

// BeginTOTP returns the secret for the person's authenticator app. It is the same for an hour, so that the page may be
// loaded again, and counts for nothing until ConfirmTOTP.
func (a *Auth) BeginTOTP(ctx context.Context, token string) (n Enrolment, err error) {
	p, s, err := a.Holder(ctx, token)
	if err != nil {
		return n, err
	}
	if s.Stage == NeedsFactor {
		return n, ErrHalfway
	}
	issuer, err := a.issuer(ctx)
	if err != nil {
		return n, err
	}
	err = a.db.Update(ctx, func(tx *store.Tx) error {
		f, err := factorOf(tx, p.ID)
		if err != nil {
			return err
		}
		if len(f.Pending) == 0 || tx.Now().Sub(f.PendingAt.Time()) > pendingLasts {
			f.Pending, f.PendingAt = newTOTP(), app.InstantOf(tx.Now())
		}
		n = Enrolment{Secret: base32Plain.EncodeToString(f.Pending), URI: totpURI(f.Pending, issuer, p.Email)}
		return factors.Put(tx, 0, f)
	})
	return n, err
}

func (a *Auth) issuer(ctx context.Context) (string, error) {
	s, err := a.desk.Settings(ctx)
	if err != nil || s.Organisation == "" {
		return "kith", err
	}
	return "kith " + s.Organisation, nil
}

// ConfirmTOTP sets the authenticator app up when code is what it shows. It returns the token that replaces the session's,
// and recovery codes to be shown once. Every other session of the person ends.
func (a *Auth) ConfirmTOTP(ctx context.Context, token, code string, v Visitor) (next string, codes []string, err error) {
	p, s, err := a.Holder(ctx, token)
	if err != nil {
		return "", nil, err
	}
	if s.Stage == NeedsFactor {
		return "", nil, ErrHalfway
	}
	attempt, err := a.slow.begin(a.now(), secondName(p.ID), v.Address)
	if err != nil {
		return "", nil, err
	}
	if err := a.pending(ctx, p.ID, code); err != nil { // before anything slow is done
		return "", nil, err
	}
	codes, hashes, err := a.newCodes(ctx)
	if err != nil {
		return "", nil, err
	}
	err = a.desk.Act(ctx, actor(p), app.MayOwnAccount, app.AuditFactorAdded, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = p.ID
		f, err := factorOf(tx, p.ID)
		if err != nil {
			return err
		}
		step, err := f.confirms(tx, code)
		if err != nil {
			return err
		}
		f.Secret, f.Last, f.Since = f.Pending, step, app.InstantOf(tx.Now())
		f.Pending, f.PendingAt = nil, 0
		if err := errors.Join(factors.Put(tx, 0, f), putCodes(tx, p.ID, hashes)); err != nil {
			return err
		}
		if err := tell(tx, &News{Agent: p.ID, Kind: app.AuditFactorAdded, Device: v.device(), Address: v.Address}); err != nil {
			return err
		}
		next, err = a.renew(tx, s, every)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	a.slow.succeed(attempt)
	a.forget(p.ID)
	return next, codes, nil
}

// pending returns errCode unless the code is what the app shows whose secret the person was told.
func (a *Auth) pending(ctx context.Context, id app.AgentID, code string) error {
	return a.db.View(ctx, func(tx *store.Tx) error {
		f, err := factorOf(tx, id)
		if err == nil {
			_, err = f.confirms(tx, code)
		}
		return err
	})
}

// confirms returns the step of a code of the secret that waits to be confirmed.
func (f *factor) confirms(tx *store.Tx, code string) (uint64, error) {
	step, ok := totpMatch(f.Pending, code, tx.Now(), 0)
	if len(f.Pending) == 0 || tx.Now().Sub(f.PendingAt.Time()) > pendingLasts || !ok {
		return 0, errCode
	}
	return step, nil
}

// renew makes the session whole and fresh under a new token, and ends the old one and those that gone names.
func (a *Auth) renew(tx *store.Tx, s *Session, gone func(uint64, *Session) bool) (token string, err error) {
	old := s.ID
	stored, err := sessions.Get(tx, s.Agent, old)
	if err != nil {
		return "", unknown(err)
	}
	first := stored.Stage != Whole
	if err := endSessions(tx, s.Agent, func(n uint64, o *Session) bool { return n == old || gone(n, o) }); err != nil {
		return "", err
	}
	now := app.InstantOf(tx.Now())
	stored.Stage, stored.ProvedAt, stored.SeenAt = Whole, now, now
	if token, err = stored.seal(tx); err != nil {
		return "", err
	}
	if first {
		err = welcome(tx, stored)
	}
	return token, err
}

func none(uint64, *Session) bool { return false }

var errCode = refused("code", "problem.code_wrong", "This code is not right, or was used already. Enter the newest one.")

// Complete proves the second factor of a session: code is what the authenticator app shows, or a recovery code. It
// returns the token that replaces the session's.
func (a *Auth) Complete(ctx context.Context, token, code string, v Visitor) (next string, err error) {
	p, s, err := a.Holder(ctx, token)
	if err != nil {
		return "", err
	}
	if s.Stage != NeedsFactor {
		return "", refused("", "problem.factor_proved", "You are signed in already.")
	}
	return a.withFactor(ctx, p, s, code, app.AuditSecondFactor, v)
}

// withFactor renews the session when the code of the second factor is right.
func (a *Auth) withFactor(ctx context.Context, p *app.Agent, s *Session, code string, kind app.AuditKind, v Visitor) (next string, err error) {
	attempt, err := a.slow.begin(a.now(), secondName(p.ID), v.Address)
	if err != nil {
		return "", err
	}
	take, used, err := a.taker(ctx, p.ID, code)
	if err != nil {
		return "", err
	}
	if used {
		kind = app.AuditRecoveryUsed
	}
	err = a.desk.Act(store.Freeing(ctx), actor(p), app.MayOwnAccount, kind, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = p.ID
		if err := take(tx); err != nil {
			return err
		}
		if used {
			if err := tell(tx, &News{Agent: p.ID, Kind: kind, Device: v.device(), Address: v.Address}); err != nil {
				return err
			}
		}
		next, err = a.renew(tx, s, none)
		e.Object = s.ID
		return err
	})
	if errors.Is(err, errCode) {
		return "", errors.Join(err, a.failed(ctx, p.ID, secondName(p.ID)))
	}
	if err != nil {
		return "", err
	}
	a.slow.succeed(attempt)
	a.forget(p.ID)
	return next, nil
}

// taker returns what uses the code up inside a transaction, or says errCode there. recovery tells that it is a recovery
// code, whose slow hash was looked at before.
func (a *Auth) taker(ctx context.Context, id app.AgentID, code string) (take func(tx *store.Tx) error, recovery bool, err error) {
	if !isTOTP(code) {
		place, hash, ok, err := a.checkRecovery(ctx, id, code)
		return func(tx *store.Tx) error {
			if !ok {
				return errCode
			}
			if used, err := useRecovery(tx, id, place, hash); err != nil || !used {
				return errors.Join(err, errCode)
			}
			return nil
		}, ok, err
	}
	return func(tx *store.Tx) error {
		f, err := factorOf(tx, id)
		if err != nil {
			return err
		}
		step, ok := totpMatch(f.Secret, code, tx.Now(), f.Last)
		if len(f.Secret) == 0 || !ok {
			return errCode
		}
		f.Last = step
		return factors.Put(tx, 0, f)
	}, false, nil
}

// RemoveFactors takes a person's second factor and recovery codes away and ends their sessions, except the one that keep
// holds. People whose role has to have one cannot take away their own; somebody else can, when a phone was lost.
func (a *Auth) RemoveFactors(ctx context.Context, by app.Actor, id app.AgentID, keep string) error {
	if err := a.mayManage(ctx, by, id); err != nil {
		return err
	}
	p, err := a.desk.Agent(ctx, id)
	if err != nil {
		return err
	}
	_, spared, _ := parted(keep)
	err = a.desk.Act(ctx, by, app.MayOwnAccount, app.AuditFactorRemoved, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = id
		policy, err := policyOf(tx)
		if err != nil {
			return err
		}
		if by.Agent() == id && policy.demands(p.Role, a.insist.Load()) {
			return refused("", "problem.factor_demanded", "Your role has to have a second factor. Set up another app instead: it replaces this one.")
		}
		if err := dropFactors(tx, id); err != nil {
			return err
		}
		if err := tell(tx, &News{Agent: id, Kind: app.AuditFactorRemoved}); err != nil {
			return err
		}
		return endSessions(tx, id, func(n uint64, _ *Session) bool { return n != spared })
	})
	a.forget(id)
	return err
}

func dropFactors(tx *store.Tx, id app.AgentID) error {
	if err := factors.Delete(tx, id, 0); err != nil {
		return err
	}
	for i := range uint64(recoveryCodes) {
		if err := recoveries.Delete(tx, id, i); err != nil {
			return err
		}
	}
	return nil
}
