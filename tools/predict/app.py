"""The page of `make app`: drop pictures, see what a model makes of them, and how far to trust it.

The server listens on this machine alone, and keeps an upload in memory until the page is closed;
.streamlit/config.toml says how large one may be, `decode.max_pixels` of params.yaml how many
pixels it may have.
"""

import base64
import html
import io
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st
from PIL import Image
from starlette.formparsers import MultiPartParser
from streamlit.runtime.uploaded_file_manager import UploadedFile

from stages.common.command import InputError
from stages.common.params import read_block, read_value
from stages.evaluate.gallery import overlay
from stages.images.pixels import UnreadableImageError, decode, require_size
from stages.images.schema import DecodeParams
from stages.networks.runtime import tf
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from tools.predict.detector import Answer, Detector, best_on_validation, trained_variants
from tools.predict.explanation import enlarged, scale
from tools.predict.output import csv_of
from tools.predict.pictures import Views, views
from tools.predict.rows import Row, plain, rows_of, shown_in_words
from tools.predict.track_record import track_record

TITLE = "Photograph or AI-generated?"
PREVIEW = (512, 512)  # the most pixels of an upload that are sent back, width and height
KINDS = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic"]
VERDICTS = {
    "REAL": "Looks like a photograph",
    "FAKE": "Looks AI-generated",
    "UNSURE": "Can't tell",
}
SIDES = {"REAL": "a photograph", "FAKE": "an AI-generated picture"}
REASONS = {
    "both fit": "Photographs and AI-generated pictures both look like this to the model.",
    "neither fits": "Hardly any picture of either kind looks like this to the model.",
    "unlike what it learned from": "The model has seen nothing like this picture.",
}
DISAGREE = "Parts of the picture look like a photograph to the model, others AI-generated."
STYLE = """<style>
.stMainBlockContainer { padding-top: 2rem }
.stTable td, .stTable th { overflow-wrap: anywhere }
.figures { display: flex; flex-wrap: wrap; gap: 1rem }
.figures figure { flex: 1 1 9rem; max-width: 20rem; margin: 0 }
.figures img { width: 100%; display: block; border-radius: .3rem }
.figures span { white-space: nowrap }
.figures .scale { width: 5rem; height: 1em; display: inline-block; vertical-align: middle }
</style>"""

# The server under Streamlit would write an upload of more than 1 MB to a temporary file.
MultiPartParser.spool_max_size = 2**40


class Models(NamedTuple):
    """All that stays the same from one picture to the next."""

    preprocess: Preprocess
    detectors: dict[str, Detector]
    best: str


@st.cache_resource(show_spinner="Loading the models …")
def load() -> Models:
    """Return all trained models; the best one on validation is asked first."""
    preprocess = Preprocess(
        read_block("preprocess", PreprocessParams), read_block("decode", DecodeParams)
    )
    tf.get_logger().setLevel("ERROR")  # it takes several networks for one that is traced anew
    detectors = {variant: Detector(variant, preprocess) for variant in trained_variants()}
    return Models(preprocess, detectors, best_on_validation(list(detectors)))


def seen_of(uploads: Sequence[UploadedFile], preprocess: Preprocess) -> list[Views | str]:
    """Return what networks see of each upload, or why it cannot be read; of old ones, as before."""
    before = st.session_state.get("seen", {})
    seen = {one.file_id: before.get(one.file_id) or _see(one, preprocess) for one in uploads}
    st.session_state["seen"] = seen
    return list(seen.values())


def _see(upload: UploadedFile, preprocess: Preprocess) -> Views | str:
    try:
        require_size(upload.size, preprocess.decoding)
        return views(upload.getvalue(), preprocess)
    except UnreadableImageError as problem:
        return str(problem)


def rows_by(detector: Detector, names: list[str], seen: list[Views | str]) -> list[Row]:
    """Return a row for each picture; as before, where the same is asked once more."""
    asked = (detector.variant, [*st.session_state["seen"]])
    if st.session_state.get("asked") != asked:
        st.session_state["rows"] = list(rows_of(zip(names, seen, strict=True), detector, None))
        st.session_state["asked"] = asked
    rows: list[Row] = st.session_state["rows"]
    return rows


def show_all(rows: list[Row]) -> None:
    """Show a line for each of several pictures, and offer the lines as a file."""
    numbers = Counter(verdict_of(row) for row in rows)
    st.header(f"{len(rows)} pictures", anchor=False)
    st.write(", ".join(f"{verdict}: **{number}**" for verdict, number in numbers.items()))
    st.table(
        pd.DataFrame(
            {
                "answer": [verdict_of(row) for row in rows],
                "remark": [row.error or remark(row.why or "", row.views_disagree) for row in rows],
            },
            index=pd.Index([plain(row.file) for row in rows], name="picture"),
        )
    )
    st.write("None of these answers proves anything about its picture; why stands below.")
    st.download_button("Download as CSV", csv_of(rows), "answers.csv", "text/csv")


