//go:build tools

// Package blackbox pins the Prometheus blackbox exporter that the comparison runs: it is never imported, only its requirement is built.
package blackbox

import _ "github.com/prometheus/blackbox_exporter"
