// Package sqlcgen is the queries of package sqlite as Go, generated from
// queries.sql and the migrations. Edit those and run
//
//	go generate ./internal/store/sqlite
package sqlcgen
