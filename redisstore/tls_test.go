package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
)

// authority is a certificate authority of one test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{t: t, cert: cert, key: key}
}

// issue makes a certificate for 127.0.0.1, or for a client.
func (a *authority) issue(use x509.ExtKeyUsage) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "sallyport"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// trusting is a client that believes a and shows certs.
func trusting(a *authority, certs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, Certificates: certs, MinVersion: tls.VersionTLS12}
}

// startTLS runs a server that speaks nothing but TLS.
func startTLS(t *testing.T, a *authority, authClients string) *node {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	cert := a.issue(x509.ExtKeyUsageServerAuth)
	key, err := x509.MarshalECPrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	return startNode(t, "--tls-port", "{port}", "--port", "0", "--tls-auth-clients", authClients,
		"--tls-ca-cert-file", write("ca.pem", "CERTIFICATE", a.cert.Raw),
		"--tls-cert-file", write("server.pem", "CERTIFICATE", cert.Certificate[0]),
		"--tls-key-file", write("key.pem", "EC PRIVATE KEY", key))
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	open, strict := startTLS(t, ours, "no"), startTLS(t, ours, "yes")
	otherName := trusting(ours)
	otherName.ServerName = "redis.example"
	// What the client finds wrong it says; what the server finds wrong is a
	// connection that ends, with or without a TLS alert before.
	const hungUp = `certificate required|unknown certificate authority|EOF|reset by peer|broken pipe`
	for _, tc := range []struct {
		name string
		node *node
		tls  *tls.Config
		fail string // of rueidis.NewClient; empty for a session's whole life
	}{
		{"server certificate", open, trusting(ours), ""},
		{"both certificates", strict, trusting(ours, ours.issue(x509.ExtKeyUsageClientAuth)), ""},
		{"no client certificate", strict, trusting(ours), hungUp},
		{"client certificate of another authority", strict, trusting(ours, theirs.issue(x509.ExtKeyUsageClientAuth)), hungUp},
		{"server certificate of another authority", open, trusting(theirs), "certificate signed by unknown authority"},
		{"server certificate of another name", open, otherName, `redis\.example`},
		{"no TLS", open, nil, hungUp},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := rueidis.ClientOption{InitAddress: []string{tc.node.addr}, TLSConfig: tc.tls, DisableCache: true}
			if tc.fail != "" {
				client, err := rueidis.NewClient(o)
				if err == nil {
					client.Close()
				}
				require.Error(t, err)
				require.Regexp(t, tc.fail, err.Error())
				return
			}
			s := newSite(t, tc.node.client(t, o))
			v := s.login("ann")
			require.Equal(t, "ann", s.who(v))
			require.NoError(t, s.m.RevokeAll(t.Context(), "ann"))
			require.Equal(t, nobody, s.who(v))
		})
	}
}

// TestTLSHidesEverything: what passes on the way says nothing, as it does without
// TLS; the credential itself is never sent at all.
func TestTLSHidesEverything(t *testing.T) {
	ca := newAuthority(t, "ours")
	for _, tc := range []struct {
		name     string
		node     *node
		tls      *tls.Config
		readable bool
	}{
		{"plain", startNode(t), nil, true},
		{"tls", startTLS(t, ca, "no"), trusting(ca), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			way := startRelay(t, tc.node.addr)
			s := newSite(t, tc.node.client(t, rueidis.ClientOption{
				InitAddress: []string{way.addr}, ForceSingleClient: true, TLSConfig: tc.tls,
			}))
			const subject = "somebody-with-a-name"
			v := s.login(subject)
			require.Equal(t, subject, s.who(v))
			key, field := s.place(v)
			sent := way.sent.String()
			for _, text := range []string{subject, key, field, "EVALSHA"} {
				if tc.readable {
					require.Contains(t, sent, text)
				} else {
					require.NotContains(t, sent, text)
				}
			}
			require.NotContains(t, sent, v)
		})
	}
}
