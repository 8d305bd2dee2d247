"""``postroad top``: queues, handlers and workers with their rates, drawn again and again."""
