// SPDX-License-Identifier: Apache-2.0

// Command assets bundles the sources in assets/ into assets/dist with the Go
// API of esbuild: no Node in the build. The same sources give the same bytes
// and names, so a diff after running it proves that dist is current. Call it
// from packaging/tools:
//
//	go run ./assets ../../assets
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

var engines = []api.Engine{
	{Name: api.EngineChrome, Version: "123"},
	{Name: api.EngineSafari, Version: "17.5"},
	{Name: api.EngineFirefox, Version: "121"},
}

// library lists the scripts that are taken as they are, one after another:
// they talk to each other through a global name, which bundling would hide.
var library = []string{"vendor/htmx-4.0.1.min.js", "vendor/hx-sse-4.0.1.min.js"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("name the assets directory")
	}
	root, err := filepath.Abs(args[0])
	if err != nil {
		return fmt.Errorf("finding the assets directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "css/app.css")); err != nil {
		return fmt.Errorf("%s is not the assets directory: %w", args[0], err)
	}
	out, err := build(root)
	if err != nil {
		return err
	}
	htmx, err := join(root, library)
	if err != nil {
		return err
	}
	out["htmx."+hash(htmx)+".js"] = htmx
	return replace(filepath.Join(root, "dist"), out)
}

// build bundles everything but the library, in memory.
func build(root string) (map[string][]byte, error) {
	r := api.Build(api.BuildOptions{
		AbsWorkingDir:     root,
		EntryPoints:       []string{"css/app.css", "css/places.css", "js/app.js", "vendor/mark.svg", "vendor/tone.wav"},
		Outdir:            filepath.Join(root, "dist"),
		PublicPath:        "/assets",
		EntryNames:        "[name].[hash]",
		AssetNames:        "[name].[hash]",
		Loader:            map[string]api.Loader{".woff2": api.LoaderFile, ".svg": api.LoaderCopy, ".wav": api.LoaderCopy},
		Bundle:            true,
		Format:            api.FormatESModule,
		MinifySyntax:      true,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		LegalComments:     api.LegalCommentsNone,
		Engines:           engines,
	})
	for _, m := range append(r.Errors, r.Warnings...) {
		where := ""
		if m.Location != nil {
			where = fmt.Sprintf("%s:%d: ", m.Location.File, m.Location.Line)
		}
		fmt.Fprintln(os.Stderr, where+m.Text)
	}
	if len(r.Errors)+len(r.Warnings) > 0 {
		return nil, errors.New("bundling found faults")
	}
	out := map[string][]byte{}
	for _, f := range r.OutputFiles {
		out[filepath.Base(f.Path)] = f.Contents
	}
	return out, nil
}

func join(root string, names []string) ([]byte, error) {
	var b bytes.Buffer
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("reading the library: %w", err)
		}
		b.Write(bytes.TrimSpace(raw))
		b.WriteString("\n")
	}
	return b.Bytes(), nil
}

func hash(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:4])
}

// replace makes dir hold exactly the files of out.
func replace(dir string, out map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	for name, raw := range out {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			return fmt.Errorf("writing an asset: %w", err)
		}
	}
	for _, e := range old {
		if _, keep := out[e.Name()]; !keep {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("removing an old asset: %w", err)
			}
		}
	}
	return nil
}
