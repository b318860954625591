package redact

import "strings"

// flag handles the '-' of a short option at i, and of the end of a Mailchimp key. It returns where to go
// on.
func (s *scanner) flag(i int) int {
	src, c := s.src, s.src[i+1]
	switch {
	case c == 'u' && i >= s.floor+32 && src[i+2:min(len(src), i+3)] == "s" && isDigit(s.at(i+3)):
		return s.mailchimp(i)
	case c != 'p' && c != 'a' && c != 'u', inWord(s.before(i)):
		return i + 1
	}
	q := i + 2
	next := s.at(q)
	line := src[max(s.context, i-2*window):i]
	if n := strings.LastIndexByte(line, '\n'); n >= 0 {
		line = line[n+1:]
	}
	switch {
	case c == 'p' && next != ' ' && (strings.Contains(line, "mysql") || strings.Contains(line, "mariadb")),
		c == 'p' && next == ' ' && (strings.Contains(line, "sshpass") || strings.Contains(line, " login ")),
		c == 'a' && next == ' ' && strings.Contains(line, "redis-cli"):
		if next == ' ' {
			q++
		}
		if end := s.assigned(namePassword, q, value{sep: ' '}, 0); end > 0 {
			return end
		}
	case c == 'u' && next == ' ' && strings.Contains(line, "curl"):
		return s.login(q + 1)
	}
	return i + 1
}

// userOption reports the options of curl that take user:password.
func userOption(name string) bool { return name == "user" || name == "proxy-user" }

// userOf handles such an option at i, which ends at q. If the line is not curl's, scanning goes on at resume.
func (s *scanner) userOf(i, q, resume int) int {
	line := s.src[max(s.context, i-2*window):i]
	if n := strings.LastIndexByte(line, '\n'); n >= 0 {
		line = line[n+1:]
	}
	if !strings.Contains(line, "curl") {
		return resume
	}
	return max(resume, s.login(q+1))
}

// login handles user:password at p.
func (s *scanner) login(p int) int {
	src := s.src
	if isQuote(s.at(p)) {
		p++
	}
	k := p
	for k < len(src) && k < p+64 && (inWord(src[k]) || src[k] == '.' || src[k] == '-' || src[k] == '@' || src[k] == '+') {
		k++
	}
	if s.at(k) != ':' || k == p {
		return p
	}
	q := k + 1
	for q < len(src) && q < k+64 && !isSpace(src[q]) && !isQuote(src[q]) && src[q] != '\\' {
		q++
	}
	if t := src[k+1 : q]; len(t) < 3 || reference(t) {
		return p
	}
	return s.emit(k+1, q, labelPassword)
}

// mailchimp handles the '-' at i of a key of Mailchimp: 32 hexadecimal digits, "-us" and a number.
func (s *scanner) mailchimp(i int) int {
	for k := i - 32; k < i; k++ {
		if !isHex(s.src[k]) {
			return i + 1
		}
	}
	end := i + 3
	for end < len(s.src) && end < i+6 && isDigit(s.src[end]) {
		end++
	}
	if end < len(s.src) && inWord(s.src[end]) || i > 32 && inWord(s.before(i-32)) {
		return i + 1
	}
	return s.emit(i-32, end, labelKey)
}
