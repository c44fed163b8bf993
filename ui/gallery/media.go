// SPDX-License-Identifier: Apache-2.0

package gallery

import "kith/assets"

// picture stands for a photo and a sticker, tone for recordings: the gallery
// asks no other server.
var (
	picture = assets.URL("mark.svg")
	tone    = assets.URL("tone.wav")
)
