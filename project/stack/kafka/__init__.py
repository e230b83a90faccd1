"""The embedded Kafka broker, its jars and its Java runtime."""
