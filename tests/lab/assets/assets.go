//go:build assets

// Package assets pins what the control-plane tests run: it is never imported, only its requirements are built.
package assets

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
