"""``postroad demo``: durable tasks on real input, one SQLite file, and a worker that is killed half way."""
