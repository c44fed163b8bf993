// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"kith/app/channel"
)

// SignatureHeader carries the signature of a webhook.
const SignatureHeader = "X-Hub-Signature-256"

// Verify returns an error wrapping channel.ErrSignature unless the raw body was signed with one of the app secrets.
// The form is "sha256=" and 64 lower-case hexadecimal digits; exactly one header is accepted.
func (Channel) Verify(s channel.Settings, h http.Header, body []byte) error {
	values := h.Values(SignatureHeader)
	if len(values) != 1 {
		return fmt.Errorf("%s: want one header, have %d: %w", SignatureHeader, len(values), channel.ErrSignature)
	}
	digits, ok := strings.CutPrefix(values[0], "sha256=")
	if !ok || len(digits) != 2*sha256.Size || strings.ToLower(digits) != digits {
		return fmt.Errorf("%s: not of the form sha256=<64 lower-case digits>: %w", SignatureHeader, channel.ErrSignature)
	}
	got, err := hex.DecodeString(digits)
	if err != nil {
		return fmt.Errorf("%s: not hexadecimal: %w", SignatureHeader, channel.ErrSignature)
	}
	right := false
	for _, secret := range secrets(s) {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		right = hmac.Equal(mac.Sum(nil), got) || right
	}
	if !right {
		return channel.ErrSignature
	}
	return nil
}

// Sign returns the header by which Meta would sign the body; tests and the simulator use it.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// secrets are the app secrets that hold now: the new one and, while it is being changed, the old.
func secrets(s channel.Settings) []string {
	var out []string
	for line := range strings.Lines(s[SettingAppSecret]) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
