// SPDX-License-Identifier: Apache-2.0

package simulator

import "kith/app/channel/simulator"

// What sample customers write is theirs, not the interface's: it is in their
// languages whatever the language of the page, and so is not in the catalogue.

// openers are first messages to tap, by language.
var openers = map[string][]string{
	"id": {"Halo, apakah yang biru masih ada?", "Pesanan saya belum sampai 🙏"},
	"en": {"Hello, is the blue one still available?", "My parcel has not come yet."},
	"hi": {"नमस्ते, क्या नीला वाला अभी उपलब्ध है?", "मेरा पार्सल अभी तक नहीं आया।"},
	"fr": {"Bonjour, le modèle bleu est-il encore disponible ?", "Mon colis n’est pas encore arrivé."},
	"de": {"Guten Tag, ist das blaue Modell noch da?", "Mein Paket ist noch nicht angekommen."},
	"ar": {"مرحبا، هل الأزرق ما زال متوفرا؟", "لم يصل طردي بعد."},
}

func openersOf(language string) []string {
	if o, ok := openers[language]; ok {
		return o
	}
	return openers["en"]
}

// places are where customers say that they are.
var places = map[string]simulator.Location{
	"ID": {Latitude: -6.1754, Longitude: 106.8272, Name: "Monumen Nasional", Address: "Gambir, Jakarta"},
	"IN": {Latitude: 28.6129, Longitude: 77.2295, Name: "India Gate", Address: "New Delhi"},
	"FR": {Latitude: 48.8606, Longitude: 2.3376, Name: "Musée du Louvre", Address: "Paris"},
	"DE": {Latitude: 52.5163, Longitude: 13.3777, Name: "Brandenburger Tor", Address: "Berlin"},
	"GB": {Latitude: 51.5081, Longitude: -0.0759, Name: "Tower of London", Address: "London"},
}

// samples are the ready-made messages of the menu.
func samples(c simulator.Customer, answers string) map[string]simulator.Content {
	opener := simulator.Text{Body: openersOf(c.Language)[0]}
	return map[string]simulator.Content{
		"picture":   simulator.SamplePicture(),
		"voice":     simulator.SampleVoice(),
		"location":  places[c.Country],
		"contact":   simulator.Contact{Name: "Robin Sample", Phone: "+44 7700 900123", Company: "Sample Ltd"},
		"share":     simulator.SharePhone{Message: answers},
		"order":     simulator.Order{Catalog: "500000000000001", Note: opener.Body, Items: []simulator.OrderItem{{Product: "blue-cup", Quantity: 2, Price: 12.5, Currency: "EUR"}, {Product: "tea-tin", Quantity: 1, Price: 8, Currency: "EUR"}}},
		"ad":        simulator.Referral{Headline: "Cups in four colours", Body: "Made by hand.", URL: "https://fb.example/ad", AdID: "120226305854810726", Content: opener},
		"forwarded": simulator.Forwarded{Content: opener},
		"poll":      simulator.Unsupported{Type: "poll"},
	}
}
