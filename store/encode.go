// SPDX-License-Identifier: Apache-2.0

package store

import "github.com/fxamacker/cbor/v2"

// encoding and decoding write records as CBOR with numbered fields: compact, and
// readable by older and newer versions, which skip what they do not know.
var (
	encoding = mustMode(cbor.EncOptions{Time: cbor.TimeRFC3339NanoUTC, ShortestFloat: cbor.ShortestFloat16}.UserBufferEncMode())
	// Texts come from strangers: what was written must be readable again, also when it is not UTF-8.
	decoding = mustMode(cbor.DecOptions{
		MaxArrayElements: 1 << 24, MaxMapPairs: 1 << 24, UTF8: cbor.UTF8DecodeInvalid,
	}.DecMode())
)

// mustMode panics for options that contradict each other.
func mustMode[M any](m M, err error) M {
	if err != nil {
		panic(err)
	}
	return m
}
