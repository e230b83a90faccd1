"""The embedded Kafka: its Java runtime, its jars and the broker process."""
