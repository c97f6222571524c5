package redisstore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/storetest"
	"github.com/sallyport-go/sallyport/redisstore"
)

func newClient(t *testing.T, addr string) rueidis.Client {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

var prefixes atomic.Int64

func newStore(t *testing.T, now func() time.Time) *redisstore.Store {
	s, err := redisstore.New(context.Background(), newClient(t, addr), redisstore.Config{
		Prefix: fmt.Sprintf("t%d:", prefixes.Add(1)), Now: now, Timeout: 10 * time.Second,
	})
	require.NoError(t, err)
	return s
}

func TestSessionsContract(t *testing.T) {
	storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store {
		return newStore(t, now).Sessions()
	})
}
