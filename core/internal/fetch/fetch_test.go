package fetch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/internal/fetch"
)

func TestForbidden(t *testing.T) {
	for _, name := range []string{
		"accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
		"access-control-request-private-network", "connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host",
		"keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via",
		"proxy-authorization", "proxy-", "sec-fetch-site", "sec-", "access-control-allow-origin",
	} {
		require.True(t, fetch.Forbidden(name), name)
	}
	for _, name := range []string{
		"", "accept", "authorization", "content-type", "user-agent", "x-csrf-token", "x-sec-token", "proxy", "sec", "access-control", "second",
		"cookie3", "hosts", "x-cookie",
	} {
		require.False(t, fetch.Forbidden(name), name)
	}
}
