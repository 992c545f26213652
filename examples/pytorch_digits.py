"""A small network that reads handwritten digits (scikit-learn's), on the CPU.

Watched by epochwatch: the import and `agent.beat` are all it takes. Needs `pip install torch scikit-learn`.
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from epochwatch import agent

EPOCHS = 10


def main():
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    train_x, test_x, train_y, test_y = train_test_split(images, torch.tensor(labels), test_size=0.25, random_state=0)
    batches = DataLoader(TensorDataset(train_x, train_y), batch_size=64, shuffle=True)

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()

    for epoch in range(EPOCHS):
        for x, y in batches:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            agent.beat(epoch, loss)

    with torch.no_grad():
        accuracy = (model(test_x).argmax(1) == test_y).float().mean()
    print(f"{accuracy:.1%} of the digits it has not seen before are read right")


if __name__ == "__main__":
    main()
