"""Tests of what users do with stories."""
