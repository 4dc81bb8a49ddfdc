package postgres

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// The codes of PostgreSQL that are told apart (its documentation, appendix A).
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
	readOnly            = "25006"
	noDatabase          = "3D000"
	noPrivilege         = "42501"
	diskFull            = "53100"
	tooManyConnections  = "53300"
	lockNotAvailable    = "55P03"
	queryCanceled       = "57014" // which is a timeout here: pgx cancels by closing
	idleTransaction     = "25P03"
)

// refusal is Dialect.Refusal.
func refusal(op string, err error) error {
	var answer *pgconn.PgError
	switch {
	case err == context.Canceled, err == context.DeadlineExceeded:
		return nil // the caller's own; those of a statement's deadline are wrapped
	case errors.As(err, &answer):
		return answered(op, answer.Code, err)
	case lost(err), isConnect(err):
		return away(op, err)
	}
	return nil
}

// answered classes an error that the server returned.
func answered(op, code string, err error) error {
	internal := sealift.Errorf(sealift.KindInternal, op, "%w", plain(err))
	switch code {
	case uniqueViolation:
		return sealift.Errorf(sealift.KindConflict, op, "it is there already: %w", plain(err))
	case foreignKeyViolation:
		return sealift.Errorf(sealift.KindNotFound, op, "what it belongs to is not there: %w", plain(err))
	case diskFull:
		return sealift.Errorf(sealift.KindExhausted, op, "%w", plain(err)).WithReason("disk_full").
			WithHint("make room on the disk of the database, and try again")
	case lockNotAvailable:
		return internal.WithReason("busy").
			WithHint("another process has been writing to the store for %v; end it, and run one server on a database", sealift.StoreBusyTimeout)
	case queryCanceled, idleTransaction:
		return internal.WithReason("timeout").WithHint("see what keeps the database busy: SELECT * FROM pg_stat_activity")
	case tooManyConnections:
		return internal.WithReason("busy").WithHint("the database takes no more connections; a server needs 5, and each command beside it 5")
	case noDatabase:
		return internal.WithHint("make the database as \"sealift help postgres\" says, or mend the connection string")
	case noPrivilege:
		return internal.WithHint("connect as the role that owns the schema: see \"sealift help postgres\"")
	case readOnly:
		return internal.WithHint("if the database became a standby: add target_session_attrs=read-write to the connection string")
	}
	switch {
	case isLoss(code):
		return away(op, err)
	case strings.HasPrefix(code, "28"):
		return internal.WithReason("sign-in").WithHint("check the role and the password of the connection string, and pg_hba.conf")
	case strings.HasPrefix(code, "XX"):
		return internal.WithReason("corrupt").WithHint("the database is damaged; restore it from a backup")
	}
	return internal
}

// isLoss reports whether the server said that it ends the connection, or takes
// none: connection exceptions, shutdown, crash, start.
func isLoss(code string) bool { return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") }

// lost is Dialect.Lost: whatever is wrong with a connection but that it could
// not be made, which trying again at once does not mend.
func lost(err error) bool {
	var answer *pgconn.PgError
	var network net.Error
	switch {
	case err == nil, isConnect(err):
		return false
	case errors.As(err, &answer):
		return isLoss(answer.Code)
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return true
	}
	return errors.As(err, &network)
}

func isConnect(err error) bool {
	var refused *pgconn.ConnectError
	return errors.As(err, &refused)
}

func away(op string, err error) error {
	if cause := unverified(err); cause != nil {
		return sealift.Errorf(sealift.KindNetwork, op, "the database is away, or another one answers: %w", cause).WithReason(store.ReasonAway).
			WithHint("compare host, sslmode and sslrootcert of the connection string with the certificate that the server has; nothing was sent to it")
	}
	return sealift.Errorf(sealift.KindNetwork, op, "the database is away: %w", plain(err)).WithReason(store.ReasonAway).
		WithHint("see whether PostgreSQL runs and can be reached from this machine; nothing that was not acknowledged was done, and it goes on when the database is back")
}

// unverified returns why TLS was given up before anything was sent; nil where it
// was not.
func unverified(err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return certificate.Err
	case isConnect(err) && strings.Contains(err.Error(), "server refused TLS connection"): // which has no type
		return errors.New("it speaks no TLS")
	}
	return nil
}

// plain takes what pgx puts around the cause off it: which of the addresses it
// tried, and how.
func plain(err error) error {
	var answer *pgconn.PgError
	var network *net.OpError
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &network):
		return network
	}
	return err
}
