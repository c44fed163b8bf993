// SPDX-License-Identifier: Apache-2.0

package gallery

import "kith/assets"

// picture stands for a photo and a sticker, silence for recordings: the
// gallery has no files of its own and asks no other server.
var (
	picture = assets.URL("mark.svg")
	silence = "/gallery/silence"
)
