"""To come."""
def measure(): return []
