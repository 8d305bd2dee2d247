"""Typed facts, published to whoever subscribed. The types are there; using them says that it is not built yet."""
