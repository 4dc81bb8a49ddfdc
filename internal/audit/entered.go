package audit

import "errors"

// entered is a refusal of which there is an entry.
type entered struct{ error }

// Unwrap returns the refusal.
func (e entered) Unwrap() error { return e.error }

// Entered is err, of which the log has an entry: nobody further out makes another.
func Entered(err error) error { return entered{err} }

// IsEntered reports whether err is of Entered.
func IsEntered(err error) bool { return errors.As(err, new(entered)) }
