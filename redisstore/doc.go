// Package redisstore keeps sessions, refresh families, and what revokes them, in Redis
// 7 or newer: standalone, Sentinel or Cluster, through rueidis.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}, DisableCache: true})
//	store, err := redisstore.New(ctx, client, redisstore.Config{})
//	sessions, err := session.New(store.Sessions(), session.Config{Secret: fleetSecret})
//	tokens, err := refresh.New(sessions.Revocations(), refresh.Config{Issuer: issuer, Secrets: refreshSecrets})
//
// One hash holds all records of a routing tag: sessions, the snapshots of renewed
// ones, refresh families, and the field "r" with what was revoked of their owners. So
// a read sees a session together with its revocation, every decision about a subject
// is one command on one key, and there is no index that could differ from the
// sessions. Every key has a time to live. Reads go to the primary, each time.
// docs/redis.md is the guide.
package redisstore
