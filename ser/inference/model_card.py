"""The model card of an exported network (Mitchell et al., 2019, arXiv:1810.03993): Markdown, to go with it."""

import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence

from ser.evaluation.evaluate import MODEL, Evaluation, Fold, evaluate
from ser.inference.export_facts import corpora_of
from ser.inference.finished_run import FinishedRun
from ser.reports.evaluation_tables import FIGURES, cell, remarks
from ser.system.names import printable

BLANK = "\n\n"  # behind the first paragraph of a data sheet
NOT_FOR = (
    "deciding about people, or helping to: at work, in education, in hiring, credit, insurance, health, policing, "
    "asylum or border control. In the European Union inferring emotions at work and in education is prohibited "
    "(Regulation 2024/1689, Article 5(1)(f)), and people must be told elsewhere (Article 50).",
    "finding out what somebody feels. The labels are what speakers were asked to express, or what listeners heard; "
    "how a voice sounds and what its speaker feels are two things.",
    "diagnosing anything, detecting lies, or watching people who do not know of it or have not agreed.",
    "speech unlike the recordings it was trained on: other languages, children, telephones, noise, several speakers at "
    "once, spontaneous speech if they were acted. The figures above say nothing about it; measure first.",
    "anything that the licence of the recordings does not allow.",
)


def model_card(
    run: FinishedRun,
    scored: Fold,
    facts: Mapping[str, str],
    file: str,
    kind: str,
    check: str,
    trust: Sequence[str] = (),
) -> str:
    """The card as Markdown.

    Args:
        run: The run.
        scored: Its predictions.
        facts: The metadata (`ser.inference.export_facts`).
        file: Name of the network's file.
        kind: Its format.
        check: On what it was compared with the checkpoint, and how far it is from it.
        trust: Packages whose classes the run's config may name.
    """
    evaluation = evaluate([scored])
    metrics, corpora = json.loads(facts["metrics"]), corpora_of(run, trust)
    members = f", an ensemble of {facts['members']} runs" if "members" in facts else ""
    counts = [f"{metrics[f'num_{part}']} of {part}" for part in ("train", "val", "test") if metrics.get(f"num_{part}")]
    labels = json.loads(facts["labels"])
    sheets = [f"{(inspect.getdoc(corpus) or corpus.name).partition(BLANK)[0]} {corpus.source}" for corpus in corpora]
    lines = [
        f"# Model card: {_plain(file)}",
        f"{facts['about']} Exported to {kind} from the run {_plain(facts['run'])} (identity {facts['identity']})"
        f"{members}, by ser {facts['ser']}.",
        "## Use",
        *_bullets({
            "Input": facts["input"],
            "The caller": facts["caller"],
            "Inside the network": f"{facts['inside']}; temperature {facts['temperature']}.",
            "Output": facts["output"],
            "Labels": ", ".join(labels),
            "Checked": f"{check}.",
        }),
        "## Data",
        *_bullets({
            "Corpora" if len(corpora) > 1 else "Corpus": " ".join(sheets),
            "Licence of the recordings": f"{facts['licence']}. Treat the network as bound by the same terms.",
            "Recordings": ", ".join(counts),
        }),
        "## Split",
        f"{_plain(facts['protocol'])}. The run used test neither to train nor to choose anything.",
        "## Figures",
        f"On test: {evaluation.num_utterances} utterances"
        + (f" of {evaluation.num_speakers} speakers" if evaluation.num_speakers else "")
        + f"; {_plain('; '.join(remarks(evaluation)))}. Chance is {1 / len(labels):.3f} UAR.",
        *_figures(evaluation),
        "## Not to be used for",
        "\n".join(f"- {line}" for line in NOT_FOR),
    ]  # fmt: skip
    return "\n\n".join(lines) + "\n"


def _figures(evaluation: Evaluation) -> list[str]:
    scores = evaluation.systems[MODEL]
    columns = list(next(iter(scores.by_class.values())))
    of_groups = ("uar", "wa", "f1_macro")
    groups = [
        [f"{division.trait} {group.name}", str(group.count), *(cell(group.figures[name]) for name in of_groups)]
        for division in evaluation.divisions
        for group in division.groups
    ]
    blocks = [
        _table(["", "test"], [[FIGURES[name], cell(estimate)] for name, estimate in scores.overall.items()]),
        "By class:",
        _table(
            ["", *(FIGURES[name] for name in columns)],
            [[name, *(cell(estimates[column]) for column in columns)] for name, estimates in scores.by_class.items()],
        ),
    ]
    if groups:
        blocks += ["By group:", _table(["", "utterances", *(FIGURES[name] for name in of_groups)], groups)]
    return blocks


def _bullets(items: Mapping[str, str]) -> list[str]:
    return ["\n".join(f"- **{name}:** {_plain(text.strip())}" for name, text in items.items())]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in lines)


def _plain(text: str) -> str:
    """Untrusted text in one line of Markdown: no HTML, no link, no code, no column of its own."""
    return re.sub(r"([\\`|\[\]])", r"\\\1", printable(text)).replace("<", "&lt;")
