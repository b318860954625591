package sqlite

// LookAgain makes the next transaction look whether the file is still in place, which it does once a second.
func (s *Store) LookAgain() { s.looked.Store(0) }

// SetChunk sets how many rows of a removed job are deleted at a time.
func (s *Store) SetChunk(n int) { s.chunk = n }
