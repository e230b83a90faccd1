"""Simulates relays that each publish a part of the outbox: `python -m tests.bench.sharding`.

Each relay publishes the rows whose keys are in its shard. No such relay exists; the simulation
shows what it could be worth. `simulation` puts the parts together: the writers' changes, the outbox
in the database, the relays, Kafka's topic, and the consumers with MongoDB. The durations of the
parts were measured (`measured.json`, written by `--measure`).

The simulation is event-driven and deterministic. It does not use SimPy, because the two
classes of `engine` are sufficient.
"""
