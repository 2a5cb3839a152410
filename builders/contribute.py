"""Contributing: a model becomes a skeleton on this machine, and that a pull request on a dataset repository.

In goes an ONNX file or a model of the Hub; out comes what became of it: a pull request that adds one small Parquet
file, or the row that the release has of it already.

What counts as known is the skeleton. A known graph with parameters of other shapes is a new skeleton of its row, and
is proposed; another model with a known skeleton adds nothing but its name, and is not.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import onnx
from huggingface_hub import CommitOperationAdd, HfApi

from builders.contribution import SOURCE, Contribution, InvalidContributionError, contributed
from builders.crawl import list_models
from builders.hub_terms import check_license, check_task
from builders.ledger import Ledger
from builders.measure.facts import Facts, measure
from builders.model_ref import ModelRef
from builders.pipeline import MEMORY_LIMIT, TIMEOUT, collect
from builders.publish.dataset_repository import (
    REPO_TYPE,
    DatasetRepository,
    check_token,
    find_repository,
    quiet_off_terminal,
    refusals,
)
from younger_hf import __version__
from younger_hf.errors import UsageError, YoungerError
from younger_hf.extract.weightless import count_tensors, find_weights
from younger_hf.foreign_release import check_foreign_release
from younger_hf.release import Release, open_release
from younger_hf.text import plain
from younger_hf.unreachable import UNREACHABLE

Standing = Literal["new graph", "another export", "new skeleton", "known", "waiting", "proposed"]
"""What the repository has of a model: nothing, the same network by another exporter, its graph, its skeleton, a file
for the next release, a pull request."""

_MODEL_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")
_LONGEST_TITLE: Final = 60
_ONNX: Final = "onnx"  # the library and the exporter of a file
_REFUSED_LOGINS: Final[Mapping[int | None, str]] = {
    401: "the Hub does not know your login any more: log in again",
    403: "the Hub does not let you open a pull request on {repo_id} from here: log in again and allow that",
    None: "the Hub did not finish the work on {repo_id} ({reason}): try again, which proposes nothing twice",
}


@dataclass(frozen=True)
class Provenance:
    """What a contributor says of a model, where its source does not.

    Attributes:
        id: what it is called, perhaps `organisation/name`.
        component: the part of it that is meant, where it has several.
        license: the identifier of its licence.
        task: what it is for.
        family: the family of architectures that it belongs to.
    """

    id: str = ""
    component: str = ""
    license: str = ""
    task: str = ""
    family: str = ""


@dataclass(frozen=True)
class Proposal:
    """A contribution, and what the repository has of it.

    Attributes:
        repo_id: the repository.
        contribution: the model and its skeleton.
        facts: what was measured on the skeleton.
        standing: what the repository has of it.
        row: the name of the row that has its graph; "" where there is none.
        url: of the pull request; "" where there is none.
    """

    repo_id: str
    contribution: Contribution
    facts: Facts
    standing: Standing = "new graph"
    row: str = ""
    url: str = ""

    @cached_property
    def content(self) -> bytes:
        """The file that is proposed."""
        return self.contribution.to_parquet()

    @property
    def is_new(self) -> bool:
        """Whether there is something to propose."""
        return self.standing in ("new graph", "another export", "new skeleton")

    def __str__(self) -> str:
        """All that would be published."""
        facts, skeleton = self.facts, self.contribution.skeleton
        counts = count_tensors(onnx.load_model_from_string(skeleton))
        texts = {**self.contribution.texts, "onnx": f"{len(skeleton):,} bytes, opset {facts.opset}"}
        width = max(map(len, texts))
        return "\n".join(
            (
                f"{self.contribution.path}, {len(self.content):,} bytes, is all that {self.repo_id} would get:",
                *(f"  {name:<{width}}  {value}".rstrip() for name, value in texts.items()),
                f"  {'':<{width}}  {facts.num_nodes:,} operators: {facts.summary}",
                f"  {'':<{width}}  {facts.num_edges:,} data flows",
                f"  {'':<{width}}  {counts.parameters:,} parameters by element type and shape, without values "
                f"({facts.num_parameters:,} elements)",
                f"  {'':<{width}}  {counts.constants:,} constants with values ({counts.values:,} in all): "
                "target shapes, axes and the like",
            )
        )

    @property
    def verdict(self) -> str:
        """What the repository has of it, as a sentence."""
        contribution = self.contribution
        return {
            "new graph": f"{self.repo_id} has no such graph",
            "another export": f"{self.repo_id} has the same network by another export, as {self.row}: to propose this "
            "one too, use --yes-another-export",
            "new skeleton": f"{self.repo_id} has its graph as {self.row}, with parameters of other shapes: "
            "this is a new skeleton of that row",
            "known": f"{self.repo_id} has it, there is nothing to contribute: row {self.row} of config graphs, "
            f"fingerprint {contribution.fingerprint}, skeleton_fingerprint {contribution.skeleton_fingerprint}",
            "waiting": f"{self.repo_id} has it in {contribution.path}, where it waits for the next release",
            "proposed": f"it is proposed already, and waits to be merged: {self.url}",
        }[self.standing]


def contribute(
    model: str,
    repo_id: str,
    provenance: Provenance | None = None,
    *,
    dry_run: bool = False,
    timeout: float = TIMEOUT,
    memory_limit: int = MEMORY_LIMIT,
    another_export: bool = False,
    show: Callable[[str], object] = lambda _: None,
    confirm: Callable[[], bool] = lambda: True,
) -> Proposal:
    """Propose a model for a dataset, as the user whose token huggingface_hub finds (`HF_TOKEN`, `hf auth login`).

    Args:
        model: the path of an ONNX file, or a model of the Hub as `organisation/name`.
        repo_id: the dataset repository that holds the release.
        provenance: what its source does not say; a file says nothing.
        dry_run: end before anything is proposed; no token is needed where all can see the repository.
        timeout: wall-clock seconds for the conversion.
        memory_limit: resident bytes for the conversion.
        another_export: whether to go on where a row is the same network by another exporter, opset or library.
        show: is given, as text, all that would be published, and what the repository has of it.
        confirm: is asked then whether to go on.

    Returns:
        The proposal; with the URL of its pull request, if one was opened.

    Raises:
        UsageError: there is no such model or repository, or what must be said of the model is not, or cannot be.
        ReleaseError: the repository holds no release.
        YoungerError: the model cannot be converted, or its owner asked for it to be left out, or the Hub refuses.
    """
    if "/" not in repo_id:
        raise UsageError(f"{repo_id} has no namespace: name the repository as organisation/name")
    source = find_model(model, provenance or Provenance())
    api = HfApi(library_name="younger-hf", library_version=__version__)
    with refusals(repo_id):
        if not dry_run:
            check_token(api, repo_id)
        repository, release = _find_release(api, repo_id, source)
    contribution, facts = prepare(source, timeout=timeout, memory_limit=memory_limit)
    with refusals(repo_id):
        proposal = _look_up(api, repository, release, Proposal(repo_id, contribution, facts))
    show(str(proposal))
    show(proposal.verdict)
    held_back = proposal.standing == "another export" and not another_export
    if dry_run or held_back or not proposal.is_new or not confirm():
        return proposal
    with refusals(repo_id), quiet_off_terminal():
        return replace(proposal, url=_open_pull_request(api, proposal))


def contribute_skeleton(skeleton: bytes, repo_id: str, provenance: Provenance, token: str) -> Proposal:
    """Propose a skeleton that was made of somebody's ONNX file, in the name of whose token it is.

    Args:
        skeleton: as `builders.handed_in.HandedIn` makes it.
        repo_id: the dataset repository that holds the release.
        provenance: what its contributor says; the id and the licence are necessary.
        token: of a login with the Hub: whether there is such a repository for them, and what they may do there.

    Returns:
        The proposal; with the URL of its pull request, if one was opened. Where a row is the same network by another
        export, none is.

    Raises:
        YoungerError: as `contribute`.
    """
    source = _as_said(ModelRef(SOURCE, "", library=_ONNX), provenance)
    contribution, facts = _contribution(source, _ONNX, skeleton)
    api = HfApi(token=token, library_name="younger-hf", library_version=__version__)
    with refusals(repo_id, _REFUSED_LOGINS), quiet_off_terminal():
        repository, release = _find_release(api, repo_id, source)
        proposal = _look_up(api, repository, release, Proposal(repo_id, contribution, facts))
        if not proposal.is_new or proposal.standing == "another export":
            return proposal
        return replace(proposal, url=_open_pull_request(api, proposal))


def _find_release(api: HfApi, repo_id: str, model: ModelRef) -> tuple[DatasetRepository, Release]:
    """The release in a repository, which may have the model."""
    repository = find_repository(api, repo_id)
    if repository is None:
        raise UsageError(f"there is no dataset {repo_id} on the Hub, or none that this token may see")
    release = open_release(repo_id, repository.sha)
    if repository.removals().cover(model.id):
        raise YoungerError(f"{model.id} is not to be in {repo_id}: its owner asked for that")
    return repository, release


def find_model(model: str, provenance: Provenance) -> ModelRef:
    """The model that is meant, as its source lists it, with what its contributor says.

    Raises:
        UsageError: there is none, or several, or what must be said of it is not.
    """
    file = Path(model).expanduser()
    if file.exists() or "/" not in model or model.endswith(".onnx"):
        if file.is_dir():
            raise UsageError(f"{model} is a directory: name the model file in it")
        found = next(list_models(f"onnx:{model}"))
        if not (provenance.id and provenance.license):
            raise UsageError(f"{model} does not say what it is: give --id ORG/NAME and --license IDENTIFIER")
    elif not _MODEL_ID.fullmatch(model):
        raise UsageError(f"{model} is neither a file here nor the id of a model of the Hub, as organisation/name")
    else:
        if provenance.id:
            raise UsageError(f"{model} is the id of a model of the Hub: leave out --id")
        found = _of_the_hub(model, provenance.component)
        if not (found.license or provenance.license):
            raise UsageError(f"the Hub does not say under which licence {model} is: give --license IDENTIFIER")
    return _as_said(found, provenance)


def _as_said(model: ModelRef, provenance: Provenance) -> ModelRef:
    """A model with what its contributor says of it."""
    provenance = replace(provenance, license=check_license(provenance.license), task=check_task(provenance.task))
    model = replace(model, **{name: value for name, value in vars(provenance).items() if value})
    try:
        contributed(model)
    except InvalidContributionError as error:
        raise UsageError(f"the contribution {error}") from error
    return model


def _of_the_hub(model: str, component: str) -> ModelRef:
    """The model in a repository of the Hub; where there are several, the one that is the whole of it."""
    models = {found.component: found for found in list_models(f"huggingface:{model}")}
    if not models:
        raise UsageError(f"there is nothing in {model} that can be converted, or it is private")
    if len(models) == 1 and not component:
        return next(iter(models.values()))
    if component not in models:
        parts = ", ".join(plain(name) or "the whole, without --component" for name in models)
        raise UsageError(f"{model} has several models: choose one by --component, of {parts}")
    return models[component]


def prepare(model: ModelRef, *, timeout: float, memory_limit: int) -> tuple[Contribution, Facts]:
    """Convert a model in child processes, as a build does, and measure its skeleton.

    Raises:
        YoungerError: it cannot be converted; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="younger-contribute-") as work, Ledger(work) as ledger:
        ledger.record([model])
        collect(ledger, timeout=timeout, memory_limit=memory_limit)
        architecture = next(ledger.architectures(), None)
        if architecture is None:
            _, outcome, message = next(ledger.failures())
            raise YoungerError(f"{model.id} cannot be contributed, its conversion ended as {outcome}: {message}")
    return _contribution(model, architecture.tools[0].exporter, architecture.skeleton)


