"""Which of several ranks this process is, and where they meet, as torchrun, srun or rank 0 say it."""

import os
import socket
import time

from pytorch_lightning.plugins.environments import SLURMEnvironment

from ser.errors import UserError

MEET_S = 300.0  # for all ranks to be there: a cluster starts them one after the other
POLL_S = 0.05
PARENT = "SER_RANK_0"  # in the environment of ranks that rank 0 started: its process


def seat_among(world: int) -> dict[str, str]:
    """Which of several ranks this is and where they meet, in torchrun's words; no LOCAL_RANK: nobody started others.

    An allocation of SLURM says how many tasks there may be; only srun starts them, and gives each a number.

    Args:
        world: Ranks that the devices ask for.

    Raises:
        UserError: Other ranks were started.
    """
    named = {name: os.environ[name] for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT") if name in os.environ}
    if "LOCAL_RANK" in os.environ:
        started = int(os.environ.get("WORLD_SIZE", world))
        if started != world:
            raise UserError(f"{started} processes were started, and trainer.devices × trainer.num_nodes is {world}.")
        if "MASTER_PORT" not in os.environ:
            raise UserError("LOCAL_RANK says that this is one of several ranks, and MASTER_PORT not where they meet.")
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
    """Until rank 0 is there, in Python, where signals are heard."""
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
