"""Examines what a deployment needs: settings, database, Kafka and MongoDB."""
