// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"

	"kith/store"
)

// What callers tell apart. Each Problem wraps one of them.
var (
	ErrInvalid   = errors.New("invalid")
	ErrForbidden = errors.New("forbidden")
	ErrConflict  = errors.New("conflict")
	ErrNotFound  = errors.New("not found")
	ErrWindow    = errors.New("the reply window is closed")
)

// Problem is an error for people: what is wrong, where, and what to do.
type Problem struct { //nolint:errname // app.Problem is what the handbook and the pages call it
	Kind  error  // one of the sentinels above
	Field string // the input at fault, "" when it is not one input
	Key   string // of the catalogues
	Args  []any  // of the catalogue's sentence
	Text  string // the English sentence
}

// Error returns the English sentence.
func (p *Problem) Error() string { return p.Text }

// Unwrap returns the sentinel.
func (p *Problem) Unwrap() error { return p.Kind }

func invalid(field, key, text string, args ...any) error {
	return &Problem{Kind: ErrInvalid, Field: field, Key: key, Text: text, Args: args}
}

func conflict(key, text string) error {
	return &Problem{Kind: ErrConflict, Key: key, Text: text}
}

func missing(key, text string) error {
	return &Problem{Kind: ErrNotFound, Key: key, Text: text}
}

// found turns the store's "not there" into a Problem and passes everything else on.
func found(err error, key, text string) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) {
		return missing(key, text)
	}
	return err
}
