package redact

import "strings"

const (
	maxLocal  = 64  // RFC 5321, 4.5.3.1.1
	maxDomain = 120 // RFC 5321 allows 255; so many were never seen
)

func isLocal(c byte) bool {
	return inWord(c) || c == '.' || c == '-' || c == '+' || c == '%' || c == '\''
}

// email handles the '@' at i; the domain begins at d. It returns where to go on.
func (s *scanner) email(i, d int) int {
	if !s.pii || i == s.urlAt {
		return d
	}
	a := i
	for a > s.floor && i-a < maxLocal {
		if isLocal(s.src[a-1]) {
			a--
		} else if a-2 >= s.floor && accented(s.src[a-2], s.src[a-1]) {
			a -= 2
		} else {
			break
		}
	}
	if a > s.floor && isLocal(s.src[a-1]) {
		return d
	}
	for a < i && !inWord(s.src[a]) && s.src[a] < 0x80 {
		a++
	}
	if a == i {
		if i > 0 && strings.IndexByte("!#$&*", s.src[i-1]) >= 0 && s.domain(d) > 0 {
			if p := s.loginPassword(i); p > 0 {
				return s.emit(p, i, labelPassword)
			}
		}
		return d
	}
	end := s.domain(d)
	if end == 0 {
		return d
	}
	if p := s.loginPassword(i); p > 0 {
		return s.emit(p, i, labelPassword)
	}
	if versionLike(s.src[d:end]) {
		return end // module@v1.2.3-rc.x
	}
	if s.src[a:i] == "git" && s.at(end) == ':' && !isDigit(s.at(end+1)) {
		return end // git@host:path is where a repository lies
	}
	return s.emit(a, end, labelEmail)
}

// domain returns the end of the domain name at d, or 0 if there is none with a top-level domain.
func (s *scanner) domain(d int) int {
	src := s.src
	limit := min(len(src), d+maxDomain)
	if end := domainEnd(src, d, limit, false); end > 0 {
		return end
	}
	// Names in other scripts: tried second, so that Chinese text may touch an address.
	return domainEnd(src, d, limit, true)
}

func domainEnd(src string, d, limit int, wide bool) int {
	best, labels := 0, 0
	for p := d; p < limit; {
		q := p
		letters := true
		tld := 0 // length of the leading run of letters
		for q < limit {
			c := src[q]
			switch {
			case isLetter(c), wide && c >= 0x80:
				if letters = letters && c >= 0x80 == (src[p] >= 0x80); letters {
					tld = q + 1 - p
				}
			case isDigit(c), c == '-' && q > p:
				letters = false
			default:
				goto labelEnd
			}
			q++
		}
	labelEnd:
		if q == p {
			break
		}
		labels++
		if labels > 1 && tldLike(src[d:p], src[p:q], tld) {
			if best = p + tld; src[p] == 'x' && tld == 2 {
				best = q // xn--…
			}
		}
		if q >= limit || src[q] != '.' {
			break
		}
		p = q + 1
	}
	return best
}

// tldLike reports whether a label may end a domain; tld is the length of its leading letters.
func tldLike(head, lbl string, tld int) bool {
	if tld < 2 {
		return false
	}
	if tld == 2 && len(lbl) > 6 && lbl[:4] == "xn--" {
		return true
	}
	if tld < len(lbl) && lbl[tld] != '-' {
		return false
	}
	switch lbl[:tld] {
	case "png", "jpg", "jpeg", "gif", "webp", "svg":
		return head != "2x." && head != "3x." // icon@2x.png
	case "service", "socket", "timer", "mount", "target", "slice":
		return false // units of systemd: getty@tty1.service
	}
	return true
}

// versionLike reports that what looks like a domain is a version: v1.2.3-rc.
func versionLike(t string) bool {
	k := 0
	if t[0] == 'v' {
		k++
	}
	from := k
	for k < len(t) && isDigit(t[k]) {
		k++
	}
	return k > from && k+1 < len(t) && t[k] == '.' && isDigit(t[k+1])
}

// accented reports the two bytes of a letter of the European scripts beyond ASCII, U+00C0 to U+04FF,
// which people have in their names and addresses. Letters of other scripts are borders.
func accented(a, b byte) bool { return a >= 0xC3 && a <= 0xD3 && b >= 0x80 && b < 0xC0 }

// loginPassword returns where the password begins in user:password@host with its '@' at i, or 0. A mail
// address may stand behind a colon too, so it must have a sign that those do not have, or a word for
// credentials before it.
func (s *scanner) loginPassword(i int) int {
	low := max(s.floor, i-maxLocal/2)
	p := i
	for p > low && token[s.src[p-1]] && s.src[p-1] != ':' && s.src[p-1] != '/' && s.src[p-1] != '\\' && s.src[p-1] != '=' {
		p--
	}
	if i-p < 4 || s.before(p) != ':' || p == low {
		return 0
	}
	u := p - 1
	for u > low && (inWord(s.src[u-1]) || s.src[u-1] == '.' || s.src[u-1] == '-') {
		u--
	}
	name, t := s.src[u:p-1], s.src[p:i]
	if len(name) < 2 || u > 0 && s.src[u-1] != ' ' || !hasDigit(t) || !hasLetter(t) {
		return 0
	}
	for _, w := range [...]string{"mailto", "email", "e-mail", "mail", "to", "from", "cc", "bcc", "sip", "xmpp", "contact", "user", "username", "login", "account", "name", "reply-to"} {
		if len(name) == len(w) && foldPrefix(name, w) {
			return 0
		}
	}
	if strings.ContainsAny(t, "!#$&*") {
		return p
	}
	before := s.src[max(s.context, u-24):u]
	for _, w := range [...]string{"creds", "credentials", "login", "Login", "Creds", "Credentials"} {
		if strings.Contains(before, w) {
			return p
		}
	}
	return 0
}
