package redact

import "math/bits"

// marking holds, for each two bytes, bits 14 and 15 if they are parts of words, and bits 6 and 7 if
// something may begin there whatever stands around it. Shifted together, eight bytes make two masks of
// eight bits. Of the 128 KB text uses few: those of the pairs of letters.
var marking = func() *[1 << 16]uint16 {
	t := new([1 << 16]uint16)
	for pair := range t {
		for k, c := range [2]byte{byte(pair), byte(pair >> 8)} { // #nosec G115 -- the two bytes
			switch kind := class[c]; {
			case kind == classWord || kind == classDigit:
				t[pair] |= 1 << (14 + k)
			case kind != classPlain:
				t[pair] |= 1 << (6 + k)
			}
		}
	}
	return t
}()

// marks returns where, in the 32 bytes from p on, something may begin: a bit for each.
func (s *scanner) marks(p int) uint32 {
	src := s.src
	var word, mask uint32
	if len(src) >= 32 {
		from := min(p, len(src)-32) // the last block overlaps the one before
		b := src[from : from+32]
		// Four rows of eight at a time: they do not wait for each other.
		var r0, r1, r2, r3 uint16
		for k := 0; k < 8; k += 2 {
			r0 = r0>>2 | marking[uint16(b[k])|uint16(b[k+1])<<8]
			r1 = r1>>2 | marking[uint16(b[k+8])|uint16(b[k+9])<<8]
			r2 = r2>>2 | marking[uint16(b[k+16])|uint16(b[k+17])<<8]
			r3 = r3>>2 | marking[uint16(b[k+24])|uint16(b[k+25])<<8]
		}
		word = uint32(r0>>8) | uint32(r1>>8)<<8 | uint32(r2>>8)<<16 | uint32(r3>>8)<<24
		mask = uint32(r0&0xFF) | uint32(r1&0xFF)<<8 | uint32(r2&0xFF)<<16 | uint32(r3&0xFF)<<24
		word >>= p - from
		mask >>= p - from
	} else {
		for k := range len(src) - p {
			m := marking[src[p+k]]
			word |= uint32(m>>14&1) << k
			mask |= uint32(m>>6&1) << k
		}
	}
	before := uint32(0)
	if p > 0 && inWord(src[p-1]) {
		before = 1
	}
	for starts := word &^ (word<<1 | before); starts != 0; starts &= starts - 1 {
		k := bits.TrailingZeros32(starts)
		q := p + k
		if q+4 > len(src) {
			mask |= 1 << k
			continue
		}
		w := src[q : q+4]
		x := uint32(w[0]) | uint32(w[1])<<8 | uint32(w[2])<<16 | uint32(w[3])<<24
		h := x & 0x3F3F3F3F * 0x9E3779B1 >> 16
		if isDigit(w[0]) || wordStarts[h>>5]>>(h&31)&1 != 0 {
			mask |= 1 << k
		}
	}
	return mask
}

// fold is the place in wordStarts of four bytes: six bits of each, hashed.
func fold(a, b, c, d byte) uint32 {
	return (uint32(a) | uint32(b)<<8 | uint32(c)<<16 | uint32(d)<<24) & 0x3F3F3F3F * 0x9E3779B1 >> 16
}

// wordStarts, asked by marks, holds the first four bytes of all words that are looked at: 8 KB.
var wordStarts = func() (t [2048]uint32) {
	var set func(w string)
	set = func(w string) {
		if len(w) < 4 {
			for c := range byte(64) { // all there are: fold keeps six bits
				set(w + string(rune(c)))
			}
			return
		}
		k := fold(w[0], w[1], w[2], w[3])
		t[k>>5] |= 1 << (k & 31)
	}
	for _, k := range keyShapes {
		if k.prefix == "SK" { // all hexadecimal
			for _, a := range "0123456789abcdefABCDEF" {
				for _, b := range "0123456789abcdefABCDEF" {
					set(k.prefix + string(a) + string(b))
				}
			}
			continue
		}
		set(k.prefix[:min(len(k.prefix), 4)])
	}
	for _, a := range "MNO" { // three digits in base64: the ids in tokens of Discord
		for _, b := range "DTjz" {
			for _, c := range "AEIMQUYcgk" {
				for _, d := range "wxyz012345" {
					set(string(a) + string(b) + string(c) + string(d))
				}
			}
		}
	}
	for _, w := range wordsLookedAt {
		set(w)
	}
	return t
}()
