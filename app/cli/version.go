// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
)

// version is stamped by the build.
var version = "dev"

func setVersion(f *flags) func(context.Context, streams) error {
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(_ context.Context, s streams) error {
		if !*asJSON {
			fmt.Fprintf(s.out, "kith %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		}
		return json.NewEncoder(s.out).Encode(struct {
			Version string `json:"version"`
			Go      string `json:"go"`
			OS      string `json:"os"`
			Arch    string `json:"arch"`
		}{version, runtime.Version(), runtime.GOOS, runtime.GOARCH})
	}
}
