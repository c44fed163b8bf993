// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/subtle"
	"time"

	"kith/app"
	"kith/store"
)

// ClaimLasts is how long a claim link is worth something. Another start, or kith user claim, makes a new one.
const ClaimLasts = 15 * time.Minute

// NewClaim makes the token of a claim link while nobody owns the installation; it returns "" once somebody does. Only its
// hash is kept, in memory: each call makes a new one, and the older ones are worth nothing.
func (a *Auth) NewClaim(ctx context.Context) (string, error) {
	owned, err := a.desk.HasOwner(ctx)
	if err != nil || owned {
		return "", err
	}
	token := secret()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claim, a.claimUntil = sum(token), a.now().Add(ClaimLasts)
	return token, nil
}

// CheckClaim returns nil while the token claims the installation.
func (a *Auth) CheckClaim(ctx context.Context, token string) error {
	a.mu.Lock()
	want := a.claim
	if !a.now().Before(a.claimUntil) {
		want = [32]byte{}
	}
	a.mu.Unlock()
	got := sum(token)
	owned, err := a.desk.HasOwner(ctx)
	if err != nil {
		return err
	}
	if owned || want == [32]byte{} || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return &app.Problem{
			Kind: app.ErrNotFound, Key: "problem.claim_used",
			Text: "This claim link is not valid any more: it lasts 15 minutes. Run kith user claim for a new one, or sign in if somebody has claimed it.",
		}
	}
	return nil
}

// NewOwner is who claims an installation.
type NewOwner struct {
	Name, Email, Password string
	Visitor               Visitor
}

// Claim makes the first owner and signs them in. However many hold the link, one of them wins.
func (a *Auth) Claim(ctx context.Context, token string, n NewOwner) (session string, err error) {
	if err := a.CheckClaim(ctx, token); err != nil {
		return "", err
	}
	if err := checkPassword(n.Password, n.Email, n.Name); err != nil {
		return "", err
	}
	phc, err := a.hash.make(ctx, n.Password)
	if err != nil {
		return "", err
	}
	p, err := a.desk.Claim(ctx, app.NewAgent{
		Name: n.Name, Email: n.Email, Also: func(tx *store.Tx, id app.AgentID) error {
			return passwords.Put(tx, 0, &password{Agent: id, PHC: phc, ChangedAt: app.InstantOf(tx.Now())})
		},
	})
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	a.claim = [32]byte{}
	a.mu.Unlock()
	return a.enter(ctx, p, n.Visitor)
}
