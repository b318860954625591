package h1

// Look closes idle connections that cannot be used, as it happens every few seconds.
func (t *Transport) Look() { t.look() }

// Idle is how many connections are kept.
func (t *Transport) Idle() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.hosts {
		n += len(h.idle)
	}
	return n
}
