"""Sending inside the caller's own database transaction."""

from __future__ import annotations


class WritesOutboxes:
    """`outbox`, for an app."""
