// Package redisstore keeps sessions in Redis 7 or newer: standalone, Sentinel or
// Cluster, through rueidis.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}, DisableCache: true})
//	store, err := redisstore.New(ctx, client, redisstore.Config{})
//	sessions, err := session.New(store.Sessions(), session.Config{Secret: fleetSecret})
//
// Every decision is one command on one key slot. Every key has a time to live.
// Reads go to the primary, each time. docs/redis.md is the guide.
package redisstore
