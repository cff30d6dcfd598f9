"""gallery: the images that a network was surest of, by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.evaluate.gallery import choose, overlay, read_gallery, write_gallery


def predictions(*rows: tuple[str, str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["label", "answer", "logit"])
    return table.assign(path=[f"{number}.png" for number in range(len(rows))], cluster="")


def test_each_kind_shows_its_surest_first_and_four_at_most() -> None:
    # Rows 0 to 5: REAL called REAL, the surest of which are the lowest.
    real = [("REAL", "REAL", logit) for logit in (-1.0, -5.0, -2.0, -4.0, -3.0, -0.5)]
    fake = [("FAKE", "FAKE", logit) for logit in (1.0, 5.0, 2.0, 4.0, 3.0)]
    wrong = [("FAKE", "REAL", -0.1), ("REAL", "FAKE", 2.0), ("FAKE", "REAL", -0.2)]
    found = choose(predictions(*real, *fake, *wrong))
    assert list(found.columns) == ["kind", "label", "answer", "logit", "path", "cluster"]
    kinds = ["true REAL"] * 4 + ["true FAKE"] * 4 + ["false REAL"] * 2 + ["false FAKE"]
    assert list(found["kind"]) == kinds
    assert list(found.index) == [1, 3, 4, 2, 7, 9, 10, 8, 13, 11, 12]
    assert list(found["path"]) == [f"{row}.png" for row in found.index]


def test_of_images_that_look_alike_a_kind_shows_the_surest_alone() -> None:
    table = predictions(*[("FAKE", "FAKE", logit) for logit in (1.0, 4.0, 3.0, 2.0)])
    found = choose(table.assign(cluster=["", "scene", "scene", "other"]))
    assert list(found.index) == [1, 3, 0]


def test_answers_decide_and_not_the_sign_of_the_log_odds() -> None:
    found = choose(predictions(("REAL", "FAKE", -1.0), ("FAKE", "FAKE", -1.5)))
    assert list(found["kind"]) == ["true FAKE", "false FAKE"]


def test_equally_sure_ones_come_in_the_order_of_the_data_set() -> None:
    found = choose(predictions(*[("FAKE", "FAKE", 0.5), ("FAKE", "FAKE", 1.0)] * 100))
    assert list(found.index) == [1, 3, 5, 7]
    found = choose(predictions(*[("FAKE", "REAL", -0.5), ("FAKE", "REAL", -1.0)] * 100))
    assert list(found.index) == [1, 3, 5, 7]


def test_a_network_without_mistakes_has_a_gallery_too() -> None:
    found = choose(predictions(("REAL", "REAL", -1.0), ("FAKE", "FAKE", 1.0)))
    assert list(found["kind"]) == ["true REAL", "true FAKE"]


def test_unsure_ones_lean_most_to_the_wrong_label_first() -> None:
    rows = [(label, "UNSURE", logit) for label in ("REAL", "FAKE") for logit in (-1.0, 2.0, 0.0)]
    found = choose(predictions(*rows))
    assert list(found["kind"]) == ["unsure REAL"] * 3 + ["unsure FAKE"] * 3
    assert list(found["logit"]) == [2.0, 0.0, -1.0, -1.0, 0.0, 2.0]


def test_an_overlay_goes_from_the_image_to_bright_yellow() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 2, 3)).astype(np.uint8)
    np.testing.assert_array_equal(overlay(image, np.zeros((3, 2))), image)
    # The last colour of inferno is 252, 255, 164: three quarters of it, and one of the image.
    hottest = np.rint(image / 4 + np.array([252, 255, 164]) * 0.75)
    np.testing.assert_allclose(overlay(image, np.ones((3, 2))), hottest, atol=1)
    # At one half, the colour in the middle, 188, 55, 84, has three eighths.
    middle = np.rint(image * 0.625 + np.array([188, 55, 84]) * 3 / 8)
    np.testing.assert_allclose(overlay(image, np.full((3, 2), 0.5)), middle, atol=1.5)


def test_each_place_is_as_hot_as_its_map() -> None:
    image = np.full((2, 2, 3), 100, np.uint8)
    found = overlay(image, np.array([[0.0, 1.0], [0.0, 0.0]], np.float32))
    assert found.dtype == np.uint8
    assert found[0, 1].tolist() != [100] * 3
    np.testing.assert_array_equal(found[1], 100)
    np.testing.assert_array_equal(found[0, 0], 100)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    examples = choose(
        predictions(("REAL", "REAL", -1 / 3), ("FAKE", "FAKE", float(np.float32(0.1))))
    )
    images = random.integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    heat = random.random((2, 4, 5)).astype(np.float32)
    write_gallery(tmp_path / "gallery", examples, images, heat)

    found = read_gallery(tmp_path / "gallery")
    files = ["00-heat.png", "00-image.png", "01-heat.png", "01-image.png", "examples.csv"]
    assert sorted(file.name for file in (tmp_path / "gallery").iterdir()) == files
    files_of = ["image", "heat"]
    assert list(found.columns) == [*examples.columns, *files_of]
    same = ["kind", "label", "answer", "path"]
    assert found[same].to_numpy().tolist() == examples[same].to_numpy().tolist()
    np.testing.assert_array_equal(
        found["logit"].astype(np.float32), np.array([-1 / 3, 0.1], np.float32)
    )
    for row, image, hot in zip(found.itertuples(), images, heat, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(str(row.image))), image)
        np.testing.assert_array_equal(np.asarray(Image.open(str(row.heat))), overlay(image, hot))


def test_nothing_to_show_is_an_empty_gallery(tmp_path: Path) -> None:
    examples = choose(predictions())
    write_gallery(
        tmp_path / "gallery", examples, np.zeros((0, 4, 5, 3), np.uint8), np.zeros((0, 4, 5))
    )
    assert read_gallery(tmp_path / "gallery").empty
