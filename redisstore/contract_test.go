package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/storetest"
	"github.com/sallyport-go/sallyport/redisstore"
)

// newSigned is newStore with a MAC in every record.
func newSigned(t *testing.T, now func() time.Time) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(t.Context(), newClient(t, addr), redisstore.Config{
		Prefix: freshPrefix(), Now: now, Timeout: 10 * time.Second, Secrets: [][]byte{secret(1)},
	})
	require.NoError(t, err)
	return s
}

func TestSessionsContract(t *testing.T) {
	storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store {
		return newStore(t, now).Sessions()
	})
}

// TestSignedSessionsContract: a MAC changes nothing about what the store decides.
func TestSignedSessionsContract(t *testing.T) {
	storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store {
		return newSigned(t, now).Sessions()
	})
}

func TestFamiliesContract(t *testing.T) {
	storetest.TestFamilies(t, func(t *testing.T, now func() time.Time) refresh.Store {
		return newStore(t, now).Refresh()
	})
}

func TestSignedFamiliesContract(t *testing.T) {
	storetest.TestFamilies(t, func(t *testing.T, now func() time.Time) refresh.Store {
		return newSigned(t, now).Refresh()
	})
}

// TestFamiliesContractClockBack: the clock of a replica that takes over may be behind.
func TestFamiliesContractClockBack(t *testing.T) {
	storetest.TestFamiliesClockBack(t, func(t *testing.T, now func() time.Time) refresh.Store {
		return newSigned(t, now).Refresh()
	})
}
