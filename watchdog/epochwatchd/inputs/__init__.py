"""The world as the watchdog sees it: heartbeat files, datagrams, processes, GPUs. Nothing is judged here."""
