"""Fixtures for the whole suite."""

pytest_plugins = ["tests.fixtures.engines", "tests.fixtures.service"]
