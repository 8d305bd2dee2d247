"""Broker-blind: takes deliveries, runs handlers, settles. Asyncio inside; handlers run in executors."""
