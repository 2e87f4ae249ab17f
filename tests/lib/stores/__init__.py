"""Stores for tests, without a gateway."""
