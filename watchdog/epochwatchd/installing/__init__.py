"""``epochwatchd service``: installs the daemon as a systemd service, takes it away, says how it does."""
