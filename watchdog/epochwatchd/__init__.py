"""epochwatchd, the watchdog: watches trainings by their heartbeats, judges, and alerts."""
