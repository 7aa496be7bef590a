"""Drover: virtual machines as Kubernetes objects, on plain libvirt."""
