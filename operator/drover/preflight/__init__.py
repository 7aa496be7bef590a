"""The process that checks a node before it becomes a host of guests, and says what to do."""
