"""Fits a straight line by gradient descent. Watched by epochwatch: the import and `agent.beat` are all it takes."""

import random

from epochwatch import agent

points = [(x / 50, 3 * x / 50 + 1 + random.gauss(0, 0.1)) for x in range(100)]
slope, offset = 0.0, 0.0

for epoch in range(200):
    errors = [(slope * x + offset - y, x) for x, y in points]
    loss = sum(error**2 for error, _ in errors) / len(points)
    slope -= 0.1 * 2 * sum(error * x for error, x in errors) / len(points)
    offset -= 0.1 * 2 * sum(error for error, _ in errors) / len(points)
    agent.beat(epoch, loss)

print(f"y = {slope:.2f} x + {offset:.2f}, loss {loss:.4f}")
