// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"context"
	"hash/fnv"
	"strconv"

	"github.com/a-h/templ"

	"kith/ui/component"
	"kith/ui/render"
)

// draw renders the parts that pages compare, once, and their sums.
func (v *threadView) draw(ctx context.Context) error {
	for _, part := range []struct {
		comp      templ.Component
		html, sum *string
	}{
		{head(v), &v.html.head, &v.state.head}, //nolint:contextcheck // a component gets its context from Render
		{log(v), &v.html.log, &v.state.log},    //nolint:contextcheck // a component gets its context from Render
		{side(v), &v.html.side, &v.state.side}, //nolint:contextcheck // a component gets its context from Render
	} {
		html, err := render.String(ctx, part.comp)
		if err != nil {
			return err
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(html))
		*part.html, *part.sum = html, strconv.FormatUint(h.Sum64(), 36)
	}
	return nil
}

// differences are the parts that differ from what the page shows.
func (v *threadView) differences(have state, toast *component.ToastProps) []templ.Component {
	parts := []templ.Component{render.Partial("#thread-state", "outerHTML", threadState(v))}
	for _, part := range []struct{ have, now, target, html string }{
		{have.log, v.state.log, "#log", v.html.log},
		{have.head, v.state.head, "#thread-head", v.html.head},
		{have.side, v.state.side, "#side", v.html.side},
	} {
		if part.have != part.now {
			parts = append(parts, render.Partial(part.target, "innerMorph", templ.Raw(part.html)))
		}
	}
	switch until := v.until(); {
	case have.until == until, have.until == "": // the page that asks did not say: what is typed there stays
	case have.until != "0" && until != "0" && have.until != "none" && until != "none":
		parts = append(parts, render.Partial("#composer kith-countdown", "outerHTML", component.WindowCountdown(*v.window())))
	default:
		parts = append(parts, render.Partial("#composer", "outerHTML", composerOf(v)))
	}
	if toast != nil {
		parts = append(parts, render.Partial("#toasts", "beforeend", component.Toast(*toast)))
	}
	return parts
}