def _contribution(model: ModelRef, exporter: str, skeleton: bytes) -> tuple[Contribution, Facts]:
    """The contribution that a skeleton is, and what is measured on it."""
    if found := find_weights(skeleton):
        raise YoungerError(f"the skeleton of {model.id} {found}: it is not contributed; please report this")
    facts = measure(skeleton).facts
    contribution = Contribution(
        contributed(model),
        exporter,
        facts.graph.fingerprint,
        facts.skeleton.fingerprint,
        skeleton,
    )
    try:
        contribution.to_parquet()
    except InvalidContributionError as error:
        raise YoungerError(f"{model.id} cannot be contributed, it {error}") from error
    return contribution, facts


def _look_up(api: HfApi, repository: DatasetRepository, release: Release, proposal: Proposal) -> Proposal:
    """The proposal with what the repository has of it."""
    graph, skeleton = proposal.facts.graph.key, proposal.facts.skeleton.key
    standing: Standing = "new graph"
    normal, other = proposal.facts.normal.key, ""
    columns = ["fingerprint", "skeleton_fingerprint", "normal_fingerprint"]
    check_foreign_release(release, {"skeletons": columns, "graphs": ("fingerprint", "name")})
    columns = [name for name in columns if name in release.columns("skeletons")]  # older releases have no normal forms
    for _, part in release.row_groups("skeletons", columns):
        if graph in part.column("fingerprint").to_pylist():
            standing = "new skeleton"
        elif standing == "new graph" and "normal_fingerprint" in columns:
            known = part.column("normal_fingerprint").to_pylist()
            if normal in known:
                standing, other = "another export", part.column("fingerprint")[known.index(normal)].as_py()
        if skeleton in part.column("skeleton_fingerprint").to_pylist():
            standing = "known"
            break
    named = other if standing == "another export" else graph
    row = release.find("graphs", named, ["name"])[0]["name"] if standing != "new graph" else ""
    proposal = replace(proposal, standing=standing, row=plain(row, 200))
    if not proposal.is_new:
        return proposal
    if proposal.contribution.path in repository.files:
        return replace(proposal, standing="waiting")
    url = _find_pull_request(api, proposal)
    return replace(proposal, standing="proposed", url=url) if url else proposal


def _name(proposal: Proposal) -> str:
    """What tells one contribution from all others, in the title of its pull request."""
    return Path(proposal.contribution.path).stem


def _find_pull_request(api: HfApi, proposal: Proposal) -> str:
    """The URL of an open pull request for the contribution; "" if there is none."""
    open_ones = api.get_repo_discussions(
        proposal.repo_id, repo_type=REPO_TYPE, discussion_type="pull_request", discussion_status="open"
    )
    return next((one.url for one in open_ones if _name(proposal) in one.title), "")


def _open_pull_request(api: HfApi, proposal: Proposal) -> str:
    description = "\n".join(f"    {line}" for line in (*str(proposal).splitlines(), proposal.verdict))
    try:
        done = api.create_commit(
            proposal.repo_id,
            [CommitOperationAdd(proposal.contribution.path, proposal.content)],
            commit_message=f"Contribute {plain(proposal.contribution.model.id, _LONGEST_TITLE)} ({_name(proposal)})",
            commit_description=description,
            repo_type=REPO_TYPE,
            create_pr=True,
        )
    except UNREACHABLE:
        # The answer may have been lost on its way.
        if url := _find_pull_request(api, proposal):
            return url
        raise
    return str(done.pr_url)
