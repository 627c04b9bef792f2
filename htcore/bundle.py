"""A model as a folder: weights, configuration, calibration, validation predictions, card; read as data, never code."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save
from scipy.special import expit

from htcore import transforms
from htcore.errors import BundleError, HtcoreError, UsageError
from htcore.hashed import HASHES, RESTORE, as_json, damaged, read_json, replace_files, sha256_of, verified
from htcore.networks import LesionGatedResNet, NetworkConfig
from htcore.types import ModelIdentity

SCHEMA = 2
"""1: one network; 2: several, whose logits are averaged. A bundle is written in the lowest that can hold it."""
_WEIGHTS, _CONFIG, _CALIBRATION = "weights.safetensors", "config.json", "calibration.json"
_VALIDATION, _LOG, _CARD = "validation.parquet", "training_log.csv", "card.md"
_CARD_VALUES, _EMBEDDING, _CLINICAL = "card.json", "embedding.safetensors", "clinical.json"
_THUMBNAILS = "thumbnails.safetensors"
FILES = (_WEIGHTS, _CONFIG, _CALIBRATION, _VALIDATION, _LOG, _CARD)
"""What every bundle holds."""
OPTIONAL = (
    _CARD_VALUES,
    _EMBEDDING,
    _CLINICAL,
    _THUMBNAILS,
    "explanation.json",
    "robustness.json",
    "baselines.csv",
    "data_efficiency.csv",
    "ablations.csv",
)
"""What it may hold on top: the card's numbers, the network's view of the validation scans, pictures of simulated ones,
and measurements of it."""
_NO_PICTURES = "A model holds no pictures of patients: thumbnails are kept of simulated scans alone."


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: P = expit(slope · logit + intercept), with the same fitted on resampled patients.

    Attributes
    ----------
    resamples : pairs (slope, intercept)
    threshold : float
        Probability of the decision threshold, at ``prevalence``.
    prevalence : float
        Share of calibration scans with HT: the population the probabilities hold for.
    n_patients, n_scans : int
        What it was fitted on.
    """

    slope: float
    intercept: float
    resamples: tuple[tuple[float, float], ...]
    threshold: float
    prevalence: float
    n_patients: int
    n_scans: int

    def probability(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities, any shape."""
        return np.asarray(expit(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept))

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**vars(self), "resamples": [list(pair) for pair in self.resamples]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Calibration:
        """The inverse of `to_json`."""
        pairs = tuple((float(a), float(b)) for a, b in values["resamples"])
        return cls(**{**values, "resamples": pairs})


@dataclass(frozen=True, eq=False)
class BundleContents:
    """What goes into a new bundle.

    Attributes
    ----------
    networks : one, or several of the same sizes whose logits are averaged.
    validation : one row a scan: patient_id, scan_id, part, ht, logit, probability, and what is known of the patient.
    training_data : str
        What the network was trained on, in a sentence for people.
    training : plain values of the training's parameters, for the record.
    card_values : what the card says as plain values for ``card.json``, or None.
    embedding : float32, shape (rows of ``validation``, features)
        What the classifiers see of each validation scan, or None.
    clinical : plain values of the regression that joins the image's score with covariates, or None.
    thumbnails : uint8, shape (rows of ``validation``, rows, columns)
        A picture of each validation scan, as `htcore.training.thumbnails.thumbnail`, or None; of simulated scans alone.
    calibrated_on_patients : as `htcore.types.ModelIdentity` has it.

    Raises
    ------
    UsageError
        If scans and what is kept of each differ in number, or scans that are not simulated have pictures.
    """

    networks: tuple[LesionGatedResNet, ...]
    calibration: Calibration
    validation: pd.DataFrame
    card: str
    training_log: str
    training_data: str
    simulated: bool
    training: dict[str, Any] = field(default_factory=dict)
    card_values: dict[str, Any] | None = None
    embedding: NDArray[np.float32] | None = None
    clinical: dict[str, Any] | None = None
    thumbnails: NDArray[np.uint8] | None = None
    calibrated_on_patients: bool = False

    def __post_init__(self) -> None:
        if self.embedding is not None and len(self.embedding) != len(self.validation):
            raise UsageError("one embedding for each validation scan")
        if self.thumbnails is not None:
            _check_thumbnails(self.thumbnails, len(self.validation), self.simulated)


class Bundle:
    """A verified bundle. Its networks are in evaluation mode and never change: threads may share them."""

    def __init__(
        self, path: Path, identity: ModelIdentity, config: NetworkConfig, calibration: Calibration, members: int = 1
    ) -> None:
        self.path = path
        self.identity = identity
        self.config = config
        self.calibration = calibration
        self.members = members
        self._networks: dict[str, tuple[LesionGatedResNet, ...]] = {}
        self._lock = threading.Lock()

    def networks(self, device: torch.device) -> tuple[LesionGatedResNet, ...]:
        """The networks on ``device``, made at the first call; the model's answer is the mean of theirs.

        Raises
        ------
        BundleError
            If the weights do not fit the configuration, or are no longer those that were verified
            (``bundle_damaged``).
        """
        with self._lock:
            if str(device) not in self._networks:
                self._networks[str(device)] = tuple(network.to(device) for network in self._load())
            return self._networks[str(device)]

    def _load(self) -> tuple[LesionGatedResNet, ...]:
        try:
            content = (self.path / _WEIGHTS).read_bytes()
            if sha256_of(content) != self.identity.weights_sha256:  # since the bundle was verified
                raise damaged(_WEIGHTS)
            tensors = load(content)
            networks = tuple(self.config.build() for _ in range(self.members))
            for index, network in enumerate(networks):
                prefix = _prefix(index, self.members)
                own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
                network.load_state_dict(own)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise BundleError(f"The model's weights do not fit its configuration: {RESTORE}.") from error
        return tuple(network.eval().requires_grad_(False) for network in networks)

    @property
    def validation(self) -> pd.DataFrame:
        """Predictions on patients that never trained the network, as `BundleContents` describes them."""
        return pd.read_parquet(self.path / _VALIDATION)

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return (self.path / _CARD).read_text(encoding="utf-8")

    @property
    def card_values(self) -> dict[str, Any] | None:
        """The card as plain values; ``None`` in a bundle of an earlier version."""
        return read_json(self.path / _CARD_VALUES) if (self.path / _CARD_VALUES).is_file() else None

    @property
    def embedding(self) -> NDArray[np.float32] | None:
        """As `BundleContents` has it."""
        found = self._array(_EMBEDDING)
        return None if found is None else np.asarray(found, dtype=np.float32)

    @cached_property
    def thumbnails(self) -> NDArray[np.uint8] | None:
        """As `BundleContents` has it, read once; never of a bundle that is not simulated."""
        found = self._array(_THUMBNAILS) if self.identity.simulated else None
        return None if found is None else np.asarray(found, dtype=np.uint8)

    def _array(self, name: str) -> NDArray[Any] | None:
        """The one array of an optional file."""
        file = self.path / name
        if not file.is_file():
            return None
        found: NDArray[Any] = load_file(file)[file.stem].numpy()
        return found

    @property
    def clinical(self) -> dict[str, Any] | None:
        """As `BundleContents` has it."""
        return read_json(self.path / _CLINICAL) if (self.path / _CLINICAL).is_file() else None

    def measurement(self, name: str) -> bytes | None:
        """An optional file's content; ``None`` where the bundle has none.

        Raises
        ------
        UsageError
            If ``name`` is none of ``OPTIONAL``.
        """
        if name not in OPTIONAL:
            raise UsageError(f"a bundle may hold {', '.join(OPTIONAL)}, not what was asked for")
        file = self.path / name
        return file.read_bytes() if file.is_file() else None

    @property
    def training(self) -> dict[str, Any]:
        """How it was trained, as `BundleContents` has it."""
        values = read_json(self.path / _CONFIG).get("training")
        return values if isinstance(values, dict) else {}

    @property
    def started(self) -> bool:
        """Whether its weights were another model's first, whose patients the bundle does not know."""
        return self.training.get("started_from") is not None

    @property
    def training_log(self) -> pd.DataFrame:
        """One row an epoch."""
        return pd.read_csv(self.path / _LOG)


def save_bundle(out: Path, contents: BundleContents) -> Bundle:
    """Write the folder ``out``, all or nothing, and load it back.

    Raises
    ------
    UsageError
        If ``out`` exists.
    BundleError
        If it cannot be written.
    """
    if out.exists():
        raise UsageError("The model's folder exists already: choose another id or delete the folder.")
    partial = out.with_name(f"{out.name}.writing")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_files(partial, out.name, contents)
        os.replace(partial, out)
    except OSError as error:
        raise BundleError("The model could not be written: free disk space or choose another folder.") from error
    except ValueError as error:  # JSON without NaN
        raise BundleError("The model holds something that is no number: train it again.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return load_bundle(out)


def add_measurement(path: Path, name: str, content: bytes) -> Bundle:
    """Put one of the ``OPTIONAL`` files into a bundle that was verified first; its hash with it.

    Raises
    ------
    BundleError
        If the bundle is damaged or cannot be written.
    UsageError
        If ``name`` is none of them, or thumbnails are to go into a bundle that is not simulated.
    """
    bundle = load_bundle(path)
    bundle.measurement(name)
    if name == _THUMBNAILS and not bundle.identity.simulated:
        raise UsageError(_NO_PICTURES)
    replace_files(path, {name: content}, FILES, OPTIONAL)
    return load_bundle(path)


def replace_card(path: Path, card: str, values: dict[str, Any]) -> Bundle:
    """Put another card into a bundle that was verified first.

    Raises
    ------
    BundleError
        If the bundle is damaged or cannot be written.
    """
    load_bundle(path)
    replace_files(path, {_CARD: card.encode(), _CARD_VALUES: as_json(values)}, FILES, OPTIONAL)
    return load_bundle(path)


def add_thumbnails(path: Path, thumbnails: NDArray[np.uint8]) -> Bundle:
    """Put pictures of its validation scans, as `BundleContents` has them, into a simulated bundle.

    Raises
    ------
    BundleError, UsageError
        As `add_measurement`; also if there is not one for each validation scan.
    """
    bundle = load_bundle(path)
    _check_thumbnails(thumbnails, len(bundle.validation), bundle.identity.simulated)
    return add_measurement(path, _THUMBNAILS, _packed(_THUMBNAILS, thumbnails))


def load_bundle(path: Path, *, earlier: bool = False) -> Bundle:
    """Read and verify a bundle: every file's hash, the schema's and the transforms' version.

    Parameters
    ----------
    earlier : bool
        Whether an earlier version's preparation will do: to start a training from, never to score.

    Raises
    ------
    BundleError
        With code ``bundle_missing``, ``bundle_damaged`` or ``bundle_version``.
    """
    if not (path / HASHES).is_file():
        raise BundleError(f"There is no model in the given folder: {RESTORE}.", code="bundle_missing")
    hashes = verified(path, FILES, OPTIONAL)
    config = read_json(path / _CONFIG)
    _check_versions(config, (transforms.VERSION, *(transforms.EARLIER if earlier else ())))
    try:
        network = NetworkConfig.from_json(config["network"])
        calibration = Calibration.from_json(read_json(path / _CALIBRATION))
        members = _members(config)
        identity = ModelIdentity(
            config["id"],
            hashes[_WEIGHTS],
            str(config["training_data"]),
            bool(config["simulated"]),
            bool(config.get("calibrated_on_patients", False)),
        )
    except (KeyError, TypeError, ValueError, HtcoreError) as error:
        raise BundleError(f"The model's configuration is incomplete: {RESTORE}.", code="bundle_damaged") from error
    return Bundle(path, identity, network, calibration, members)


def list_bundles(models_dir: Path) -> tuple[str, ...]:
    """Ids of the bundles in a folder, sorted; not yet verified."""
    if not models_dir.is_dir():
        return ()
    hidden = (".writing", ".training")
    found = (path.parent for path in models_dir.glob(f"*/{HASHES}"))
    return tuple(sorted(folder.name for folder in found if not folder.name.endswith(hidden)))


def _write_files(folder: Path, model_id: str, contents: BundleContents) -> None:
    members = len(contents.networks)
    tensors = {
        _prefix(index, members) + name: value.detach().cpu().contiguous()
        for index, network in enumerate(contents.networks)
        for name, value in network.state_dict().items()
    }
    (folder / _WEIGHTS).write_bytes(save(tensors))  # save_file would let nobody else read it
    config = {
        "schema": 1 if members == 1 else 2,
        "id": model_id,
        "members": members,
        "network": contents.networks[0].config.to_json(),
        "transforms_version": transforms.VERSION,
        "training_data": contents.training_data,
        "simulated": contents.simulated,
        "calibrated_on_patients": contents.calibrated_on_patients,
        "threshold": contents.calibration.threshold,
        "prevalence": contents.calibration.prevalence,
        "training": contents.training,
    }
    _write_text(folder / _CONFIG, json.dumps(config, indent=1, allow_nan=False))
    _write_text(folder / _CALIBRATION, json.dumps(contents.calibration.to_json(), allow_nan=False))
    contents.validation.to_parquet(folder / _VALIDATION, index=False)
    _write_text(folder / _LOG, contents.training_log)
    _write_text(folder / _CARD, contents.card)
    extra = _optional(contents)
    for name, content in extra.items():
        (folder / name).write_bytes(content)
    hashes = {name: sha256_of((folder / name).read_bytes()) for name in (*FILES, *extra)}
    (folder / HASHES).write_bytes(as_json(hashes))


def _optional(contents: BundleContents) -> dict[str, bytes]:
    """Name and content of the ``OPTIONAL`` files that a new bundle gets."""
    values = {_CARD_VALUES: contents.card_values, _CLINICAL: contents.clinical}
    arrays = {_EMBEDDING: contents.embedding, _THUMBNAILS: contents.thumbnails}
    found = {
        name: json.dumps(value, indent=1, allow_nan=False).encode()
        for name, value in values.items()
        if value is not None
    }
    return found | {name: _packed(name, array) for name, array in arrays.items() if array is not None}


def _packed(name: str, array: NDArray[Any]) -> bytes:
    """The file ``name`` with this one array, which is called as the file is."""
    return save({Path(name).stem: torch.from_numpy(np.ascontiguousarray(array))})


def _check_thumbnails(thumbnails: NDArray[np.uint8], n_scans: int, simulated: bool) -> None:
    if not simulated:
        raise UsageError(_NO_PICTURES)
    if thumbnails.dtype != np.uint8 or thumbnails.ndim != 3 or len(thumbnails) != n_scans:
        raise UsageError("one thumbnail for each validation scan: uint8 (scans, rows, columns)")


def _prefix(index: int, members: int) -> str:
    """What a member's weights are called by in the file; a single network's have no prefix."""
    return "" if members == 1 else f"member{index}."


def _members(config: dict[str, Any]) -> int:
    members = config.get("members", 1)
    if not isinstance(members, int) or members < 1:
        raise ValueError("members")
    return members


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def _check_versions(config: dict[str, Any], transforms_versions: tuple[str, ...]) -> None:
    schema = config.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise BundleError(
            f"The model was written by a newer version (schema {schema}, this is {SCHEMA}): update the software.",
            code="bundle_version",
        )
    if config.get("transforms_version") not in transforms_versions:
        raise BundleError(
            f"The model was trained with version {config.get('transforms_version')} of the image preparation, this is "
            f"{transforms.VERSION}: use the software it came with, or train it again.",
            code="bundle_version",
        )
