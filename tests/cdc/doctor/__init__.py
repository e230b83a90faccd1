"""Tests of `cdc.doctor`."""
