// SPDX-License-Identifier: Apache-2.0

package auth

import "time"

// Hashes returns how many slow hashes were made.
func (a *Auth) Hashes() int64 { return a.hash.made.Load() }

// CodeAt returns what an authenticator app with the secret shows.
func CodeAt(secret string, at time.Time) string {
	b, err := base32Plain.DecodeString(secret)
	if err != nil {
		panic(err)
	}
	return totpAt(b, stepOf(at))
}

// TOTPAt returns the digits of a secret in plain bytes.
func TOTPAt(secret []byte, at time.Time) string { return totpAt(secret, stepOf(at)) }

// Common is the list of passwords that are refused.
func Common() []byte { return commonList }

// Refused reports whether a password is refused as common.
func Refused(pw string) bool { return common(pw, nil) }

// DeviceOf returns the words for what a browser says about itself.
func DeviceOf(browser string) string { return Visitor{Browser: browser}.device() }

// Cheapen makes hashes that cost next to nothing, for tests that are not about their cost.
func (a *Auth) Cheapen() {
	a.hash.memory = 64
	a.hash.dummy = phcOf(64, make([]byte, saltLen), make([]byte, keyLen))
}
