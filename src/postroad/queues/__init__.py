"""Queues and exchanges of raw messages, and what died in them. App-blind: an owner gives them a way to its engine."""
