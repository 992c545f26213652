"""Beats as they come: files in folders, and datagrams. What a beat means is not decided here."""
