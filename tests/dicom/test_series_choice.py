"""Which series of an examination is scored: vendors' names for what is no plain head CT, studies, repeats."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
import pytest
from pydicom import Dataset

from htcore.dicom.series import is_sharp
from htcore.errors import RefusedError
from tests.rearrange import enhanced
from tests.studies import HeadStudy, other
from tests.transcode import NATIVE, transcode
from tests.uploads import Spoil, code_of, files_of, left_out, read, tags

HEAD = HeadStudy(slabs=((12, 12.0),), shape=(20, 18), pixel_mm=(11.0, 12.0), series_uid="1.2.3.1")
RIVAL = other(HEAD, series_uid="1.2.3.9")
# More slices over the same head: wins wherever nothing is wrong with it.
FINER = other(RIVAL, slabs=((23, 6.0),))


@cache
def _head() -> list[bytes]:
    return files_of(HEAD)


def _wins_against(rival: HeadStudy, change: Spoil, why: str, n: int | None = None) -> None:
    """The plain head wins whichever comes first, and the receipt says why the rival did not."""
    head, beaten = _head(), files_of(rival, change)
    for contents in ([*head, *beaten], [*beaten, *head]):
        volume, receipt = read(contents)
        np.testing.assert_array_equal(volume.hu, HEAD.hu())
        assert left_out(receipt) == {why: n or len(beaten)}
        assert [record.reason for record in receipt.series if not record.chosen] == [why]
        assert sum(record.chosen for record in receipt.series) == 1


def test_the_finer_series_would_win() -> None:
    volume, receipt = read([*_head(), *files_of(FINER)])
    np.testing.assert_array_equal(volume.hu, FINER.hu())
    assert left_out(receipt) == {"less coverage or fewer slices than the chosen series": 12}


@pytest.mark.parametrize(
    ("image_type", "why"),
    [
        # Siemens
        (["ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"], "localizer"),
        (["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"], "dose or summary page"),
        (["DERIVED", "SECONDARY", "OTHER", "CT_SOM7 PROT"], "dose or summary page"),
        (["DERIVED", "SECONDARY", "MIP", "CT_SOM5 SPI"], "projection or map, not slices"),
        (["DERIVED", "SECONDARY", "PROJECTION IMAGE", "CSA 3D EDITOR"], "projection or map, not slices"),
        (["DERIVED", "SECONDARY", "MPR", "CSA MPR", "", "CSAPARALLEL"], "derived, not original"),
        (["ORIGINAL", "SECONDARY", "MPR"], "derived, not original"),
        (["DERIVED", "PRIMARY", "PERFUSION", "CBF"], "projection or map, not slices"),
        # GE
        (["DERIVED", "SECONDARY", "SCREEN SAVE"], "secondary capture"),
        (["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"], "projection or map, not slices"),
        (["DERIVED", "SECONDARY", "REFORMATTED", "MIN_IP"], "projection or map, not slices"),
        (["DERIVED", "SECONDARY", "PROCESSED"], "derived, not original"),
        # Philips and Canon
        (["DERIVED", "SECONDARY", "MPR"], "derived, not original"),
        (["DERIVED", "PRIMARY", "VOLUME", "TTP"], "projection or map, not slices"),
        (["DERIVED", "SECONDARY", "AXIAL"], "derived, not original"),
        # Enhanced (C.8.15.2)
        (["DERIVED", "PRIMARY", "VOLUME", "MAX_IP"], "projection or map, not slices"),
    ],
)
def test_image_types(image_type: list[str], why: str) -> None:
    _wins_against(FINER, tags(ImageType=image_type), why)


@pytest.mark.parametrize(
    ("description", "why"),
    [
        ("Dose Report", "dose or summary page"),
        ("Patient Protocol", "dose or summary page"),
        ("Exam Summary", "dose or summary page"),
        ("Surview", "localizer"),
        ("Topogram 0.6 T20f", "localizer"),
        ("CTA TWO PHASES", "with contrast agent"),
        ("CCT mit Kontrast", "with contrast agent"),
        ("CTA HEAD 0.75 Bv36", "with contrast agent"),
        ("PreMonitoring 10.0 B20f", "with contrast agent"),
        ("Brain Perfusion 4D", "with contrast agent"),
        ("HEAD +C 5mm", "with contrast agent"),
        ("CCT mit KM", "with contrast agent"),
        ("BRAIN POST CONTRAST", "with contrast agent"),
        ("Head Venous 1.0", "with contrast agent"),
        ("HEAD w/o and with contrast", "with contrast agent"),
        ("HEAD W/WO CONTRAST", "with contrast agent"),
        ("HEAD W WO CONTRAST", "with contrast agent"),
        ("BRAIN PRE- AND POST-CONTRAST", "with contrast agent"),
        ("CRANE SANS ET AVEC INJECTION", "with contrast agent"),
        ("CEREBRO CON Y SIN CONTRASTE", "with contrast agent"),
        ("CRANIO SENZA E CON CONTRASTO", "with contrast agent"),
        ("CCT ohne und mit KM", "with contrast agent"),
        ("C-SPINE 2.0 SOFT", "another part of the body"),
        ("HWS nativ", "another part of the body"),
        ("Thorax 5.0 Br40", "another part of the body"),
        ("SINUS 1.0", "another part of the body"),
        ("Neck soft tissue", "another part of the body"),
    ],
)
def test_descriptions(description: str, why: str) -> None:
    _wins_against(FINER, tags(SeriesDescription=description), why)


def test_a_contrast_sequence_counts_against_a_series_and_an_empty_one_does_not() -> None:
    _wins_against(FINER, tags(ContrastBolusAgentSequence=[Dataset()]), "with contrast agent")
    volume, receipt = read([*_head(), *files_of(FINER, tags(ContrastBolusAgentSequence=[]))])
    assert volume.shape[0] == 23
    assert receipt.contrast_agent is None


@pytest.mark.parametrize("part", ["CHEST", "NECK", "CSPINE", "ABDOMEN", "CERVICAL SPINE", "PELVIS"])
def test_body_parts(part: str) -> None:
    _wins_against(FINER, tags(BodyPartExamined=part), "another part of the body")


@pytest.mark.parametrize(
    "labels",
    [
        {"BodyPartExamined": "HEAD"},
        {"BodyPartExamined": "BRAIN"},
        {"BodyPartExamined": "HEADNECK"},
        {"BodyPartExamined": "CHEST", "SeriesDescription": "Head 5.0 H31s"},
        {"SeriesDescription": "HEAD/NECK W/O"},
        {"SeriesDescription": "Schädel nativ"},
        {"SeriesDescription": "Head POST FOSSA"},
        {"SeriesDescription": "CCT post Thrombektomie nativ"},
        {"SeriesDescription": "BRAIN WITHOUT CONTRAST"},
        {"SeriesDescription": "CCT ohne Kontrast"},
        {"SeriesDescription": "HEAD PRE CONTRAST 5MM"},
        {"SeriesDescription": "PRE-CONTRAST"},
        {"SeriesDescription": "HEAD NO IV CONTRAST"},
        {"SeriesDescription": "NON-CON W/O CONTRAST"},
        {"SeriesDescription": "HEAD/NECK W/O CONTRAST + MPR"},
        {"SeriesDescription": "CRANIO SEM CONTRASTE"},
        {"SeriesDescription": "CEREBRO S/ CONTRASTE"},
        {"SeriesDescription": "CRANIO SENZA CONTRASTO"},
        {"SeriesDescription": "HERSENEN ZONDER CONTRAST"},
        {"SeriesDescription": "CRANE AVANT INJECTION"},
        {"ContrastBolusAgent": "NONE"},
        {"ContrastBolusAgent": "No contrast"},
        {"ContrastBolusAgent": "without"},
    ],
    ids=lambda labels: "/".join(labels.values()),
)
def test_labels_that_do_not_count_against_a_series(labels: dict[str, str]) -> None:
    volume, receipt = read([*_head(), *files_of(FINER, tags(SpecificCharacterSet="ISO_IR 100", **labels))])
    assert volume.shape[0] == 23
    assert receipt.contrast_agent is None


@pytest.mark.parametrize(
    "kernel",
    ["B60s", "B70f", "H60f", "Hr59f", "Hr60f", "J70h", "I70f", "U90u", "Ur77u", "Br59d", "Qr59", "T80s", "BONE",
     "BONEPLUS2", "HD LUNG", "DETAIL", "EDGE", "ULTRA", "FC30", "FC35", "FC51", "FC81", "D", "E", "L", "YD", "YE",
     "H_SHARP_C", "H_VSHARP_C"],
)  # fmt: skip
def test_sharp_kernels_by_vendor(kernel: str) -> None:
    assert is_sharp(kernel)


@pytest.mark.parametrize(
    "kernel",
    ["H30s", "H31s", "H40s", "H48h", "Hr32", "Hr40f", "Hc44", "J40s", "I31f", "B30f", "Qr40", "T20f", "STANDARD",
     "STD+", "SOFT", "CHST", "FC01", "FC21", "FC26", "FC41", "FC64", "FC68", "A", "B", "C", "UA", "UB", "UC",
     "H_SOFT_B", "IMR1,Head"],
)  # fmt: skip
def test_soft_kernels_by_vendor(kernel: str) -> None:
    assert not is_sharp(kernel)


def test_a_chest_does_not_win_by_its_length() -> None:
    """36 cm of body against 13 cm of head, no label that tells."""
    chest = other(RIVAL, slabs=((60, 6.0),))
    _wins_against(chest, tags(), "less coverage or fewer slices than the chosen series")


def test_thin_and_thick_reconstructions_of_one_series() -> None:
    """Both under one series UID, as some archives merge them: parted by thickness, then the finer one."""
    thick = other(HEAD, slabs=((12, 6.0),), thickness_mm=6.0, noise_hu=1.0)
    thin = other(HEAD, slabs=((23, 3.0),), thickness_mm=3.0)
    volume, receipt = read([*files_of(thick), *files_of(thin)])
    np.testing.assert_array_equal(volume.hu, thin.hu())
    assert [record.n_images for record in receipt.series] == [12, 23]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"ConvolutionKernel": "STANDARD"}, {"ConvolutionKernel": "BONE"}),
        ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        ({}, {"ContrastBolusAgent": "IOHEXOL"}),
        ({}, {"ContrastBolusAgentSequence": [Dataset()]}),
        ({}, {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}),
        ({"AcquisitionTime": "101500"}, {"AcquisitionTime": "111500"}),
    ],
    ids=["kernels", "acquisitions", "contrast", "contrast_sequence", "derived", "times"],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_two_scans_of_one_place_in_one_series(
    first: dict[str, object], second: dict[str, object], swapped: bool
) -> None:
    good = files_of(HEAD, tags(**first))
    bad = files_of(other(HEAD, noise_hu=9.0), tags(**second))
    volume, receipt = read([*bad, *good] if swapped else [*good, *bad])
    np.testing.assert_array_equal(volume.hu, HEAD.hu())
    assert sorted(record.n_images for record in receipt.series) == [12, 12]


def test_perfusion_without_any_label_loses_and_is_never_mixed() -> None:
    phases = [file for seed in range(3) for file in files_of(other(FINER, noise_hu=1.0 + seed))]
    volume, receipt = read([*_head(), *phases])
    np.testing.assert_array_equal(volume.hu, HEAD.hu())
    assert left_out(receipt) == {"the same places scanned again and again": 69}
    assert code_of(phases) == "doubled_slices"


def test_slabs_with_other_kernels_stay_one_series() -> None:
    """Sequential scans use one kernel for the base and another for the vertex: one head all the same."""

    def kernels(dataset: Dataset) -> None:
        dataset.ConvolutionKernel = "H41s" if dataset.InstanceNumber < 6 else "H31s"
        dataset.AcquisitionNumber = 1 + (dataset.InstanceNumber > 5)

    volume, receipt = read(files_of(HEAD, kernels))
    np.testing.assert_array_equal(volume.hu, HEAD.hu())
    assert len(receipt.series) == 1


def test_two_orientations_in_one_series_are_parted() -> None:
    sagittal = other(HEAD, tilt_deg=90.0, slabs=((20, 8.0),))
    volume, receipt = read([*files_of(sagittal), *files_of(HEAD)])
    np.testing.assert_array_equal(volume.hu, HEAD.hu())
    assert left_out(receipt) == {"not axial": 20}


# Examinations


def _second(**values: object) -> Spoil:
    return tags(StudyInstanceUID="1.2.3.77", StudyDate="20260102", **values)


def test_two_head_scans_of_two_examinations_are_refused() -> None:
    """A control scan beside the first: nobody but the sender knows which one is meant."""
    assert code_of([*_head(), *files_of(RIVAL, _second())]) == "several_studies"


@pytest.mark.parametrize(
    "values",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]},
        {"ContrastBolusAgent": "IOHEXOL"},
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"], "ConvolutionKernel": "BONE"},
    ],
)
def test_two_examinations_that_fail_the_same_rules_are_refused(values: dict[str, object]) -> None:
    """Also a follow-up that was taken at an earlier hour of the next day."""
    first = files_of(HEAD, tags(StudyDate="20260101", AcquisitionTime="200000", **values))
    second = files_of(RIVAL, _second(AcquisitionTime="080000", **values))
    assert code_of([*first, *second]) == code_of([*second, *first]) == "several_studies"


def test_the_kernel_tells_no_two_examinations_apart() -> None:
    derived = {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}
    bone = files_of(RIVAL, _second(ConvolutionKernel="BONE", **derived))
    assert code_of([*files_of(HEAD, tags(**derived)), *bone]) == "several_studies"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"ContrastBolusAgent": "IOHEXOL"}, "with contrast agent"),
        ({"BodyPartExamined": "CHEST"}, "another part of the body"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "derived, not original"),
        ({"Modality": "MR"}, "not CT but MR"),
    ],
)
def test_another_examination_that_is_no_plain_head_ct_is_listed(values: dict[str, object], why: str) -> None:
    _wins_against(FINER, _second(**values), why)


def test_one_series_uid_in_two_examinations_is_never_mixed() -> None:
    """An anonymiser that gives all series one UID: the halves of two heads must not become one."""
    low = files_of(other(HEAD, slabs=((12, 6.0),)))
    high = files_of(other(HEAD, slabs=((9, 3.0),)), _second())
    assert code_of([*low, *high]) == "several_studies"
    _, receipt = read([*low, *high[:4]])
    assert sorted(record.n_images for record in receipt.series) == [4, 12]


def test_the_order_of_files_never_decides() -> None:
    """Three equal series: the earliest wins in every order."""
    parts = [
        files_of(other(HEAD, series_uid=f"1.2.3.{9 - n}", noise_hu=n), tags(AcquisitionTime=f"1{n}0000"))
        for n in (1, 2, 3)
    ]
    for order in permutations(parts):
        volume, receipt = read([file for part in order for file in part])
        np.testing.assert_array_equal(volume.hu, other(HEAD, noise_hu=1.0).hu())
        assert left_out(receipt) == {"equal to the chosen series and later": 24}


def test_the_date_counts_before_the_hour() -> None:
    evening = files_of(HEAD, tags(StudyDate="20260101", AcquisitionTime="200000"))
    morning = files_of(other(RIVAL, noise_hu=9.0), tags(StudyDate="20260102", AcquisitionTime="080000"))
    for order in ([*evening, *morning], [*morning, *evening]):
        np.testing.assert_array_equal(read(order)[0].hu, HEAD.hu())


def test_the_order_of_files_never_decides_between_parts_of_one_series_either() -> None:
    """Two scans of one place, told apart by a value of Image Type that says nothing: one of them, always the same."""
    first = files_of(other(HEAD, noise_hu=1.0), tags(ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "ADD"]))
    second = files_of(other(HEAD, noise_hu=2.0))
    chosen = [read(order)[1].content_sha256 for order in ([*first, *second], [*second, *first])]
    assert chosen[0] == chosen[1]


# What the receipt owes


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "axial, plain, original and of the widest coverage: those come first"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, "axial, plain and of the widest coverage: those come first"),
        ({"SeriesDescription": "CTA Head"}, "axial, original and of the widest coverage: those come first"),
        (
            {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
            "plain, original and of the widest coverage: those come first",
        ),
        (
            {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "ImageType": ["DERIVED"], "ContrastBolusAgent": "IOHEXOL"},
            "of the widest coverage: those come first",
        ),
    ],
)
def test_the_chosen_series_is_praised_for_what_holds(values: dict[str, object], why: str) -> None:
    _, receipt = read([*files_of(HEAD, tags(**values))[:1], *files_of(RIVAL, tags(Modality="MR"))])
    assert [record.reason for record in receipt.series] == [why, "not CT but MR"]


def test_one_series_alone_is_told_as_the_only_one() -> None:
    _, receipt = read(_head())
    assert [(record.chosen, record.reason) for record in receipt.series] == [(True, "the only series")]


def test_every_file_is_accounted_for() -> None:
    contents = [
        *files_of(HEAD),
        *files_of(RIVAL, tags(ConvolutionKernel="BONE"))[:9],
        *files_of(other(RIVAL, series_uid="1.2.4"), tags(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))[:2],
        *files_of(other(RIVAL, series_uid="1.2.5"), tags(SamplesPerPixel=3))[:1],
        *files_of(other(RIVAL, series_uid="1.2.6"), lambda dataset: delattr(dataset, "PixelSpacing"))[:3],
        files_of(HEAD)[0],
        b"some text",
        b"",
    ]
    volume, receipt = read(contents)
    assert receipt.n_files == len(contents)
    assert volume.shape[0] + sum(entry.count for entry in receipt.left_out) == len(contents)
    reasons = left_out(receipt)
    assert reasons.pop("(0028,0030) Pixel Spacing is missing: export the original CT series again.") == 3
    assert reasons == {
        "sharp kernel": 9,
        "localizer": 2,
        "colour image": 1,
        "same slice again": 1,
        "neither DICOM nor NIfTI": 1,
        "empty file": 1,
    }
    assert sum(record.n_images for record in receipt.series) == 12 + 1 + 9 + 2 + 1 + 3


def test_nothing_but_a_localizer_and_pages_is_refused() -> None:
    contents = [
        *files_of(HEAD, tags(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))[:2],
        *files_of(RIVAL, tags(SeriesDescription="Dose Report"))[:1],
    ]
    with pytest.raises(RefusedError) as caught:
        read(contents)
    assert (caught.value.code, caught.value.exit_code) == ("no_slices", 4)


def test_the_kernel_of_an_enhanced_object() -> None:
    bone = enhanced(FINER.datasets(), range(23))
    del bone.ConvolutionKernel
    item = Dataset()
    item.ConvolutionKernel = "BONE"
    bone.SharedFunctionalGroupsSequence[0].CTReconstructionSequence = [item]
    volume, receipt = read([*_head(), transcode(bone, NATIVE["explicit"])])
    np.testing.assert_array_equal(volume.hu, HEAD.hu())
    assert left_out(receipt) == {"sharp kernel": 1}
