//go:build tools

// Package kubectl pins the kubectl that the comparison runs: it is never imported, only its requirement is built.
package kubectl

import _ "k8s.io/kubernetes/cmd/kubectl"
