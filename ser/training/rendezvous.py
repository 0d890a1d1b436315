"""This process's rank and the rendezvous address, from torchrun, srun or rank 0."""

import os
import socket
import time

from pytorch_lightning.plugins.environments import SLURMEnvironment

from ser.errors import UserError

MEET_S = 300.0  # for all ranks to start: a cluster starts them one after the other
POLL_S = 0.05
PARENT = "SER_RANK_0"  # in the environment of ranks started by rank 0: its process


def seat_among(world: int) -> dict[str, str]:
    """This process's rank and the rendezvous address, as torchrun's variables; no LOCAL_RANK: no launcher.

    A SLURM allocation only has a number of tasks; srun starts them, and numbers them.

    Args:
        world: Number of ranks for the devices.

    Raises:
        UserError: The number of started ranks differs.
    """
    named = {name: os.environ[name] for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT") if name in os.environ}
    if "LOCAL_RANK" in os.environ:
        started = int(os.environ.get("WORLD_SIZE", world))
        if started != world:
            raise UserError(f"{started} processes were started, and trainer.devices × trainer.num_nodes is {world}.")
        if "MASTER_PORT" not in os.environ:
            raise UserError("LOCAL_RANK is set, as for one of several ranks, but MASTER_PORT is not.")
        return {"NODE_RANK": os.environ.get("GROUP_RANK", "0"), "LOCAL_RANK": os.environ["LOCAL_RANK"], **named}
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", os.environ.get("SLURM_NTASKS", 1)))
    if tasks != world or "SLURM_PROCID" not in os.environ:
        return named
    nodes = os.environ.get("SLURM_STEP_NODELIST", os.environ.get("SLURM_NODELIST", "127.0.0.1"))
    return {
        "NODE_RANK": os.environ.get("SLURM_NODEID", "0"),
        "LOCAL_RANK": os.environ.get("SLURM_LOCALID", os.environ["SLURM_PROCID"]),
        "MASTER_ADDR": SLURMEnvironment.resolve_root_node_address(nodes),
        "MASTER_PORT": str(15000 + int(os.environ.get("SLURM_JOB_ID", "0")) % 10000),
        **named,
    }


def wait_for_port(host: str, port: int) -> None:
    """Waits for rank 0 in Python, where signals are handled."""
    end, parent = time.monotonic() + MEET_S, os.environ.get(PARENT)
    while True:
        try:
            return socket.create_connection((host, port), timeout=5).close()
        except OSError as error:
            if parent not in (None, str(os.getppid())):
                raise SystemExit(1) from None
            if time.monotonic() > end:
                raise UserError(f"Rank 0 did not come to {host}:{port} in {MEET_S / 60:.0f} minutes: {error}") from None
        time.sleep(POLL_S)
