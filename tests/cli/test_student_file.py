import pytest

from skdistill import DistilledMLPClassifier, ModelFileError
from skdistill.cli.prediction._student_file import read_student_file
from skdistill.runtime._tensor_file import read_tensors, write_tensors


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student.skd"
    DistilledMLPClassifier(max_epochs=1).fit(["soup", "bus"], ["food", "travel"]).save(path)
    return path


@pytest.mark.parametrize("content", [b"", b"text\nsoup\n", b"x" * 100, b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_of_another_kind_is_no_model(model, tmp_path, content):
    path = tmp_path / "new.csv"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as info:
        read_student_file(path)
    assert str(info.value) == f"MODEL is not a skdistill model file: {path}."
    with pytest.raises(ModelFileError) as info:
        read_student_file(path, "TEST", str(model))
    assert str(info.value).endswith(f"{path}; did you swap MODEL and TEST?")
    with pytest.raises(ModelFileError, match=r"\.csv\.$"):
        read_student_file(path, "TEST", str(path))


def test_a_truncated_model_is_damaged(model, tmp_path):
    path = tmp_path / "new.skd"
    path.write_bytes(model.read_bytes()[:-10])
    with pytest.raises(ModelFileError, match=r"^MODEL is a damaged skdistill model file: .*; copy"):
        read_student_file(path)


def test_a_model_of_a_later_version_asks_for_an_upgrade(model, tmp_path):
    path = tmp_path / "new.skd"
    tensors, metadata = read_tensors(model)
    write_tensors(path, tensors, metadata | {"format_version": "9"})
    with pytest.raises(ModelFileError, match="Upgrade skdistill"):
        read_student_file(path)


def test_a_missing_model_is_named_with_a_similar_file(model):
    with pytest.raises(FileNotFoundError, match=r"student\.skd\?$"):
        read_student_file(model.with_name("studnet.skd"))
    with pytest.raises(FileNotFoundError, match=r"other\.xyz does not exist\.$"):
        read_student_file(model.with_name("other.xyz"))
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_student_file(model.parent)
