package sqlite

// LookAgain makes the next transaction look whether the file is still in place, which it does once a second.
func (s *Store) LookAgain() { s.looked.Store(0) }
