// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	_ "embed"
	"image"
	"image/color"
	"image/png"
	"math"
	"sync"
)

// voice is a spoken sentence: mono Opus in an Ogg container, made with a speech
// synthesiser.
//
//go:embed sample/voice.ogg
var voice []byte

// SampleVoice is a voice note to send from a phone.
func SampleVoice() Media {
	return Media{Bytes: voice, MIME: "audio/ogg; codecs=opus", Voice: true}
}

// SamplePicture is a picture to send from a phone: hills under an evening sun,
// drawn here.
func SamplePicture() Media {
	return Media{Bytes: evening(), MIME: "image/png", Filename: "evening.png"}
}

var evening = sync.OnceValue(func() []byte {
	const width, height = 640, 420
	sky := color.RGBA{0xf6, 0xd3, 0xa8, 0xff}
	sun := color.RGBA{0xe8, 0x85, 0x4f, 0xff}
	hills := []color.RGBA{{0x9f, 0xb8, 0xa0, 0xff}, {0x5f, 0x8a, 0x7a, 0xff}, {0x2f, 0x5d, 0x50, 0xff}}
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{sky, sun, hills[0], hills[1], hills[2]})
	for x := range width {
		for y := range height {
			dx, dy := float64(x-440), float64(y-170)
			c := uint8(0)
			if math.Hypot(dx, dy) < 62 {
				c = 1
			}
			for i := range hills {
				if y > ridge(i, float64(x)) {
					c = uint8(2 + i)
				}
			}
			img.SetColorIndex(x, y, c)
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // a buffer does not fail
	return b.Bytes()
})

// ridge is the height of a range of hills, from far to near.
func ridge(i int, x float64) int {
	n := float64(i)
	return int(190 + 62*n + (34-6*n)*math.Sin(x/(95-14*n)+1.7*n) + 9*math.Sin(x/31+n))
}
