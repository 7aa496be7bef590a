"""What was observed, as frozen dataclasses: Kubernetes objects as the caches hold them, and facts of a host.

Pure: no I/O, no clock. Times are RFC 3339 strings where the API gives them so, else seconds.
"""
