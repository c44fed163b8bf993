// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// wamid makes a message id in the form of the network's own: base64 of a short
// record that holds the other side's number and a random part. The lock is held.
func (w *World) wamid(other string, fromCustomer bool) string {
	tag, length := byte(0x11), 18
	if fromCustomer {
		tag, length = 0x12, 20
	}
	b := append([]byte{0x1c, 0x18, byte(len(other))}, other...)
	b = append(b, 0x15, 0x02, 0x00, tag, 0x18, byte(length))
	b = append(b, w.random("0123456789ABCDEF", length)...)
	b = append(b, 0x00)
	return "wamid." + base64.StdEncoding.EncodeToString(b)
}

// random draws n letters of an alphabet. The lock is held.
func (w *World) random(alphabet string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(alphabet[w.rnd.IntN(len(alphabet))])
	}
	return b.String()
}

func (w *World) mediaID() string {
	return strconv.Itoa(1+w.rnd.IntN(9)) + w.random("0123456789", 15)
}

func (w *World) trace() string {
	return "A" + w.random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", 22)
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// digits keeps the digits of a phone number; false when it is not one.
func digits(s string) (string, bool) {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '+' && i == 0, r == ' ', r == '-', r == '(', r == ')':
		default:
			return "", false
		}
	}
	return b.String(), b.Len() >= 7 && b.Len() <= 15
}
