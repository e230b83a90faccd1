"""What users do with stories on their pages: vote, withdraw, approve and reject."""
