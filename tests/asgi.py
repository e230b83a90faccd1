"""The application as it is, but for how long it takes to ask again who may still read."""

from importlib import import_module

from project.asgi import application

# By name, because its import must come behind the application's, which makes Django ready.
vars(import_module("cdc.feed.stream"))["CHECK_SECONDS"] = 1.0

__all__ = ["application"]
