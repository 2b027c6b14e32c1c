"""What is taken out of archives, in which order, and what is refused with which reason."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from g2l.data.archives import EmbeddingArchive, UnsupportedArchiveError, open_archive
from g2l.data.entries import Entry, Rejected
from g2l.data.zips import BrokenArchiveError
from tests.fixtures.images import encoded, write_folder, write_tar, write_zip

PNG = encoded("png")
FILES = {"b/2.png": PNG, "a/1.jpg": encoded("jpeg"), "a/0.PNG": encoded("png", 2), "c.tif": encoded("tiff")}
IGNORED = {
    "notes.txt": b"x",
    "a/.hidden.png": PNG,
    ".thumbs/x.png": PNG,
    "__MACOSX/a/._1.jpg": b"x",
    "no_ending": PNG,
    "a/png": PNG,
    "labels.csv": b"a,b",
}


def entries(path: Path, filename: str | None = None) -> list[Entry | Rejected]:
    with open_archive(path, filename or path.name) as archive:
        assert not isinstance(archive, EmbeddingArchive)
        return list(archive)


def accepted(path: Path) -> dict[str, bytes]:
    return {entry.path: entry.data for entry in entries(path) if isinstance(entry, Entry)}


def rejected(path: Path) -> dict[str, str]:
    return {entry.path: entry.reason for entry in entries(path) if isinstance(entry, Rejected)}


def make(kind: str, folder: Path, files: dict[str, bytes]) -> Path:
    if kind == "folder":
        return write_folder(folder / "images", files)
    return (write_zip if kind == "zip" else write_tar)(folder / f"images.{kind}", files)


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_zips_and_folders_are_read_sorted_by_path(kind: str, tmp_path: Path) -> None:
    found = accepted(make(kind, tmp_path, FILES | IGNORED))
    assert list(found) == ["a/0.PNG", "a/1.jpg", "b/2.png", "c.tif"]
    assert found == FILES


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_tars_are_read_in_their_own_order(kind: str, tmp_path: Path) -> None:
    found = accepted(make(kind, tmp_path, FILES | IGNORED))
    assert list(found) == list(FILES)
    assert found == FILES


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_the_content_counts_and_not_the_name(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path, FILES)
    assert len(entries(path, "upload.bin")) == len(FILES)


def test_deflated_zips_and_zips_behind_a_prefix_are_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "deflated.zip", FILES, zipfile.ZIP_DEFLATED)
    assert accepted(path) == FILES
    path.write_bytes(b"PK\x03\x04" + b"a program that unpacks itself" + path.read_bytes())
    assert accepted(path) == FILES


def test_zip64_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a/x.png", "w", force_zip64=True) as member:
        member.write(PNG)
    assert accepted(path) == {"a/x.png": PNG}


def test_more_than_65535_entries_are_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "many.zip", {f"{i}.txt": b"" for i in range(70_000)} | {"x.png": PNG})
    assert accepted(path) == {"x.png": PNG}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "folder"])
def test_progress_ends_at_the_whole_size(kind: str, tmp_path: Path) -> None:
    with open_archive(make(kind, tmp_path, FILES), "images") as archive:
        assert not isinstance(archive, EmbeddingArchive)
        positions = [archive.position for _ in archive]
        assert positions == sorted(positions)
        assert 0 < positions[-1] <= archive.size


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_second_file_of_one_name_is_rejected(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"twice.{kind}"
    if kind == "zip":
        write_zip(path, {"x.png": PNG, "y.png": encoded("png", 1)})
        path.write_bytes(path.read_bytes().replace(b"y.png", b"x.png"))
    else:
        with tarfile.open(path, "w") as tar:
            for data in (PNG, encoded("png", 1)):
                add(tar, "x.png", data)
    assert accepted(path) == {"x.png": PNG}
    assert "same name" in rejected(path)["x.png"]


def add(tar: tarfile.TarFile, name: str, data: bytes, **fields: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png"])
def test_paths_that_leave_the_archive_are_rejected(kind: str, name: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path, {name: PNG, "good.png": PNG})
    assert accepted(path) == {"good.png": PNG}
    assert rejected(path) == {name: "the path leads out of the archive"}


def test_backslashes_separate_folders_in_a_zip(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "windows.zip", {"cat\\x.png": PNG, "..\\..\\y.png": PNG})
    assert list(accepted(path)) == ["cat/x.png"]
    assert list(rejected(path)) == ["../../y.png"]


def test_links_and_devices_in_a_tar_are_ignored(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        add(tar, "link.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(tar, "hard.png", b"", type=tarfile.LNKTYPE, linkname="good.png")
        add(tar, "device.png", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
        add(tar, "pipe.png", b"", type=tarfile.FIFOTYPE)
        add(tar, "good.png", PNG)
    assert [entry.path for entry in entries(tmp_path / "links.tar")] == ["good.png"]


def test_links_in_a_zip_are_ignored(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.png", PNG)
    assert [entry.path for entry in entries(tmp_path / "links.zip")] == ["good.png"]


def test_links_and_pipes_in_a_folder_are_ignored(tmp_path: Path) -> None:
    outside = write_folder(tmp_path / "outside", {"secret.png": PNG})
    folder = write_folder(tmp_path / "images", {"good.png": PNG})
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "pipe.png")
    assert [entry.path for entry in entries(folder)] == ["good.png"]


def test_encrypted_members_are_rejected_one_by_one(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "locked.zip", {"a.png": PNG, "b.png": PNG})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert list(accepted(path)) == ["b.png"]
    assert "encrypted" in rejected(path)["a.png"]


def test_a_damaged_member_is_rejected_and_the_rest_read(tmp_path: Path) -> None:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = write_zip(tmp_path / "damaged.zip", {"a.png": PNG, "b.png": PNG}, compression)
        data = bytearray(path.read_bytes())
        data[100] ^= 0xFF
        path.write_bytes(data)
        assert list(accepted(path)) == ["b.png"]
        assert "damaged" in rejected(path)["a.png"] or "number" in rejected(path)["a.png"]


def test_other_compression_is_rejected_with_the_cure(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bz.zip", {"a.png": PNG}, zipfile.ZIP_BZIP2)
    assert "use 'deflate' or 'store'" in rejected(path)["a.png"]


@pytest.mark.parametrize(
    ("raw", "flag", "shown"),
    [
        ("caf\u00e9/x.png".encode(), 0x800, "café/x.png"),
        ("caf\u00e9/x.png".encode(), 0, "café/x.png"),  # UTF-8 without saying so
        ("cafe\u0301/x.png".encode(), 0x800, "café/x.png"),  # decomposed, as macOS writes it
        ("café/x.png".encode("cp437"), 0, "café/x.png"),
        (b"caf\xe9/x.png", 0x800, "caf%E9/x.png"),  # says UTF-8 and is not
        (b"a\x00b\x1b/x.png", 0x800, "a%00b%1B/x.png"),
    ],
)
def test_names_of_a_zip_become_readable(raw: bytes, flag: int, shown: str, tmp_path: Path) -> None:
    placeholder = "N" * (len(raw) - 6) + "/x.png"
    path = write_zip(tmp_path / "names.zip", {placeholder: PNG})
    data = bytearray(path.read_bytes().replace(placeholder.encode(), raw))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8 : directory + 10] = flag.to_bytes(2, "little")
    path.write_bytes(data)
    assert accepted(path) == {shown: PNG}


def test_names_of_a_tar_become_readable(tmp_path: Path) -> None:
    path = tmp_path / "names.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        add(tar, "café/x.png", PNG)
        add(tar, "é" * 150 + ".png", PNG)
    assert list(accepted(path)) == ["caf%E9/x.png", "%E9" * 150 + ".png"]


def test_names_of_a_folder_become_readable(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with open(os.fsencode(tmp_path / "images") + b"/caf\xe9.png", "wb") as file:
        file.write(PNG)
    assert accepted(tmp_path / "images") == {"caf%E9.png": PNG}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_an_archive_cut_short_is_broken(kind: str, share: float, tmp_path: Path) -> None:
    path = make(kind, tmp_path, {f"{i}.png": encoded("png", i) for i in range(20)})
    data = path.read_bytes().rstrip(b"\0") if kind == "tar" else path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BrokenArchiveError):
        entries(path)


def test_a_tar_cut_between_two_members_is_broken(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "cut.tar", {f"{i}.png": PNG for i in range(3)})
    member = 512 + -(-len(PNG) // 512) * 512
    path.write_bytes(path.read_bytes()[: 2 * member])
    with pytest.raises(BrokenArchiveError, match="cut short"):
        entries(path)


def test_a_gzip_with_a_wrong_checksum_is_broken(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "bad.tar.gz", FILES)
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BrokenArchiveError, match="CRC"):
        entries(path)


@pytest.mark.parametrize(
    ("filename", "data", "error", "says"),
    [
        ("pool.zip", b"", BrokenArchiveError, "empty"),
        ("pool.zip", b"no zip", BrokenArchiveError, "not the archive that its name says"),
        ("pool.tar", b"\x01" * 600, BrokenArchiveError, "not the archive that its name says"),
        ("pool.tar.gz", b"\x1f\x8b\x08", BrokenArchiveError, "gzip"),
        ("cat.png", PNG, UnsupportedArchiveError, "single png image"),
        ("pool.7z", b"7z\xbc\xaf\x27\x1c", UnsupportedArchiveError, "no archive"),
        ("pool.parquet", b"PAR1", BrokenArchiveError, "parquet file cannot be read"),
    ],
)
def test_other_files_are_refused(
    filename: str, data: bytes, error: type[Exception], says: str, tmp_path: Path
) -> None:
    (tmp_path / "upload").write_bytes(data)
    with pytest.raises(error, match=says):
        entries(tmp_path / "upload", filename)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "folder"])
def test_archives_without_entries_can_be_opened(kind: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert entries(make(kind, tmp_path, {})) == []


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "folder"])
def test_dicom_without_an_ending_is_found_by_its_content(kind: str, tmp_path: Path) -> None:
    dicom = bytes(128) + b"DICM and so on"
    files = {
        "a/IM000001": dicom,
        "a/1.2.840.113619": dicom,
        "a/x.dcm": dicom,
        "LICENSE": bytes(200),
        "v1.2": b"",
    }
    assert set(accepted(make(kind, tmp_path, files))) == {"a/IM000001", "a/1.2.840.113619", "a/x.dcm"}
