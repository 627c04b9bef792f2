"""Time of one forward pass and size of each network, side by side: ``python -m benchmarks.network [--threads N]``.

On one scan of the network's grid, alternating runs. The target is 150 ms a study on two cores for the shipped network,
asked for the scan and for its mirror image, as a prediction does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.learning import OURS, PLAIN_NETWORKS, parameters_of
from benchmarks.targets import judge
from htcore import services
from htcore.dicom import read_study
from htcore.inference.predict import run_networks
from htcore.networks import SliceResNetConfig
from htcore.settings import Settings
from htcore.transforms import prepare

RUNS = 15
TARGET_MS = 150.0
RESNET18 = (64, 128, 256, 512)


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    scan = prepare(read_study(services.example_studies()[0].path)[0])
    channels = torch.from_numpy(scan.channels.astype(np.float32))[None]
    bundle = services.load_bundle_by_id(Settings.from_environment().default_model)
    shipped = bundle.networks(torch.device("cpu"))
    plain = {recipe.name: recipe.network.build().eval() for recipe in (OURS, *PLAIN_NETWORKS)}
    plain["2-D ResNet-18 a slice, full width"] = SliceResNetConfig(widths=RESNET18).build().eval()
    asked: dict[str, Callable[[], object]] = {name: _forward(network, channels) for name, network in plain.items()}
    asked[f"{bundle.identity.id}, scan and mirror image"] = lambda: run_networks(shipped, scan)
    sizes = {name: parameters_of(network) for name, network in plain.items()}
    taken: dict[str, list[float]] = {name: [] for name in asked}
    for run in range(RUNS + 1):
        for name, ask in asked.items():
            started = time.perf_counter()
            ask()
            if run:  # the first one warms up
                taken[name].append((time.perf_counter() - started) * 1000)
    print(f"CPU, {threads} threads, median of {RUNS} alternating runs")
    ours = statistics.median(taken[OURS.name])
    print(f"{'network':45s}{'parameters':>12s}{'ms':>8s}{'ratio':>8s}")
    for name, values in taken.items():
        size = sizes.get(name, sum(parameters_of(network) for network in shipped))
        print(f"{name:45s}{size:12,d}{statistics.median(values):8.0f}{statistics.median(values) / ours:8.2f}")
    last = statistics.median(list(taken.values())[-1])
    judge("the network for a scan and its mirror image", last, TARGET_MS, unit="ms")


def _forward(network: torch.nn.Module, channels: torch.Tensor) -> Callable[[], object]:
    def ask() -> object:
        with torch.inference_mode():
            return network(channels)

    return ask


if __name__ == "__main__":
    main()
