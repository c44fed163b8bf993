// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

const licenceLine = "// SPDX-License-Identifier: Apache-2.0\n\n"

// importOrder finds packages without a place in the order and imports that
// look up or sideways.
func importOrder(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if s.file == nil || s.test || strings.HasPrefix(s.pkg, "packaging/") {
			continue
		}
		if rank(s.pkg) < 0 {
			breaches = append(breaches, fmt.Sprintf("%s: %s has no place in the order of tree_test.go", s.path, s.pkg))
			continue
		}
		for _, imp := range imports(s.file) {
			own, ok := strings.CutPrefix(imp, module+"/")
			if ok && rank(own) >= rank(s.pkg) {
				breaches = append(breaches, fmt.Sprintf("%s: %s must not import %s", s.path, s.pkg, own))
			}
		}
	}
	return breaches
}

// rank is the line of the most specific pattern that matches pkg, or -1.
func rank(pkg string) int {
	longest, at := -1, -1
	for i, line := range order {
		for _, pattern := range line {
			if ok, _ := path.Match(pattern, pkg); ok && len(pattern) > longest {
				longest, at = len(pattern), i
			}
		}
	}
	return at
}

// moduleOwners finds modules imported outside the rooms that own them.
func moduleOwners(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if s.file == nil || s.test {
			continue
		}
		for _, imp := range imports(s.file) {
			for mod, who := range owners {
				if (imp == mod || strings.HasPrefix(imp, mod+"/")) && !matches(who, s.pkg) {
					breaches = append(breaches, fmt.Sprintf("%s: only %v import %s", s.path, who, mod))
				}
			}
		}
	}
	return breaches
}

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, pkg)
		return ok
	})
}

func imports(f *ast.File) []string {
	var paths []string
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// clientNames are the names of net/http that make a client or use one that
// nobody guards. A *http.Client in a signature is fine: somebody has to carry
// what egress made.
var clientNames = []string{"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"}

// httpClients finds clients made, and package-level requests sent, outside egress.
func httpClients(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if s.file == nil || s.test || s.pkg == clientOwner {
			continue
		}
		name := importedAs(s.file, "net/http")
		if name == "" {
			continue
		}
		pointers := map[ast.Node]bool{}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if star, ok := n.(*ast.StarExpr); ok {
				pointers[star.X] = true
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || pointers[sel] || !slices.Contains(clientNames, sel.Sel.Name) {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name {
				breaches = append(breaches, fmt.Sprintf("%s: http.%s is for %s only; take a client from there", s.path, sel.Sel.Name, clientOwner))
			}
			return true
		})
	}
	return breaches
}

// importedAs is the name under which f knows the package at imp, or "".
func importedAs(f *ast.File, imp string) string {
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != imp {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imp)
	}
	return ""
}

// packageComments finds packages that do not have exactly one comment, and
// comments that templ's generator would lose.
func packageComments(tree []source) []string {
	count := map[string]int{}
	var breaches []string
	for _, s := range tree {
		if s.file == nil || s.test {
			continue
		}
		count[s.pkg] += 0
		if s.file.Doc == nil || strings.HasPrefix(s.file.Doc.List[0].Text, "// SPDX-") {
			continue
		}
		count[s.pkg]++
		if s.generated {
			breaches = append(breaches, s.path+": a package comment belongs in a file written by hand")
		}
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name != "main" && !strings.HasPrefix(s.file.Doc.Text(), want) {
			breaches = append(breaches, fmt.Sprintf("%s: the package comment starts with %q", s.path, want))
		}
	}
	for pkg, n := range count {
		if n != 1 {
			breaches = append(breaches, fmt.Sprintf("%s has %d package comments, want 1", pkg, n))
		}
	}
	slices.Sort(breaches)
	return breaches
}

// licenceLines finds Go files that do not start with the licence line.
func licenceLines(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if s.file != nil && !s.generated && !strings.HasPrefix(s.text, licenceLine) {
			breaches = append(breaches, fmt.Sprintf("%s: starts with %q and an empty line", s.path, strings.TrimSpace(licenceLine)))
		}
	}
	return breaches
}

// bannedNames finds folders and types whose name says nothing.
func bannedNames(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if s.file == nil {
			continue
		}
		for folder := range strings.SplitSeq(s.pkg, "/") {
			if slices.Contains(emptyNames, folder) {
				breaches = append(breaches, fmt.Sprintf("%s: %q is no name for a folder", s.path, folder))
			}
		}
		for _, d := range s.file.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				if name := spec.(*ast.TypeSpec).Name.Name; saysNothing(name) {
					breaches = append(breaches, fmt.Sprintf("%s: %s is no name for a type", s.path, name))
				}
			}
		}
	}
	return breaches
}

func saysNothing(name string) bool {
	for _, suffix := range []string{"Manager", "Helper", "Helpers", "Util", "Utils", "Impl"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return slices.Contains(emptyNames, strings.ToLower(name))
}

// oneStatementInMain finds a main that does more than hand over to the command line.
func oneStatementInMain(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if s.file == nil || s.test || s.pkg != "." {
			continue
		}
		if s.path != "main.go" {
			breaches = append(breaches, s.path+": the top level holds main.go only; code lives in the rooms")
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && (f.Name.Name != "main" || len(f.Body.List) != 1) {
				breaches = append(breaches, "main.go: holds func main with one statement and no other function")
			}
		}
	}
	return breaches
}

// noInit finds functions that run before main.
func noInit(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if s.file == nil {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				breaches = append(breaches, s.path+": func init hides work; write it down where it is called")
			}
		}
	}
	return breaches
}

// noForeignWords finds hosts of package registries and paths of somebody's
// machine in any file but go.sum.
func noForeignWords(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if path.Base(s.path) == "go.sum" {
			continue
		}
		for _, word := range foreign {
			if strings.Contains(s.text, word) {
				breaches = append(breaches, fmt.Sprintf("%s: holds %q", s.path, word))
			}
		}
	}
	return breaches
}
