// Package sqlcgen is the queries of package sqlstore as Go, generated from
// queries.sql and PostgreSQL's migrations. Edit those and run
//
//	go generate ./internal/store/sqlstore
package sqlcgen
