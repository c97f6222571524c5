package core

import "fmt"

// ConfigError is one mistake in a configuration. Constructors report every
// mistake at once, joined; errors.As or an unwrap of the joined error gives each
// as data that a program can show to the person who wrote the configuration.
type ConfigError struct {
	// Field names the configuration field, with its struct: "session.Config.IdleTimeout".
	Field string
	// Value is what was given, as text.
	Value string
	// Reason says why it cannot stand.
	Reason string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s = %q: %s", e.Field, e.Value, e.Reason)
}
