"""A run of a sweep, from its combination to its end."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ser.training.job import Job

STATES = ("planned", "skipped", "double", "bad", "waiting", "running", "stopped", "failed", "finished")


@dataclass(slots=True)
class SweepRun:
    """One combination.

    Args:
        overrides: All of them, for a launcher.
        label: Those that differ from one combination to another, for people.
        config: Composed, as plain data; None if invalid.
        job: Found by `ser.training.job.find_job`; None if invalid.
        state: One of `STATES`. planned: not checked yet; waiting: to be trained; stopped: begun, and to be continued.
        reason: Why it was left out or failed, in one sentence.
        before: Whether it was finished before the sweep began.
        seconds: Estimated, to train it alone.
        marker: Of the end of an earlier training that `run.rerun=true` does again, else None.
        seen: Metrics, once it is finished.
    """

    overrides: list[str]
    label: str
    config: dict[str, Any] | None = None
    job: "Job | None" = None
    state: str = "planned"
    reason: str = ""
    before: bool = False
    seconds: float = 0.0
    marker: int | None = None
    seen: dict[str, float] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Of the run, or empty if unknown."""
        return "" if self.job is None else self.job.directory.identity

    def leave_out(self, state: str, reason: str) -> None:
        """Marks it as not trained, with the reason: one sentence, without line breaks."""
        self.state, self.reason = state, " ".join(reason.split())

    def has_ended(self) -> bool:
        """Whether its marker exists, and is newer than the training that `run.rerun=true` repeats."""
        return (found := self.end()) is not None and found != self.marker

    def end(self) -> int | None:
        """When its marker was written, or None."""
        try:
            return (self.job.directory.path / "finished.json").stat().st_mtime_ns
        except OSError:
            return None
