// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/store/storetest"
)

func TestVaultKeepsFilesAsCertmagicExpects(t *testing.T) {
	db := storetest.Open(t)
	v := newVault(db)
	ctx := t.Context()
	if _, err := v.Load(ctx, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load(none) = %v", err)
	}
	if _, err := v.List(ctx, "none", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List(none) = %v", err)
	}
	for name, text := range map[string]string{"a/b/c": "1", "a/b/d": "PRIVATE KEY", "a/e": "3", "ab/f": "4"} {
		if err := v.Store(ctx, name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Store(ctx, "a/e", []byte("33")); err != nil {
		t.Fatal(err)
	}
	if b, err := v.Load(ctx, "a/e"); err != nil || string(b) != "33" {
		t.Errorf("Load(a/e) = %q, %v", b, err)
	}
	for _, c := range []struct {
		folder    string
		recursive bool
		want      []string
	}{
		{"a", false, []string{"a/b", "a/e"}},
		{"a", true, []string{"a/b/c", "a/b/d", "a/e"}},
		{"", false, []string{"a", "ab"}},
	} {
		got, err := v.List(ctx, c.folder, c.recursive)
		if diff := cmp.Diff(set(c.want), set(got)); diff != "" || err != nil {
			t.Errorf("List(%q, %v): %v %s", c.folder, c.recursive, err, diff)
		}
	}
	file, err := v.Stat(ctx, "a/e")
	if err != nil || !file.IsTerminal || file.Size != 2 || file.Modified.IsZero() {
		t.Errorf("Stat(a/e) = %+v, %v", file, err)
	}
	if folder, err := v.Stat(ctx, "a"); err != nil || folder.IsTerminal || !v.Exists(ctx, "a") || !v.Exists(ctx, "a/e") || v.Exists(ctx, "b") {
		t.Errorf("Stat(a) = %+v, %v", folder, err)
	}
	raw, err := os.ReadFile(filepath.Join(db.Dir(), "data.db"))
	if err != nil || strings.Contains(string(raw), "PRIVATE KEY") {
		t.Errorf("a key is readable on disk (%v)", err)
	}
	if err := v.Delete(ctx, "a"); err != nil || v.Exists(ctx, "a") || !v.Exists(ctx, "ab/f") {
		t.Errorf("Delete(a) = %v", err)
	}
	if err := v.Delete(ctx, "a"); err != nil {
		t.Errorf("Delete of nothing = %v", err)
	}
}

func set(list []string) map[string]int {
	out := map[string]int{}
	for _, s := range list {
		out[s]++
	}
	return out
}

func TestVaultLocksOneAtATime(t *testing.T) {
	v := newVault(storetest.Open(t))
	if err := v.Lock(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.Lock(impatient, "n"); !errors.Is(err, context.Canceled) {
		t.Errorf("a second lock: %v", err)
	}
	got := make(chan error)
	go func() { got <- v.Lock(t.Context(), "n") }()
	if err := v.Unlock(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the next in line: %v", err)
	}
	if err := v.Unlock(t.Context(), "m"); err == nil {
		t.Error("what is not locked is unlocked")
	}
}
