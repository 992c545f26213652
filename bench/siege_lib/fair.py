def measure(*_, **__): return []
