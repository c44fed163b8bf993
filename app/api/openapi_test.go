// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files and openapi.json anew")

func described(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	v, err := readYAML(string(text))
	if err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return v.(map[string]any)
}

func TestOpenAPIInJSONSaysTheSame(t *testing.T) {
	want := described(t)
	if *update {
		b, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("openapi.json", append(b, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("openapi.json differs from openapi.yaml; run this test with -update (-yaml +json):\n%s", diff)
	}
}

func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	var want, got []string
	for path, item := range described(t)["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				want = append(want, strings.ToUpper(method)+" /api/v1"+path)
			}
		}
	}
	param := regexp.MustCompile(`:(\w+)`)
	for _, r := range newSite(t).echo.Routes() {
		if r.Path != "/api/v1/openapi.json" {
			got = append(got, r.Method+" "+param.ReplaceAllString(r.Path, "{$1}"))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-described +served):\n%s", diff)
	}
}

func TestOpenAPIRefersToWhatIsThere(t *testing.T) {
	doc := described(t)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				at := any(doc)
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					at = at.(map[string]any)[part]
					if at == nil {
						t.Errorf("%s leads nowhere", ref)
						return
					}
				}
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(doc)
}
