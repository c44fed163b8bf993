// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

const module = "kith"

// order lists the packages from the bottom of the appliance to the top. A
// package imports only from lines above its own; packages that share a line
// do not know each other. The longest pattern that matches a package places it.
var order = [][]string{
	{"assets", "store", "app/word"},
	{"store/storetest", "store/crashtest"},
	{"app"},
	{"app/apptest"},
	{"app/egress"},
	{"app/channel", "app/auth"},
	{"app/channel/channeltest"},
	{"app/channel/*"},
	{"app/channel/all"},
	{"app/ingress", "app/delivery", "app/webhook", "app/backup"},
	{"app/automation", "app/bot", "app/assistant", "app/broadcast", "app/privacy", "app/report", "app/transfer"},
	{"ui/locale"},
	{"ui/component", "ui/render", "ui/live"},
	{"ui/layout"},
	{"ui/*"},
	{"ui", "app/api"},
	{"app/server"},
	{"app/cli"},
	{"."},
}

// owners names the only packages that may import a module.
var owners = map[string][]string{
	"go.etcd.io/bbolt":                 {"store"},
	"filippo.io/age":                   {"store"},
	"github.com/labstack/echo/v4":      {"ui", "ui/*", "app/api", "app/server"},
	"github.com/a-h/templ":             {"ui", "ui/*"},
	"github.com/caddyserver/certmagic": {"app/server"},
}

// clientOwner is the only package that makes HTTP clients: what leaves the
// appliance passes its allow-list.
const clientOwner = "app/egress"

// emptyNames say nothing of what a folder or a type is for.
var emptyNames = []string{
	"util", "utils", "helper", "helpers", "common", "shared", "misc", "base",
	"manager", "managers", "model", "models", "types", "impl",
}

// foreign are words that tie the tree to somebody's machine or to a mirror:
// they are written in two halves so that this file does not hold them.
var foreign = []string{
	"/" + "work/",
	"proxy." + "golang.org", "sum." + "golang.org",
	"registry." + "npmjs.org", "registry." + "yarnpkg.com",
	"deb." + "debian.org", "security." + "debian.org", "archive." + "ubuntu.com",
	"pypi" + ".org", "files." + "pythonhosted.org",
	"static." + "crates.io", "registry-1." + "docker.io",
}

// source is one file of the tree; file is nil unless it is Go.
type source struct {
	path      string
	pkg       string
	text      string
	file      *ast.File
	test      bool
	generated bool
}

// ours tells whether people wrote the file by hand and it ends in the binary.
func (s source) ours() bool { return s.file != nil && !s.test && !s.generated }

// rule is one law of the tree: check returns a sentence for each breach.
type rule struct {
	name  string
	check func([]source) []string
}

var rules = []rule{
	{"import order", importOrder},
	{"owners of modules", moduleOwners},
	{"http clients", httpClients},
	{"package comments", packageComments},
	{"doc comments", docComments},
	{"licence line", licenceLines},
	{"banned names", bannedNames},
	{"one statement in main", oneStatementInMain},
	{"no init", noInit},
	{"no foreign hosts or paths", noForeignWords},
}

func TestTree(t *testing.T) {
	tree, err := readTree(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, breach := range r.check(tree) {
				t.Error(breach)
			}
		})
	}
}

// readTree reads every file that belongs to the tree and parses the Go ones.
func readTree(fsys fs.FS) ([]source, error) {
	var tree []source
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && outside(name):
			return fs.SkipDir
		case !d.Type().IsRegular() || outside(name):
			return nil
		}
		s, err := readSource(fsys, name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		tree = append(tree, s)
		return nil
	})
	return tree, err
}

// outside tells whether a path is no part of the tree: what git, make, a
// running kith and an editor leave behind.
func outside(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case ".git", "build", "kith", ".idea", ".vscode":
		return true
	}
	return strings.HasPrefix(first, "kith-data") || strings.HasSuffix(name, ".test") ||
		strings.HasSuffix(name, ".prof") || path.Base(name) == "node_modules"
}

func readSource(fsys fs.FS, name string) (source, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return source{}, err
	}
	s := source{path: name, pkg: path.Dir(name), text: string(text), test: strings.HasSuffix(name, "_test.go")}
	if !strings.HasSuffix(name, ".go") || strings.Contains("/"+name, "/testdata/") {
		return s, nil
	}
	s.file, err = parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s.generated = ast.IsGenerated(s.file)
	return s, nil
}
