package store

import "errors"

// Errors of databases that cannot be used as they are. Both are ErrUnavailable as well.
var (
	// ErrDamaged: what the database gives back is not what was written. The error is a [*DamageError].
	ErrDamaged = errors.New("store: database damaged")
	// ErrFull: there is no room for what has to be written. Nothing of it is; the same write works when there is room.
	ErrFull = errors.New("store: disk full")
)

// DamageError says what is wrong with a database and what can be done. It matches [ErrDamaged] and [ErrUnavailable].
type DamageError struct {
	File  string // what is damaged; may be empty where only the store knows
	Found string // what was found, such as "page 7 is not in use"
	Next  string // what to do now
	Err   error  // the cause; may be nil
}

// Error names the file and what was found.
func (e *DamageError) Error() string {
	if e.File == "" {
		return "damaged: " + e.Found
	}
	return e.File + " is damaged: " + e.Found
}

// Is makes it an [ErrDamaged] and an [ErrUnavailable].
func (e *DamageError) Is(target error) bool { return target == ErrDamaged || target == ErrUnavailable }

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }
