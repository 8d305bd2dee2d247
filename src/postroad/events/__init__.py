"""Typed facts, published to whoever subscribed. App-blind: an owner gives them a way to its engine."""
