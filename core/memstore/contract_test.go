package memstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/storetest"
)

// This is all that a store author writes.
func TestSessions(t *testing.T) {
	storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store { return made(t, now) })
}

func TestRevocations(t *testing.T) {
	storetest.TestRevocations(t, func(t *testing.T, now func() time.Time) revocation.Store { return made(t, now) })
}

func TestFamilies(t *testing.T) {
	storetest.TestFamilies(t, func(t *testing.T, now func() time.Time) refresh.Store { return made(t, now) })
}

func TestFamiliesClockBack(t *testing.T) {
	storetest.TestFamiliesClockBack(t, func(t *testing.T, now func() time.Time) refresh.Store { return made(t, now) })
}

func made(t *testing.T, now func() time.Time) *memstore.Store {
	t.Helper()
	s, err := memstore.New(memstore.Config{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
