// SPDX-License-Identifier: Apache-2.0

package apptest

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

	"kith/app"
)

// Files are the contents of the sample files by the network's id.
var Files = map[string][]byte{
	"p-image":    picture(),
	"p-sticker":  picture(),
	"p-voice":    []byte("OggS sample voice"),
	"p-document": []byte("%PDF-1.4 sample"),
}

// picture is a small picture of a bowl on a table.
func picture() []byte {
	const w, h = 320, 240
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			dx, dy := x-w/2, y-110
			c := color.NRGBA{R: 226, G: 222, B: 212, A: 255}
			switch {
			case dy > 0 && dx*dx*4+dy*dy*9 < 110*110*4:
				c = color.NRGBA{R: 120, G: 178, B: 158, A: 255}
			case dx*dx+dy*dy*36 < 110*110:
				c = color.NRGBA{R: 86, G: 140, B: 122, A: 255}
			case y > 170:
				c = color.NRGBA{R: 139, G: 98, B: 66, A: 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // a picture in memory can always be written
	}
	return b.Bytes()
}

func sampleTemplates() []app.Template {
	return []app.Template{
		{
			Name: "pickup_reminder", Language: "id", Category: "UTILITY", Status: "APPROVED",
			Body: "Halo {{1}}, pesanan Anda siap. Anda bisa mengambilnya di toko kami sampai pukul {{2}}.", Footer: "Kedai Tanah",
		},
		{
			Name: "order_shipped", Language: "en", Category: "UTILITY", Status: "APPROVED", Header: "Order {{1}}",
			Body:     "Hello {{1}}, your order is on its way.",
			Buttons:  []app.TemplateButton{{Kind: "URL", Text: "Track", URL: "https://kith.example/t/{{1}}"}, {Kind: "QUICK_REPLY", Text: "Call me"}},
			Examples: []app.Field{{Name: "1", Value: "Sari"}},
		},
		{
			Name: "new_collection", Language: "en", Category: "MARKETING", Status: "APPROVED", HeaderMedia: "IMAGE",
			Body: "Hello {{name}}, our new collection is here.", Named: true,
		},
		{Name: "rejected_one", Language: "en", Category: "MARKETING", Status: "REJECTED", Body: "Buy now."},
	}
}
