"""The cluster controller: decides about every kind, speaks to the API server only, holds no truth in memory."""
