// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238; what every authenticator app computes, and HMAC-SHA1 is not broken
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// One-time passwords by the time of day, as RFC 6238 has them and every authenticator app computes them: six digits of
// HMAC-SHA1 over the number of the half minute.
const (
	totpStep   = 30 // seconds
	totpDigits = 6
	totpSecret = 20 // bytes, as RFC 4226 advises
	totpSkew   = 1  // steps that a clock may be off, either way
)

var base32Plain = base32.StdEncoding.WithPadding(base32.NoPadding)

func newTOTP() []byte {
	b := make([]byte, totpSecret)
	_, _ = rand.Read(b) // never fails, by its documentation
	return b
}

func stepOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / totpStep } //nolint:gosec // not negative

// totpAt returns the digits of a step.
func totpAt(secret []byte, step uint64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	h := mac.Sum(nil)
	at := h[len(h)-1] & 0xf
	n := binary.BigEndian.Uint32(h[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}

// totpMatch returns the step of which code holds the digits: now's, or a neighbour's that came after last. What was used
// once, and everything before it, is refused.
func totpMatch(secret []byte, code string, now time.Time, last uint64) (step uint64, ok bool) {
	code = strings.Join(strings.Fields(code), "")
	at := stepOf(now)
	for s := at - min(at, totpSkew); s <= at+totpSkew; s++ {
		same := subtle.ConstantTimeCompare([]byte(totpAt(secret, s)), []byte(code)) == 1
		if same && s > last && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}

// totpURI is what an app reads from the square: https://github.com/google/google-authenticator/wiki/Key-Uri-Format
func totpURI(secret []byte, issuer, account string) string {
	issuer = strings.ReplaceAll(issuer, ":", " ")
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account}
	q := "secret=" + base32Plain.EncodeToString(secret) + "&issuer=" + url.PathEscape(issuer)
	u.RawQuery = q
	return u.String()
}

// isTOTP reports whether what somebody typed looks like a one-time password rather than anything else.
func isTOTP(s string) bool {
	s = strings.Join(strings.Fields(s), "")
	return len(s) == totpDigits && strings.Trim(s, "0123456789") == ""
}
