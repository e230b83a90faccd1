"""Tests of the list of stories."""
