"""Users: accounts, roles and permissions."""
