package postgres

import (
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sealift/sealift"
)

// parse reads a connection string. Its text, which may hold a password, is in no
// error.
func parse(dsn string) (*pgx.ConnConfig, error) {
	const op = "reading the connection string"
	if dsn == "" || len(dsn) > sealift.MaxDSN {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "it has %d bytes", len(dsn)).WithReason("dsn").WithHint("%s", forms)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil { // which quotes it
		return nil, sealift.Errorf(sealift.KindInvalid, op, "PostgreSQL would not take it").WithReason("dsn").WithHint("%s", forms)
	}
	if host, ok := inClear(config); ok {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "the connection to %s would not be verified TLS", host).WithReason("plaintext").
			WithHint("add sslmode=verify-full, and sslrootcert=FILE for a CA of your own")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = sealift.ConnectTimeout
	}
	config.DialFunc = dialer.DialContext
	setDefaults(config, map[string]string{
		"application_name": "sealift",
		// So the server notices as well that this machine is gone. Over a Unix
		// socket it ignores them.
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	})
	return config, nil
}

// setDefaults sets what the connection string does not.
func setDefaults(config *pgx.ConnConfig, settings map[string]string) {
	for name, value := range settings {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
}

const forms = "use one of these forms: postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full, or host=/var/run/postgresql user=USER dbname=DATABASE"

// inClear names the first host to which a connection could be made that does
// not verify whom it meets, or that others could read. One that stays on this
// machine is neither.
func inClear(config *pgx.ConnConfig) (host string, ok bool) {
	ways := append([]*pgconn.FallbackConfig{{Host: config.Host, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	for _, way := range ways {
		tls := way.TLSConfig
		verified := tls != nil && (!tls.InsecureSkipVerify || tls.VerifyPeerCertificate != nil || tls.VerifyConnection != nil)
		if !verified && !stays(way.Host) {
			return way.Host, true
		}
	}
	return "", false
}

// stays reports whether what goes to host stays on this machine: a Unix socket
// or a loopback address.
func stays(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
