"""A training on several processes with DDP; every rank beats, so that a message names the one that fell.

torchrun --standalone --nproc-per-node 2 examples/pytorch_ddp.py
"""

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from epochwatch import agent

distributed.init_process_group("gloo")  # "nccl" on GPUs
model = DistributedDataParallel(nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.01)
steps = 20
agent.start("pytorch-ddp", steps=steps)
for step in range(1, steps + 1):
    loss = model(torch.randn(8, 4)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    agent.beat(loss=loss, step=step)
if distributed.get_rank() == 0:
    with agent.phase("checkpoint", within="10m"):  # the other ranks wait for it
        torch.save(model.module.state_dict(), "/dev/null")
distributed.barrier()
distributed.destroy_process_group()
