// Package api holds the description of the people-facing HTTP API, in OpenAPI
// 3.0.3. It is written first and by hand; internal/control/api is generated
// from it.
package api

import _ "embed" // for the description

// Document is openapi.yaml.
//
//go:embed openapi.yaml
var Document []byte
