// Package api is the people-facing API in Go: its types, its client and its
// routes, generated from api/openapi.yaml, which is written first and by hand.
// Package control answers the routes, package apiclient wraps the client.
//
// To generate it again, with sha256sum at hand:
//
//	go generate ./internal/control/api
//
// generated.sha256 records what was generated from what; a test compares.
package api

//go:generate sh -c "cd ../../.. && go tool -modfile=tools/go.mod oapi-codegen -config api/oapi-codegen.yaml api/openapi.yaml && sha256sum api/openapi.yaml api/oapi-codegen.yaml internal/control/api/api.gen.go > internal/control/api/generated.sha256"
