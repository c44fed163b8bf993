// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
)

// wellKnown are methods whose meaning an interface of the standard library
// has already told.
var wellKnown = []string{"Error", "Unwrap", "String", "Len", "Less", "Swap"}

// docComments finds exported names of hand-written files without a comment.
func docComments(tree []source) []string {
	var breaches []string
	for _, s := range tree {
		if !s.ours() {
			continue
		}
		for _, name := range undocumented(s.file) {
			breaches = append(breaches, fmt.Sprintf("%s: %s has no comment", s.path, name))
		}
	}
	return breaches
}

func undocumented(f *ast.File) []string {
	var names []string
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && reachable(d) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				names = append(names, undocumentedSpecs(d)...)
			}
		}
	}
	return names
}

// reachable tells whether other packages see an exported function: a method
// counts only on an exported type, and not where its meaning is well known.
func reachable(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	typ := f.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.IsExported() && !slices.Contains(wellKnown, f.Name.Name)
		default:
			return false
		}
	}
}

// undocumentedSpecs lists exported types, constants and variables without a
// comment. A comment on a group of constants or variables speaks for them all.
func undocumentedSpecs(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			alone := d.Doc != nil && len(d.Specs) == 1
			if spec.Name.IsExported() && spec.Doc == nil && !alone {
				names = append(names, spec.Name.Name)
			}
		case *ast.ValueSpec:
			if d.Doc != nil || spec.Doc != nil || spec.Comment != nil {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}
