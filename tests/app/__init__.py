"""The app on a real engine."""
