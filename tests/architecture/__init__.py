"""Tests of the rules about the structure and the wording of the code."""
