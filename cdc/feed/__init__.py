"""The live feed: each change as it happens, from one Kafka tail to any number of readers."""
