// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"fmt"
)

// wireCommit is a commit in a segment: buckets are named once, and of the header
// of a sealed value only what differs between values is kept. Numbers of fields
// are never used again.
type wireCommit struct {
	Number  uint64       `cbor:"1,keyasint"`
	Places  []wirePlace  `cbor:"2,keyasint"`
	Changes []wireChange `cbor:"3,keyasint"`
}

type wirePlace struct {
	_     struct{} `cbor:",toarray"`
	Table []byte
	Part  []byte
}

type wireChange struct {
	_     struct{} `cbor:",toarray"`
	What  changeKind
	Place int
	Key   []byte
	Value []byte
}

// changePacked is a changePut whose value was packed.
const changePacked changeKind = 4

// wirer brings commits into their form on the wire, in memory that it uses again.
type wirer struct {
	commit wireCommit
	index  map[string]int
	name   []byte
	packed []byte
}

// wire refers to the memory of c and to that of w until the next call.
func (w *wirer) wire(c *committed) *wireCommit {
	if w.index == nil {
		w.index = map[string]int{}
	}
	clear(w.index)
	w.packed = w.packed[:0]
	out := &w.commit
	clear(out.Changes)
	out.Number, out.Places, out.Changes = c.number, out.Places[:0], out.Changes[:0]
	for i := range c.changes {
		one := &c.changes[i]
		w.name = append(append(append(w.name[:0], one.in.table...), 0), one.in.part...)
		at, ok := w.index[string(w.name)]
		if !ok {
			at = len(out.Places)
			w.index[string(w.name)] = at
			out.Places = append(out.Places, wirePlace{Table: one.in.table, Part: one.in.part})
		}
		what, value := one.what, one.value
		if what == changePut {
			start := len(w.packed)
			if grown, ok := packValue(w.packed, value); ok {
				w.packed = grown
				what, value = changePacked, w.packed[start:len(w.packed):len(w.packed)]
			}
		}
		out.Changes = append(out.Changes, wireChange{What: what, Place: at, Key: one.key, Value: value})
	}
	return out
}

// record is the commit as it was.
func (c *wireCommit) record() (*commitRecord, error) {
	out := &commitRecord{Number: c.Number, Changes: make([]changeRecord, len(c.Changes))}
	for i := range c.Changes {
		one := &c.Changes[i]
		if one.Place < 0 || one.Place >= len(c.Places) {
			return nil, fmt.Errorf("%w: a commit in the op log names no bucket", ErrDamaged)
		}
		what, value := one.What, one.Value
		if what == changePacked {
			var ok bool
			if value, ok = unpackValue(value); !ok {
				return nil, fmt.Errorf("%w: a value in the op log is too short", ErrDamaged)
			}
			what = changePut
		}
		p := &c.Places[one.Place]
		out.Changes[i] = changeRecord{What: what, Table: p.Table, Part: p.Part, Key: one.Key, Value: value}
	}
	return out, nil
}

const (
	packedHead = labelLen + 32
	macMark    = "--- "
)

// packValue appends a sealed value without what is the same in all of them: the
// label and the MAC in bytes instead of base64, and what follows. It says no to
// everything else.
func packValue(dst, v []byte) ([]byte, bool) {
	if len(v) < overhead || string(v[:len(liteHead)]) != liteHead {
		return dst, false
	}
	var raw [packedHead + 2]byte
	n, err := b64.Decode(raw[:labelLen+1], v[len(liteHead):macStart-1])
	if err != nil || n != labelLen {
		return dst, false
	}
	n, err = b64.Decode(raw[labelLen:], v[macStart+len(macMark):macEnd])
	if err != nil || n != 32 {
		return dst, false
	}
	var head [liteLen]byte
	if !bytes.Equal(appendPackedHead(head[:0], raw[:packedHead]), v[:liteLen]) {
		return dst, false
	}
	return append(append(dst, raw[:packedHead]...), v[liteLen:]...), true
}

func appendPackedHead(dst, raw []byte) []byte {
	dst = append(dst, liteHead...)
	dst = b64.AppendEncode(dst, raw[:labelLen])
	dst = append(append(dst, '\n'), macMark...)
	dst = b64.AppendEncode(dst, raw[labelLen:packedHead])
	return append(dst, '\n')
}

// unpackValue is the way back.
func unpackValue(p []byte) ([]byte, bool) {
	if len(p) < packedHead {
		return nil, false
	}
	v := appendPackedHead(make([]byte, 0, liteLen+len(p)-packedHead), p)
	return append(v, p[packedHead:]...), true
}
