// SPDX-License-Identifier: Apache-2.0

// Package store keeps every record of the appliance encrypted, in one directory.
//
// The layout of the directory:
//
//	LOCK           held while a process works on the directory
//	clean          left by a clean stop, removed at the next start
//	creating       there while a store is made; a crash then begins anew
//	recipient.txt  public keys the anchor is encrypted to; not secret
//	anchor         two slots of 8 KiB, overwritten in place; holds one secret
//	keyring.age    the key trees; opens only with the secret in the anchor
//	data.db        the records: numbers and HMACs as keys, age files as values
//	blobs/ab/<id>  attachments, one age file each
//	certificates/  what was destroyed, signed; not secret
//
// The machine identity that opens the anchor lives outside the directory.
//
// A value that carries customer data is a complete age file. Its key is derived
// from two leaves of puncturable trees, that of its subject and that of its
// class and day: destroying either leaf destroys everything sealed under it.
// Writers go through one committer that puts what has queued up into one
// transaction; Update returns when it is on disk.
package store

import "time"

// Subject is the number of somebody or something that records are about. It is
// never reused: when its key is destroyed, what was sealed for it is gone.
type Subject uint32

// Nobody is the subject of records that are about the instance itself.
const Nobody Subject = 0

// Class says how long records are kept; what a class means in days is a policy.
type Class uint8

// Classes with a fixed meaning. Policies may use the numbers from 3 to 253.
const (
	Permanent Class = 0   // kept until the subject is erased
	Default   Class = 1   // messages and what belongs to them
	Ingress   Class = 2   // what came in and could not be read
	Hold      Class = 254 // kept by order
	Audit     Class = 255 // who did what
)

// Day counts days since 1970-01-01 UTC.
type Day uint16

const secondsPerDay = 24 * 60 * 60

// DayOf is the UTC day of t.
func DayOf(t time.Time) Day {
	return Day(min(max(t.Unix()/secondsPerDay, 0), 1<<16-1)) //nolint:gosec // clamped to the range of Day
}

// Time is the first instant of the day.
func (d Day) Time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// DayKey names the partition of records that expire together.
type DayKey struct {
	Class Class
	Day   Day
}

func (k DayKey) leaf() uint64 { return uint64(k.Class)<<16 | uint64(k.Day) }

const dayKeyLen = 3

func (k DayKey) bytes() [dayKeyLen]byte {
	return [dayKeyLen]byte{byte(k.Class), byte(k.Day >> 8), byte(k.Day)}
}

func parseDayKey(b []byte) (DayKey, bool) {
	if len(b) != dayKeyLen {
		return DayKey{}, false
	}
	return DayKey{Class(b[0]), Day(b[1])<<8 | Day(b[2])}, true
}

// Ref is the place of a record in a day table.
type Ref struct {
	DayKey
	Group, Seq uint64
}
