"""Fixtures for the whole suite."""

pytest_plugins = ["tests.fixtures.clients", "tests.fixtures.engines", "tests.fixtures.service"]
