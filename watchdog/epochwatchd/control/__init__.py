"""Commands to the daemon, over a Unix socket: HTTP, the caller known by the kernel. See docs/control.md."""
