//go:build tools

// Package k8sgpt pins the k8sgpt that the comparison runs: it is never imported, only its requirement is built.
package k8sgpt

import _ "github.com/k8sgpt-ai/k8sgpt"
