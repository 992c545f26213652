"""The daemon: putting the rooms together, and running them."""
