from __future__ import annotations

import gc
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from htcore.ui import server
from htcore.ui.server import MAP_STEP, Kept, ServedStudy, part_bytes, publish, reclaim
from tests.ui.client import Client
from tests.ui.opened import refused, scored


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Ids of the sessions that the runtime says are connected."""
    sessions = {"session-1"}
    runtime = SimpleNamespace(
        exists=lambda: True, instance=lambda: SimpleNamespace(is_active_session=lambda name: name in sessions)
    )
    monkeypatch.setattr(server, "Runtime", runtime)
    return sessions


def served(**changes: object) -> ServedStudy:
    out = publish(scored())
    out.session_id = "session-1"
    for name, value in changes.items():
        setattr(out, name, value)
    return out


def test_volume_arrives_as_little_endian_int16_and_is_not_stored(client: Client, connected: set[str]) -> None:
    study = served()
    answer = client.get(f"{study.url}/volume")
    hu = study.assessment.volume.hu
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-encoding"] == "gzip"
    assert struct.unpack("<3h", answer.content[:6]) == tuple(hu[0, 0, :3])
    assert (np.frombuffer(answer.content, "<i2").reshape(hu.shape) == hu).all()


def test_maps_cover_every_fourth_pixel_of_each_slice(client: Client, connected: set[str]) -> None:
    study = served()
    slices, rows, columns = study.assessment.volume.shape
    expected = slices * -(-rows // MAP_STEP) * -(-columns // MAP_STEP) * 4
    for part in ("evidence", "lesion"):
        assert len(client.get(f"{study.url}/{part}").content) == expected


@pytest.mark.parametrize("path", ["/study/guess/volume", "/study/" + "a" * 43 + "/evidence"])
def test_unknown_token_is_forbidden(client: Client, connected: set[str], path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (403, b"")


def test_token_of_a_session_that_left_is_forbidden(client: Client, connected: set[str]) -> None:
    study = served()
    connected.clear()
    assert client.get(f"{study.url}/volume").status_code == 403


def test_token_without_a_session_is_forbidden(client: Client, connected: set[str]) -> None:
    study = served(session_id=None)
    assert client.get(f"{study.url}/volume").status_code == 403


def test_another_site_is_forbidden(client: Client, connected: set[str]) -> None:
    study = served()
    assert client.get(f"{study.url}/volume", {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get(f"{study.url}/volume", {"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_token_past_its_time_is_forbidden_until_renewed(client: Client, connected: set[str]) -> None:
    study = served(_deadline=0.0)
    assert study.expired
    assert client.get(f"{study.url}/volume").status_code == 403
    study.renew()
    assert client.get(f"{study.url}/volume").status_code == 200


def test_a_study_that_its_session_dropped_is_forgotten(client: Client, connected: set[str]) -> None:
    study = served()
    url = study.url
    del study
    gc.collect()
    assert client.get(f"{url}/volume").status_code == 403


def test_no_such_part(client: Client, connected: set[str]) -> None:
    study = served()
    assert client.get(f"{study.url}/receipt").status_code == 404


def test_refused_study_has_slices_and_no_maps() -> None:
    assert part_bytes(refused(), "volume") is not None
    assert part_bytes(refused(), "evidence") is None


class TestReload:
    """A tab that was reloaded: its old session has gone, a new one asks."""

    @pytest.fixture(autouse=True)
    def new_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "get_script_run_ctx", lambda **_: SimpleNamespace(session_id="session-2"))
        monkeypatch.setattr(server, "LEAVE_S", 0.2)

    def test_gets_its_study_back_once(self, client: Client, connected: set[str]) -> None:
        kept = Kept(True, 0.27, {"nihss": 14.0})
        study = served(kept=kept)
        connected.symmetric_difference_update({"session-1", "session-2"})
        back = reclaim(study.claim)
        assert back is not None
        assert (back.assessment, back.opening, back.kept) == (study.assessment, study.opening, kept)
        assert (back.session_id, back.claim != study.claim, back.token != study.token) == ("session-2", True, True)
        assert client.get(f"{back.url}/volume").status_code == 200
        assert client.get(f"{study.url}/volume").status_code == 403
        assert reclaim(study.claim) is None

    def test_a_copy_of_the_claim_is_worth_nothing_while_the_first_tab_is_open(self, connected: set[str]) -> None:
        study = served()
        connected.add("session-2")
        assert reclaim(study.claim) is None
        connected.remove("session-1")
        assert reclaim(study.claim) is not None

    @pytest.mark.parametrize("wrong", ["", "guess", "é"])
    def test_a_wrong_claim(self, connected: set[str], wrong: str) -> None:
        study = served()
        connected.clear()
        assert reclaim(wrong) is None
        assert reclaim(study.token) is None
        assert reclaim(study.opening) is None

    def test_a_cleared_or_expired_study_does_not_come_back(self, connected: set[str]) -> None:
        study = served(_deadline=0.0)
        connected.clear()
        assert reclaim(study.claim) is None
        study = served()
        claim = study.claim
        del study
        gc.collect()
        assert reclaim(claim) is None


def test_tokens_differ_and_are_long() -> None:
    tokens = {publish(scored()).token for _ in range(5)}
    assert len(tokens) == 5
    assert min(map(len, tokens)) >= 43


def test_files_that_were_taken_are_not_kept_by_streamlit_and_stay_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = MemoryUploadedFileManager("/upload")
    context = SimpleNamespace(session_id="session-1", uploaded_file_mgr=manager)
    monkeypatch.setattr(server, "get_script_run_ctx", lambda **_: context)
    records = [UploadedFileRec(f"id-{k}", f"{k}.dcm", "application/dicom", b"pixels") for k in range(3)]
    for record in records:
        manager.add_file("session-1", record)
    taken = [UploadedFile(record, FileURLs(file_id=record.file_id)) for record in records[:2]]
    server.forget_uploads(taken)
    assert list(manager.file_storage["session-1"]) == ["id-2"]
    assert [entry.read() for entry in taken] == [b"pixels"] * 2
