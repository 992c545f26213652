"""Beats as they come: files in folders, and datagrams on sockets. Whose they are is said; what they mean is not."""
