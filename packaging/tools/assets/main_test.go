// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRun bundles twice from the real sources, into different directories:
// names and bytes must be the same, and what is no longer made must go.
func TestRun(t *testing.T) {
	first, second := bundled(t), bundled(t)
	if len(first) < 6 {
		t.Fatalf("only %d files", len(first))
	}
	for name, raw := range first {
		if second[name] != raw {
			t.Errorf("%s differs between two runs", name)
		}
	}
	if _, ok := first["stale.12345678.js"]; ok {
		t.Error("an old file stayed")
	}
}

func bundled(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "assets")
	if err := os.CopyFS(root, os.DirFS("../../../assets")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "dist", "stale.12345678.js"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{root}); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, "dist", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = string(raw)
	}
	return out
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}, {t.TempDir()}} {
		if err := run(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