def verdict_of(row: Row) -> str:
    """Return the answer of a row in words; that there is none where it could not be read."""
    return VERDICTS[row.answer] if row.answer else "Not read"


def remark(why: str, disagree: bool | None) -> str:
    """Return what to know of an answer besides itself, in words; "" for nothing."""
    return " ".join(filter(None, [REASONS[why] if why else "", DISAGREE if disagree else ""]))


def show(name: str, data: bytes, seen: Views, models: Models, chosen: str) -> None:
    """Show what the model `chosen` makes of one picture, and what the others say."""
    answers = {each: one.answers([seen])[0] for each, one in models.detectors.items()}
    answer = answers[chosen]
    left, right = st.columns([3, 2])  # on a phone the left one stands above
    preview = decode(data, models.preprocess.decoding).rgb
    preview.thumbnail(PREVIEW)
    with right:
        figures((preview, name, f"{html.escape(name)}, {seen.width}x{seen.height} pixels"))
    with left:
        st.header(VERDICTS[answer.answer], anchor=False)
        st.write(remark(answer.why, answer.views_disagree))
        st.warning(
            f"**This proves nothing about the picture.** The model `{chosen}` learned from "
            f"pictures like those of `{read_value('source.path')}`, and is shown "
            f"{shown_in_words(models.preprocess)}. On other cameras and generators, and "
            "on pictures that were edited, compressed or scaled, it may do worse than a coin."
        )
    st.subheader("How often its answers were right", anchor=False)
    st.markdown("\n".join(f"- {sentence}" for sentence in track_record(chosen)))
    show_where(models.detectors[chosen], seen, answer)
    st.subheader("What all models say", anchor=False)
    st.selectbox("Model that is shown above", list(answers), key="model")
    st.table(
        pd.DataFrame(
            {
                "answer": [VERDICTS[one.answer] for one in answers.values()],
                "p_fake": [f"{one.p_fake:.3f}" for one in answers.values()],
            },
            index=pd.Index(answers, name="model"),
        )
    )
    st.write(
        "`p_fake` runs from 0, like photographs, to 1, like AI-generated pictures. It is a "
        "probability for pictures like those that the model learned from, and for no others."
    )


def show_where(detector: Detector, seen: Views, answer: Answer) -> None:
    """Show what the model saw of a picture, and where it found what speaks for its answer."""
    st.subheader("Where the model looked", anchor=False)
    shown, heat = detector.heat(seen, answer)
    side = SIDES[answer.leaning]
    figures(
        (enlarged(shown), "The picture as the model saw it", "What the model saw"),
        (
            enlarged(overlay(shown, heat)),
            f"The same under colours that show what speaks for {side}",
            f"What in it speaks for {side}: <span>nothing {_img(scale(), '', 'scale')} most</span>",
        ),
    )


def figures(*of: tuple[Image.Image, str, str]) -> None:
    """Show pictures side by side, each with a text for who cannot see it, and its caption.

    Streamlit's own pictures have no such text.
    """
    parts = [
        f"<figure>{_img(picture, text)}<figcaption>{caption}</figcaption></figure>"
        for picture, text, caption in of
    ]
    st.html(f'<div class="figures">{"".join(parts)}</div>')


def _img(picture: Image.Image, text: str, kind: str = "") -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="{kind}" alt="{html.escape(text)}" src="data:image/png;base64,{data}">'


def main() -> None:
    st.set_page_config(page_title=TITLE, layout="centered")
    st.html(STYLE)
    st.title(TITLE, anchor=False)
    try:
        models = load()
    except InputError as error:
        st.error(str(error))
        return
    uploads = st.file_uploader(
        "Pictures; they stay on this machine, and are not stored", KINDS, accept_multiple_files=True
    )
    if not uploads:
        return
    st.session_state.setdefault("model", models.best)
    chosen = st.session_state["model"]
    with st.spinner("Looking …"):
        names = [upload.name for upload in uploads]
        seen = seen_of(uploads, models.preprocess)
        rows = rows_by(models.detectors[chosen], names, seen)
    number = 0
    if len(uploads) > 1:
        show_all(rows)
        number = st.selectbox(
            "Look closer at", range(len(uploads)), format_func=lambda one: plain(names[one])
        )
    closer = seen[number]
    if isinstance(closer, str):
        st.error(f"{plain(names[number])}: {closer}")
    else:
        show(plain(names[number]), uploads[number].getvalue(), closer, models, chosen)


main()
