package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/storetest"
	"github.com/sallyport-go/sallyport/redisstore"
)

func TestSessionsContract(t *testing.T) {
	storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store {
		return newStore(t, now).Sessions()
	})
}

// TestSignedSessionsContract: a MAC changes nothing about what the store decides.
func TestSignedSessionsContract(t *testing.T) {
	storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store {
		s, err := redisstore.New(t.Context(), newClient(t, addr), redisstore.Config{
			Prefix: freshPrefix(), Now: now, Timeout: 10 * time.Second, Secrets: [][]byte{secret(1)},
		})
		require.NoError(t, err)
		return s.Sessions()
	})
}
