package simulate

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// What answers are made of. One word counts as one token.
const sentences = `Thank you for writing to us about your order. The parcel left our shop this morning and should arrive within two days.
You will find the tracking number in the message we sent yesterday. The blue kettle is back in stock and holds one and a half litres.
We are sorry that the lid arrived with a crack. A new one is on its way and you may keep the old one.
The customer praises the fabric but finds the sleeves too short. This ticket belongs to the billing team because it asks about a second charge.
The invoice lists three items and the total includes tax. Delivery to the islands takes a day longer than usual.
The lamp gives a warm light and its base is made of oak. Most reviews mention the quiet motor and the simple controls.
Please wash the blanket at thirty degrees and let it dry flat. The picture shows a green bicycle that leans on a white wall.
Two buyers report that the zip sticks after a month. The refund has been booked and reaches your account by Friday.
The manual explains each step with a drawing. Our workshop repairs chairs of this kind for a small fee.
The size chart is measured on the garment itself. A gift card can be used for several orders until it is empty.
The tone of the message is polite although the matter is urgent. The second address on the form is the one to bill.
The jar keeps coffee fresh for about six weeks. Nothing in the note suggests that the item was damaged on the way.
The colour in the photograph is a little darker than in daylight. We open at nine and answer most questions before noon.
The bag has room for a laptop and a bottle. The set contains four plates, four bowls and one large dish.
The answer is yes, provided that the label is still attached. The product suits children from the age of three.`

// corpus is the text once over, with the place of each word and the number of the word that ends each sentence.
type corpus struct {
	text  string
	start []int // of each word; one more, the end of the text
	stop  []int // for each word, the number of the first word behind its sentence
	begin []int // the numbers of the words that begin a sentence
}

var prose = newCorpus(sentences)

func newCorpus(s string) corpus {
	words := strings.Fields(s)
	c := corpus{text: strings.Join(words, " ") + " ", stop: make([]int, len(words))}
	at := 0
	for i, w := range words {
		c.start = append(c.start, at)
		at += len(w) + 1
		if i == 0 || strings.HasSuffix(words[i-1], ".") {
			c.begin = append(c.begin, i)
		}
	}
	c.start = append(c.start, at)
	stop := len(words)
	for i := len(words) - 1; i >= 0; i-- {
		if strings.HasSuffix(words[i], ".") {
			stop = i + 1
		}
		c.stop[i] = stop
	}
	return c
}

// passage returns the first word of the passage that belongs to a hash, and how many words it takes from there to finish the sentence in which
// the word number least falls.
func (c *corpus) passage(hash uint64, least int64) (from int, words int64) {
	from = c.begin[hash%uint64(len(c.begin))]
	n := int64(len(c.stop))
	last := int64(from) + max(least, 1) - 1
	return from, last/n*n + int64(c.stop[last%n]) - int64(from)
}

// append adds that many words, the text over and over if need be, without a blank at the end.
func (c *corpus) append(b []byte, from int, words int64) []byte {
	n := int64(len(c.stop))
	at := int64(from) % n
	for words > 0 {
		take := min(words, n-at)
		b = append(b, c.text[c.start[at]:c.start[at+take]]...)
		words -= take
		at = 0
	}
	if len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// digest is a hash of a body that is the same on every machine and in every process.
func digest(body []byte, seed int64) uint64 {
	h := uint64(seed) ^ 0x9e3779b97f4a7c15 // #nosec G115 -- a seed is any number
	h = fold(h^uint64(len(body)), 0xd6e8feb86659fd93)
	for ; len(body) >= 8; body = body[8:] {
		h = fold(h^binary.LittleEndian.Uint64(body), 0xa0761d6478bd642f)
	}
	var rest [8]byte
	copy(rest[:], body)
	return mix(h ^ binary.LittleEndian.Uint64(rest[:]))
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// mix spreads the bits of a number (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit makes a number from 0 to 1, without 1, of a hash.
func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }
