"""What both processes share: caches, queues, reconcilers, leadership, health, settings, logs; no kind is known here."""
