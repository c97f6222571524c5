package refresh_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// In its last second a family has no room for an access token, and is over.
func TestLastSecond(t *testing.T) {
	for name, change := range map[string]func(*refresh.Config){"wired": func(*refresh.Config) {}, "unwired": unwired} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, change, func(c *refresh.Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, time.Hour })
			tokens := e.login()
			e.pass(time.Hour - time.Second)
			again := e.refresh(tokens.Refresh)
			require.NotEmpty(t, again.Access, "a second is enough")
			e.pass(time.Microsecond)
			e.refused(again.Refresh, "gone")
		})
	}
}
