"""What a GPU does that a run holds: whether it works, what is usual for it, what its errors mean. Pure."""
