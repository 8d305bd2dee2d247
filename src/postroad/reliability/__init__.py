"""What makes effects happen once: an outbox and an inbox in the user's own database, and order by number."""
