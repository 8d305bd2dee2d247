"""Tasks: functions to run, sent as messages. Broker-blind and app-blind: an owner gives them a route."""
