// SPDX-License-Identifier: Apache-2.0

package component

import (
	"context"
	"fmt"
	"io"

	"github.com/a-h/templ"
)

// Icon draws one icon. It is decoration: what it means stands beside it in
// words. The class chooses a size: "i-14", "i-16", "i-20", or "" for 18 px.
// It is written by hand because a page of the inbox holds hundreds.
func Icon(name, class string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		for _, part := range [...]string{
			`<svg class="i `, templ.EscapeString(class), `" viewBox="0 0 24 24" aria-hidden="true">`, icons[name], "</svg>",
		} {
			if _, err := io.WriteString(w, part); err != nil {
				return fmt.Errorf("drawing an icon: %w", err)
			}
		}
		return nil
	})
}
