"""Drover: virtual machines as Kubernetes objects, on plain libvirt."""

__version__ = "0.1.0"
"""The same as in pyproject.toml."""
