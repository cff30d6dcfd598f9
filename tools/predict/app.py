"""The page of `make app`: drop an image, see what each model makes of it.

The server listens on this machine alone, and keeps an upload in memory until the page is closed;
.streamlit/config.toml says how large one may be, `decode.max_pixels` of params.yaml how many
pixels it may have.
"""

from typing import NamedTuple

import pandas as pd
import streamlit as st
from starlette.formparsers import MultiPartParser

from stages.common.command import InputError
from stages.common.params import read_block
from stages.images.pixels import UnreadableImageError, decode, require_size
from stages.images.schema import DecodeParams
from stages.networks.runtime import tf
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from tools.predict.detector import Detector, best_on_validation, trained_variants
from tools.predict.pictures import views
from tools.predict.rows import caveat, in_words

PREVIEW = (512, 512)  # the most pixels of an upload that are sent back, width and height

# The server under Streamlit would write an upload of more than 1 MB to a temporary file.
MultiPartParser.spool_max_size = 2**40


class Models(NamedTuple):
    """All that stays the same from one image to the next."""

    preprocess: Preprocess
    detectors: dict[str, Detector]
    best: str


@st.cache_resource(show_spinner="Loading the models …")
def load() -> Models:
    """Return all trained models; the best one on validation is shown first."""
    preprocess = Preprocess(
        read_block("preprocess", PreprocessParams), read_block("decode", DecodeParams)
    )
    tf.get_logger().setLevel("ERROR")  # it takes several networks for one that is traced anew
    detectors = {variant: Detector(variant, preprocess) for variant in trained_variants()}
    return Models(preprocess, detectors, best_on_validation(list(detectors)))


def show(name: str, data: bytes, models: Models) -> None:
    """Show what the models make of the image file `data`, which is called `name`.

    Raises:
        UnreadableImageError: it is none.
    """
    seen = views(data, models.preprocess)
    answers = {each: one.answers([seen])[0] for each, one in models.detectors.items()}
    chosen = st.selectbox(
        "Model", list(answers), index=list(answers).index(models.best), key="model"
    )
    detector, answer = models.detectors[chosen], answers[chosen]

    left, right = st.columns(2)
    image = decode(data, models.preprocess.decoding).rgb
    image.thumbnail(PREVIEW)
    left.image(image, caption=f"{seen.width}x{seen.height} pixels")
    right.header(in_words(answer.answer, answer.why))
    right.progress(answer.p_fake, text=f"p_fake {answer.p_fake:.3f}; {detector.limits()}")
    if answer.views_disagree:
        right.warning("Some views of the image speak for REAL, others for FAKE.")
    st.image(
        detector.explain(name, seen, answer),
        caption="What the model saw, and where it found what speaks for its answer (Grad-CAM)",
    )
    st.subheader("All models")
    st.table(
        pd.DataFrame(
            {
                "answer": [one.answer for one in answers.values()],
                "why": [one.why for one in answers.values()],
                "p_fake": [f"{one.p_fake:.3f}" for one in answers.values()],
                "views": [one.views for one in answers.values()],
            },
            index=pd.Index(answers, name="model"),
        )
    )


def main() -> None:
    st.set_page_config(page_title="Photograph or AI-generated?", layout="centered")
    st.title("Photograph or AI-generated?")
    try:
        models = load()
    except InputError as error:
        st.error(str(error))
        return
    upload = st.file_uploader(
        "An image; it stays on this machine, and is not stored",
        type=["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic"],
    )
    if upload is not None:
        try:
            require_size(upload.size, models.preprocess.decoding)
            show(upload.name, upload.getvalue(), models)
        except UnreadableImageError as problem:
            st.error(f"{upload.name}: {problem}")
    st.caption(caveat(models.preprocess))


main()
