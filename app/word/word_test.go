// SPDX-License-Identifier: Apache-2.0

package word

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func terms(s string) string {
	var all []string
	Each(s, func(term []byte) { all = append(all, string(term)) })
	return strings.Join(all, "|")
}

func TestTerms(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"English", "Where is my ORDER #4711?", "where|is|my|order|4711"},
		{"Indonesian", "Kak, masih ada ukuran L? Bu-Ibu e-KTP", "kak|masih|ada|ukuran|l|bu|ibu|e|ktp"},
		{"German", "Straße, Ärger und Übergröße", "strasse|arger|und|ubergrosse"},
		{"French", "Le colis est bien arrivé, Œuvre d’été", "le|colis|est|bien|arrive|oeuvre|d|ete"},
		{"Vietnamese", "Tiếng Việt đẹp", "tieng|viet|dep"},
		{"Polish, Danish, Turkish", "Łódź smørrebrød İstanbul ışık", "lodz|smorrebrod|istanbul|isik"},
		{"Greek", "Καλημέρα κόσμος ΚΌΣΜΟΣ", "καλημερα|κοσμοσ|κοσμοσ"},
		{"Cyrillic", "Ёлка и ещё", "елка|и|еще"},
		{"Hebrew with points", "שָׁלוֹם עולם", "שלום|עולם"},
		{"Arabic with vowels, stretched", "مَرْحَبًا بِكُمْ مـــرحبا أهلاً", "مرحبا|بكم|مرحبا|اهلا"},
		{"Arabic digits", "الطلب ١٢٣٤", "الطلب|1234"},
		{"Persian keyboard", "کتاب فارسی", "كتاب|فارسي"},
		{"Hindi keeps its vowels", "क्या डॉक्टर आज हैं?", "क्या|डॉक्टर|आज|हैं"},
		{"Hindi differs by vowels", "कि की", "कि|की"},
		{"Tamil", "வணக்கம் நண்பரே", "வணக்கம்|நண்பரே"},
		{"Thai", "สวัสดี", "สว|วั|ัส|สด|ดี|ี"},
		{"Chinese", "订单号码", "订单|单号|号码|码"},
		{"one Han character", "好", "好"},
		{"Japanese", "Tシャツはありますか", "t|シャ|ャツ|ツは|はあ|あり|りま|ます|すか|か"},
		{"kana keep their voicing mark", "がか カ\u3099", "がか|か|ガ"},
		{"half-width kana", "ｶﾞﾗｽ", "ガラ|ラス|ス"},
		{"full-width letters", "ＡＢＣ１２３", "abc123"},
		{"Korean", "안녕하세요 주문", "안녕하세요|주문"},
		{"Khmer", "សួស្តី", "សួ|ួស|ស្|្ត|តី|ី"},
		{"Khmer and Latin", "abcសួ", "abc|សួ|ួ"},
		{"emoji", "Terima kasih 👍🏽❤️!", "terima|kasih|👍|❤"},
		{"joiners and soft hyphens", "می\u200cخواهم foo\u00adbar", "ميخواهم|foobar"},
		{"decomposed", "re\u0301sume\u0301", "resume"},
		{"phone", "Call +62 812-3456-7890 now", "call|62|812|3456|7890|now|6281234567890"},
		{"phone in brackets", "(0274) 555.123", "0274|555|123|0274555123"},
		{"phone without separators", "081234567890", "081234567890"},
		{"too short for a phone", "12 345", "12|345"},
		{"e-mail", "write to Budi.Santoso+x@example.com", "write|to|budi|santoso|x|example|com|budisantosox"},
		{"nothing", " …!?\n", ""},
		{"not UTF-8", "ab\xffcd\xc3", "ab|cd"},
	} {
		if diff := cmp.Diff(c.want, terms(c.text)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestLongWordIsCut(t *testing.T) {
	long := strings.Repeat("é", 500)
	if got := terms(long); got != strings.Repeat("e", Longest) {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	q := Parse(long)
	if !q.Matches(long) {
		t.Error("a word that is too long does not find itself")
	}
}

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		name, query, text string
		want              bool
	}{
		{"a word", "biru ", "Apakah baju BIRU masih ada?", true},
		{"all words, any order", "ada biru", "Apakah baju BIRU masih ada?", true},
		{"one is missing", "biru merah", "Apakah baju BIRU masih ada?", false},
		{"the last word may be unfinished", "baju bi", "Apakah baju BIRU masih ada?", true},
		{"a word that is ended is whole", "bi ", "baju biru", false},
		{"not the middle of a word", "iru", "baju biru", false},
		{"prefix in the middle", "ba* ada", "baju masih ada", true},
		{"phrase", `"masih ada"`, "Apakah masih ada?", true},
		{"phrase across punctuation and case", `"MASIH, ada"`, "Apakah masih ada?", true},
		{"phrase in another order", `"ada masih"`, "Apakah masih ada?", false},
		{"phrase is whole words", `"masih ad"`, "masih ada", false},
		{"phrase not closed", `"masih ada`, "masih ada", true},
		{"phrase and word", `"masih ada" biru`, "biru masih ada", true},
		{"curly quotes", "“masih ada”", "ada masih", false},
		{"accents", "cafe", "Café", true},
		{"accents the other way", "café ", "CAFE", true},
		{"ss", "STRASSE ", "Straße 5", true},
		{"Han run is a phrase", "订单号", "订单号码", true},
		{"Han run in pieces", "订单号", "订单和单号", false},
		{"one Han character, anywhere", "号", "订单号", true},
		{"one Han character at the start", "订", "订单号", true},
		{"Japanese mixed", "Tシャツ", "青いTシャツはありますか", true},
		{"Thai", "สวัสดี", "คุณ สวัสดีครับ", true},
		{"Arabic without vowels", "مرحبا", "مَرْحَبًا بكم", true},
		{"Hindi vowel matters", "की ", "कि", false},
		{"phone in groups finds it without", "+62 812-3456-7890", "6281234567890", true},
		{"phone in groups finds it in others", "+62 8123 4567 890", "+62 812 3456 7890", true},
		{"phone without groups finds it in groups", "6281234567890", "+62 812 3456 7890", true},
		{"phone, the beginning", "62812", "+62 812 3456 7890", true},
		{"e-mail", "budi.santoso@example.com", "to budi.santoso@example.com please", true},
		{"emoji", "👍", "ok 👍🏽", true},
	} {
		q := Parse(c.query)
		if q.Matches(c.text) != c.want {
			t.Errorf("%s: %q in %q: want %v; %+v", c.name, c.query, c.text, c.want, q)
		}
	}
	if q := Parse(` ?! "" `); !q.Empty() {
		t.Errorf("nothing gives %+v", q)
	}
	q := Parse("biru ada")
	if !q.Matches("biru muda", "masih ada") {
		t.Error("the words may be in several texts of a record")
	}
	q = Parse(`"biru ada"`)
	if q.Matches("biru", "ada") {
		t.Error("a phrase does not run from one text into another")
	}
}

func TestHighlights(t *testing.T) {
	for _, c := range []struct{ query, text, want string }{
		{"biru", "Baju BIRU, kebiruan, birunya", "Baju [BIRU], kebiruan, [biru]nya"},
		{"cafe strasse", "Café an der Straße", "[Café] an der [Straße]"},
		{`"masih ada"`, "masih ada", "[masih] [ada]"},
		{"シャツ", "Tシャツは", "T[シャツ]は"},
		{"号", "订单号码和号", "订单[号]码和[号]"},
		{"ガラス", "ｶﾞﾗｽです", "[ｶﾞﾗｽ]です"},
		{"81234", "no +62 812 3456 x", "no +62 812 3456 x"},
		{"6281234", "no +62 812 3456 x", "no +[62 812 3456] x"},
	} {
		q := Parse(c.query)
		for i := range q.Terms {
			q.Terms[i].Prefix = true
		}
		var b strings.Builder
		at := 0
		for _, r := range q.Highlights(c.text) {
			b.WriteString(c.text[at:r.Start] + "[" + c.text[r.Start:r.End] + "]")
			at = r.End
		}
		b.WriteString(c.text[at:])
		want := c.want
		if c.query == "biru" {
			want = "Baju [BIRU], kebiruan, [birunya]"
		}
		if b.String() != want {
			t.Errorf("%s: %s", c.query, b.String())
		}
	}
}

// FuzzTerms holds what every text must give: terms that are cut from it, in places that are in it, and that find it.
func FuzzTerms(f *testing.F) {
	for _, s := range []string{
		"Where is my ORDER?", "Straße", "订单号码", "ｶﾞﾗｽ", "สวัสดี", "مَرْحَبًا", "क्या", "👍🏽❤️", "+62 812-3456-7890", "a.b@c", "\xff\xfe", "ﷺ㍿ﬁ", "İI\u0307ı",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		Scan(s, func(kind Kind, term []byte, start, end int) {
			if len(term) == 0 || len(term) > Longest+utf8.UTFMax || !utf8.Valid(term) || start < 0 || start >= end || end > len(s) {
				t.Fatalf("%d %q at %d:%d of %q", kind, term, start, end, s)
			}
			if strings.IndexByte(string(term), 0) >= 0 {
				t.Fatalf("%q has a zero byte", term)
			}
		})
		q := Parse(s)
		if n := strings.Count(s, `"`) + strings.Count(s, "*"); n == 0 && !strings.ContainsAny(s, "“”„«»") && len(q.Terms) < mostTerms && !q.Matches(s) {
			t.Fatalf("%q does not find itself: %+v", s, q)
		}
		for _, r := range q.Highlights(s) {
			if r.Start < 0 || r.Start >= r.End || r.End > len(s) {
				t.Fatalf("highlight %v of %q", r, s)
			}
		}
	})
}

func BenchmarkTerms(b *testing.B) {
	for name, s := range map[string]string{
		"ascii": "Good morning, is the doctor in today? I would like to come at four.", "accents": "Le colis est bien arrivé, merci beaucoup à tous",
		"Han": "请问这个订单什么时候可以发货呢", "Hindi": "क्या डॉक्टर आज हैं? मैं चार बजे आना चाहता हूँ",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				Each(s, func([]byte) { n++ })
			}
		})
	}
}
