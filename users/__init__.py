"""Accounts, roles and permissions of users."""
