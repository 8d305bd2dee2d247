"""``postroad topology``: queues, exchanges and bindings: what an app declares, what an engine has, what differs."""
