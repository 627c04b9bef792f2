"""Files of a simulated scan read back to the same HU and the same millimetres, whoever's habits they follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from htcore.dicom import read_study
from htcore.dicom.series import is_sharp
from htcore.errors import UsageError
from htcore.simulation.vendors import PLAIN, VENDORS, FileStyle, Packing, draw_style
from htcore.simulation.writer import Person, uniform_affine, write_dicom, write_mask, write_nifti
from htcore.types import Volume

STYLES = [FileStyle(vendor, *vendor.kernels[-1], packing) for vendor in VENDORS for packing in ("explicit", "rle")]
PACKINGS: tuple[Packing, ...] = ("explicit", "implicit", "rle", "jpeg-ls")


def tilted(heights: tuple[float, ...] = (0.0, 5.0, 10.0)) -> Volume:
    tilt = np.radians(18.5)
    affines = np.tile(np.eye(4), (len(heights), 1, 1))
    affines[:, :3, 0] = 0.5, 0, 0
    affines[:, :3, 1] = 0, 0.7 * np.cos(tilt), 0.7 * np.sin(tilt)
    affines[:, :3, 2] = 0, -np.sin(tilt), np.cos(tilt)
    affines[:, :3, 3] = np.array([[-10.25, 3.5, h] for h in heights])
    hu = np.arange(len(heights) * 6 * 4, dtype=np.int16).reshape(len(heights), 6, 4) - 30
    hu[:, 0, :2] = -1024, 3071
    return Volume(hu, affines, np.full(len(heights), 5.0))


def assert_same(first: Volume, second: Volume) -> None:
    np.testing.assert_array_equal(first.hu, second.hu)
    np.testing.assert_allclose(first.affines, second.affines, atol=1e-6)
    np.testing.assert_allclose(first.thickness_mm, second.thickness_mm)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.key)
@pytest.mark.parametrize("packing", PACKINGS)
def test_every_vendors_files_read_back_and_say_simulated(tmp_path: Path, vendor, packing: Packing) -> None:
    volume = tilted((0.0, 4.0, 8.0, 15.0, 22.0))  # two slabs
    style = FileStyle(vendor, *vendor.kernels[0], packing)
    write_dicom(tmp_path / "d", volume, "SIM-1-00001-1", np.random.default_rng(2), style)
    back, receipt = read_study(tmp_path / "d")
    assert_same(back, volume)
    assert receipt.simulated and receipt.manufacturer == vendor.manufacturer and receipt.kernel == style.kernel
    for path in (tmp_path / "d").iterdir():
        dataset = pydicom.dcmread(path)
        assert dataset.ImageType[-1] == "SIMULATED" and "SIMULATED" in dataset.ManufacturerModelName
        assert "SIMULATED" in dataset.SeriesDescription and str(dataset.PatientName).startswith("SIMULATED^")
        assert not {"LOCALIZER", "DERIVED"} & set(dataset.ImageType)


def test_each_mark_alone_says_simulated(tmp_path: Path) -> None:
    write_dicom(tmp_path / "d", tilted(), "S", np.random.default_rng(2))
    for path in (tmp_path / "d").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.save_as(path)
    assert read_study(tmp_path / "d")[1].simulated


def test_vendors_differ_as_stated(tmp_path: Path) -> None:
    seen = {}
    for style in STYLES[::2]:
        folder = tmp_path / style.vendor.key
        write_dicom(folder, tilted(), "S", np.random.default_rng(2), style, Person("P", 67, "F"))
        seen[style.vendor.key] = sorted((pydicom.dcmread(p) for p in folder.iterdir()), key=lambda d: d.InstanceNumber)
    intercepts = {key: int(slices[0].RescaleIntercept) for key, slices in seen.items()}
    assert list(intercepts.values()) == [-1024, 0, -1024, -8192, -1024, 0]
    assert {key for key, slices in seen.items() if slices[0].PixelRepresentation == 1} == {"GE", "GE, older", "Canon"}
    assert seen["GE"][0].PixelPaddingValue == -2000 and "PixelPaddingValue" not in seen["Canon"][0]
    heights = {key: np.diff([d.ImagePositionPatient[2] for d in slices])[0] for key, slices in seen.items()}
    assert {key for key, step in heights.items() if step < 0} == {"Siemens, 16 bits", "Philips", "Canon"}
    # the phantom rises towards the back: -18.5 by the sign of this project
    assert float(seen["GE"][0].GantryDetectorTilt) == pytest.approx(-18.5)
    assert float(seen["Siemens"][0].GantryDetectorTilt) == pytest.approx(18.5)
    assert all(d.PatientID == "P" and d.PatientAge == "067Y" and d.PatientSex == "F" for d in seen["Philips"])


def test_padding_outside_the_round_field_reads_back_as_the_scanner_meant(tmp_path: Path) -> None:
    volume = tilted()
    hu = volume.hu.copy()
    hu[:, 0, 0] = -3024
    padded = Volume(hu, volume.affines, volume.thickness_mm)
    write_dicom(tmp_path / "d", padded, "S", np.random.default_rng(2), PLAIN)
    first = pydicom.dcmread(min((tmp_path / "d").iterdir()))
    assert first.pixel_array[0, 0] == first.PixelPaddingValue == -2000
    assert_same(read_study(tmp_path / "d")[0], padded)


def test_values_that_a_vendor_cannot_store_are_clipped_not_wrapped(tmp_path: Path) -> None:
    volume = tilted()
    hu = volume.hu.copy()
    hu[:, 1, :2] = -3024, 9000
    twelve_bits = FileStyle(VENDORS[2], *VENDORS[2].kernels[0])
    write_dicom(
        tmp_path / "d", Volume(hu, volume.affines, volume.thickness_mm), "S", np.random.default_rng(2), twelve_bits
    )
    back = read_study(tmp_path / "d")[0].hu
    np.testing.assert_array_equal(back[:, 1, :2], [[-1024, 3071]] * 3)
    np.testing.assert_array_equal(back[:, 2:], hu[:, 2:])


def test_uids_are_unique_and_short_enough(tmp_path: Path) -> None:
    write_dicom(tmp_path / "d", tilted(), "S", np.random.default_rng(2))
    slices = [pydicom.dcmread(p) for p in (tmp_path / "d").iterdir()]
    assert len({s.SOPInstanceUID for s in slices}) == 3 and len({s.SeriesInstanceUID for s in slices}) == 1
    assert all(len(uid) <= 64 for s in slices for uid in (s.SOPInstanceUID, s.StudyInstanceUID))


@pytest.mark.parametrize("packing", PACKINGS)
def test_dicom_bytes_follow_the_seed(tmp_path: Path, packing: Packing) -> None:
    for name, seed in (("a", 2), ("b", 2), ("c", 3)):
        write_dicom(tmp_path / name, tilted(), "S", np.random.default_rng(seed), replace(PLAIN, packing=packing))
    one, two, other = ([p.read_bytes() for p in sorted((tmp_path / name).iterdir())] for name in "abc")
    assert one == two and one != other


def test_every_style_is_drawn_and_no_kernel_is_one_for_bone() -> None:
    rng = np.random.default_rng(0)
    styles = [draw_style(rng) for _ in range(400)]
    assert {style.vendor.key for style in styles} == {vendor.key for vendor in VENDORS}
    assert {style.packing for style in styles} == set(PACKINGS)
    assert {style.kernel for style in styles} == {name for vendor in VENDORS for name, _ in vendor.kernels}
    assert not any(is_sharp(style.kernel) for style in styles)


def test_nifti_of_a_tilted_scan_is_sheared_and_reads_back(tmp_path: Path) -> None:
    volume = tilted()
    write_nifti(tmp_path / "ct.nii.gz", volume)
    image = nib.load(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), volume.hu)
    lps = (np.diag([-1.0, -1, 1, 1]) @ image.affine @ [3, 5, 2, 1])[:3]
    np.testing.assert_allclose(lps, (volume.affines[2] @ [3, 5, 0, 1])[:3], atol=1e-4)
    back, receipt = read_study(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(back.hu, volume.hu)
    np.testing.assert_allclose(back.affines, volume.affines, atol=1e-4)
    assert receipt.simulated


def test_two_slabs_are_refused_as_nifti_but_their_mask_is_kept(tmp_path: Path) -> None:
    volume = tilted((0.0, 4.0, 11.0))
    with pytest.raises(UsageError, match="DICOM"):
        uniform_affine(volume)
    mask = volume.hu > 0
    write_mask(tmp_path / "lesion.nii.gz", mask, volume)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "lesion.nii.gz").dataobj).transpose(2, 1, 0), mask)
