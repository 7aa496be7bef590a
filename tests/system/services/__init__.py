"""Servers that tests need and nobody ships: built once from source, kept in the cache of the sandbox."""
