"""``read_study``: any source → one volume and the receipt of what was found and used."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from htcore.dicom.find import Found, Source, find
from htcore.dicom.geometry import affines_of, same_position, sort_planes, thickness_of
from htcore.dicom.instance import Instance, NotDicom, parse
from htcore.dicom.pixels import hounsfield
from htcore.dicom.planes import Plane
from htcore.dicom.series import Series, choose, contrast_of, group, reason, records
from htcore.dicom.threads import each
from htcore.errors import ReadError
from htcore.limits import checkpoint
from htcore.settings import Settings
from htcore.types import LeftOut, SeriesRecord, StudyReceipt, Volume


def read_study(source: Source, settings: Settings | None = None) -> tuple[Volume, StudyReceipt]:
    """Read one CT study.

    Parameters
    ----------
    source
        A file, a folder of any depth, an open stream, or a list of paths or of (name, stream) pairs as a browser
        uploads them; DICOM, ZIP or NIfTI, told by content and never by name. Streams stay open.
    settings
        Limits; defaults where ``None``.

    Returns
    -------
    Volume, StudyReceipt
        Slices from the feet to the head as acquired, in HU, and what was found, chosen and left out.

    Raises
    ------
    ReadError
        Nothing can be read as one CT study; ``code`` says why.
    RefusedError
        Images were read, and none of them is a series of CT slices (``not_ct``, ``no_slices``).
    """
    settings = settings or Settings()
    found = find(source, settings)
    instances = _parse(found, settings)
    if instances:
        if found.nifti:
            found.left_out["NIfTI beside DICOM"] += len(found.nifti)
        return _from_dicom(instances, found, settings)
    if len(found.nifti) > 1:
        raise ReadError("There are several NIfTI volumes: give one.", code="several_volumes")
    if found.nifti:
        return _from_nifti(found, settings)
    reasons = "; ".join(f"{count} × {reason}" for reason, count in sorted(found.left_out.items()))
    message = f"No CT image was found ({reasons}): choose the folder or ZIP of the DICOM series."
    raise ReadError(message, code="no_dicom")


def _parse(found: Found, settings: Settings) -> list[Instance]:
    out: list[Instance] = []
    room = settings.max_upload_bytes
    while found.dicom:
        checkpoint()
        content = found.dicom.pop()
        try:
            out.append(parse(content, min(room, settings.max_zip_ratio * len(content))))
        except NotDicom:
            found.left_out["damaged DICOM"] += 1
            continue
        # A deflated file is larger in memory than the one that was counted.
        room -= len(out[-1].content)
    return out[::-1]


def _from_dicom(instances: list[Instance], found: Found, settings: Settings) -> tuple[Volume, StudyReceipt]:
    series = group(instances)
    chosen = choose(series)
    for entry in series:
        if entry is not chosen:
            found.left_out[reason(entry, chosen)] += len(entry.instances)
    planes = sort_planes(chosen.planes)
    hu, inferred = hounsfield(planes, settings)
    planes, hu = _without_doubles(planes, hu, found.left_out)
    affines = affines_of(planes)
    volume = Volume(hu, affines, thickness_of([plane.thickness_mm for plane in planes], affines))
    receipt = _receipt(volume, chosen, records(series, chosen), found)
    return volume, replace(receipt, inferred_intercept=inferred)


def _without_doubles(
    planes: list[Plane], hu: NDArray[np.int16], left_out: Counter[str]
) -> tuple[list[Plane], NDArray[np.int16]]:
    keep = [0]
    for k in range(1, len(planes)):
        if not same_position(planes[keep[-1]], planes[k]):
            keep.append(k)
        elif np.array_equal(hu[keep[-1]], hu[k]):
            left_out["same slice again"] += 1
        else:
            message = "One place was scanned twice with different results: give one series of one examination."
            raise ReadError(message, code="doubled_slices")
    if len(keep) == len(planes):
        return planes, hu
    return [planes[k] for k in keep], hu[keep]


def _receipt(volume: Volume, chosen: Series, found_series: tuple[SeriesRecord, ...], found: Found) -> StudyReceipt:
    head = chosen.head
    marks = (*head.image_type, head.text("ManufacturerModelName").upper())
    return StudyReceipt(
        source_kind="dicom",
        n_files=found.n_files,
        series=found_series,
        left_out=_left_out(found),
        content_sha256=_digest(volume),
        simulated=any("SIMULATED" in mark for mark in marks),
        manufacturer=head.text("Manufacturer").strip() or None,
        kernel=head.text("ConvolutionKernel").strip() or None,
        kvp=head.number("KVP"),
        age_years=head.age_years,
        sex=head.text("PatientSex").strip().upper() or None,
        contrast_agent=contrast_of(head),
    )


def _from_nifti(found: Found, settings: Settings) -> tuple[Volume, StudyReceipt]:
    # nibabel takes a third of a second to import, and most studies are DICOM.
    from htcore.dicom.nifti import read_nifti

    volume, simulated = read_nifti(found.nifti[0], settings)
    record = SeriesRecord(number=1, modality="CT", n_images=volume.shape[0], chosen=True, reason="the only volume")
    return volume, StudyReceipt(
        source_kind="nifti",
        n_files=found.n_files,
        series=(record,),
        left_out=_left_out(found),
        content_sha256=_digest(volume),
        simulated=simulated,
    )


def _left_out(found: Found) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(reason, count) for reason, count in sorted(found.left_out.items()))


def _digest(volume: Volume) -> str:
    """Of the values and their place, so that one scan has one digest however it was packed."""
    hu = np.ascontiguousarray(volume.hu)
    digest = hashlib.sha256(b"".join(each(lambda k: hashlib.sha256(hu[k].data).digest(), len(hu))))
    # Adding 0.0 makes -0.0 and 0.0 the same bytes.
    digest.update((np.round(volume.affines, 4) + 0.0).tobytes())
    return digest.hexdigest()
