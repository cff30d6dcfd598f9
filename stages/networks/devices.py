"""What a network is computed with, as far as it decides the bytes that come out."""

from typing import Literal

from pydantic import Field

InstructionSet = Literal["SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "AVX512_CORE_FP16"]
"""Of oneDNN, https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html."""

INSTRUCTION_SET = Field(
    description="newest instructions of an x86 processor to use; null: the newest that it has, "
    "and so other sums on another processor"
)
THREADS = Field(
    ge=1, le=1024, description="threads of an operation; another number gives other sums"
)
