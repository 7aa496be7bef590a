"""The Kubernetes API: one client, one table of its errors, its Events and Leases; no kind's content is known here."""
