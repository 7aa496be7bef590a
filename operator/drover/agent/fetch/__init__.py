"""Fetching one file of an image into the cache: a child process of the agent, see `agent.worker`."""
