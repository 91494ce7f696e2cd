"""Kubeconfigs, and everything else that says how a configured cluster is reached."""

from bot.adapters.kubeconfig.access import FileDirectory, from_kubeconfig, resolve

__all__ = ["FileDirectory", "from_kubeconfig", "resolve"]
