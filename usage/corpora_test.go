package usage_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"
)

func init() {
	corpora["mixed"] = func(size int) string { // an agent's work
		kinds := []string{"english", "code", "json", "log", "code"}
		return corpora[kinds[size/100%len(kinds)]](size)
	}
}

// corpora make texts of about that many bytes, of kinds that conversations are made of. They are the same each time.
var corpora = map[string]func(size int) string{
	"english": sentences("the old captain walked slowly along the harbour because nobody had told him that morning where the ships were going and he wondered whether anyone would ever write about it again " +
		"therefore several engineers measured temperature pressure and distance before they finally decided to publish an unexpected explanation of those remarkable observations"),
	"spanish": sentences("la vieja estación del pueblo quedó vacía después de que los últimos viajeros subieran al tren sin despedirse de nadie mientras el jefe apuntaba también números en un cuaderno pequeño y húmedo"),
	"chinese": characters("的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处"),
	"code": func(size int) string {
		rng := rand.New(rand.NewPCG(1, 1))
		return grow(size, func(i int) string {
			name := []string{"reader", "writer", "index", "total", "buffer", "limit"}[rng.IntN(6)]
			return fmt.Sprintf("func (s *store) %s%d(ctx context.Context, %s int) (int64, error) {\n\tif %s < %d {\n\t\treturn 0, fmt.Errorf(\"%s: %%w\", errShort)\n\t}\n\treturn s.%s[%d] + int64(%s), nil\n}\n\n",
				name, i, name, name, rng.IntN(1000), name, name, rng.IntN(64), name)
		})
	},
	"json": func(size int) string {
		rng := rand.New(rand.NewPCG(2, 2))
		return grow(size, func(i int) string {
			return fmt.Sprintf(`{"id":%d,"name":"item %d","price":%d.%02d,"tags":["new","sale"],"stock":{"north":%d,"south":%d},"active":%t},`,
				rng.IntN(1e6), i, rng.IntN(500), rng.IntN(100), rng.IntN(99), rng.IntN(99), rng.IntN(2) == 0)
		})
	},
	"log": func(size int) string {
		rng := rand.New(rand.NewPCG(3, 3))
		return grow(size, func(i int) string {
			return fmt.Sprintf("2026-03-%02dT%02d:%02d:%02d.%03dZ INFO worker-%d request 0x%08x took %dms status=%d\n", 1+i%28, rng.IntN(24), rng.IntN(60), rng.IntN(60), rng.IntN(1000), rng.IntN(16), rng.Uint32(), rng.IntN(900), 200+rng.IntN(300))
		})
	},
	"base64": func(size int) string {
		rng := rand.New(rand.NewPCG(4, 4))
		raw := make([]byte, size*3/4)
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		return base64.StdEncoding.EncodeToString(raw)
	},
	"emoji": characters("😀🎉🚀🌍🔥👍🏽💡📈🧪🐙🥑🏔🎻🧵"),
	"blanks": func(size int) string {
		return strings.Repeat(" \n", size/2)
	},
}

func grow(size int, line func(i int) string) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		b.WriteString(line(i))
	}
	return b.String()
}

var syllables = []string{"ba", "ker", "lin", "do", "vre", "sto", "mi", "tha", "gor", "ne"}

func sentences(vocabulary string) func(int) string {
	words := strings.Fields(vocabulary)
	return func(size int) string {
		rng := rand.New(rand.NewPCG(5, 5))
		return grow(size, func(i int) string {
			word := words[rng.IntN(len(words))]
			switch {
			case i%12 == 0:
				return capital(word) + " "
			case i%12 == 11:
				return word + ". "
			case i%9 == 4: // a name
				return capital(syllables[rng.IntN(len(syllables))]+syllables[rng.IntN(len(syllables))]+syllables[rng.IntN(len(syllables))]) + ", "
			case i%31 == 17:
				return fmt.Sprintf("%d ", rng.IntN(100_000))
			}
			return word + " "
		})
	}
}

func characters(of string) func(int) string {
	runes := []rune(of)
	return func(size int) string {
		rng := rand.New(rand.NewPCG(6, 6))
		return grow(size, func(int) string { return string(runes[rng.IntN(len(runes))]) })
	}
}

func capital(word string) string {
	r := []rune(word)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}
