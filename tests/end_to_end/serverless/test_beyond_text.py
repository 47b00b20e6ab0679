"""Embeddings, speech and transcriptions with Vast's real PyWorker, whose template lists them.

And what the worker counts as its load, also of a chat.
"""

import base64
import json
import random
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from hashlib import sha256
from typing import Any

import openai
import pytest
import requests

from ... import harness
from ...harness import APP_KEY, VAST_KEY, Certificates, StandIn, error_of
from ..pyworker import PyWorker
from .routed import ask_worker, routed

# The first use of the PyWorker installs it.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("serverless")]

API = "https://api.openai.com"
CHAT = "/v1/chat/completions"
EMBEDDINGS, SPEECH = "/v1/embeddings", "/v1/audio/speech"
TRANSCRIPTIONS, RERANK = "/v1/audio/transcriptions", "/v1/rerank"
TEXT = "The trains to the coast leave every hour."
BYTES = random.Random(1).randbytes(2_000_000)


def transcribe(name: str = "talk.mp3", data: bytes = BYTES, **fields: str) -> requests.Response:
    """What an app does that knows neither proxies nor Vast."""
    return requests.post(
        API + TRANSCRIPTIONS,
        data={"model": "whisper-1", **fields},
        files={"file": (name, data, "audio/mpeg")},
        headers={"authorization": f"Bearer {APP_KEY}"},
        timeout=60,
    )


def post(path: str, **body: Any) -> requests.Response:
    headers = {"authorization": f"Bearer {APP_KEY}"}
    return requests.post(API + path, json={"model": "m", **body}, headers=headers, timeout=60)


def cost_told(vast: StandIn) -> float:
    """The cost of the one call that the router was asked for."""
    (asked,) = vast.calls(path="/route/")
    return float(json.loads(harness.body_of(asked))["cost"])


class TestEmbeddings:
    def test_both_encodings_hold_the_same_numbers(self) -> None:
        with openai.OpenAI(max_retries=0) as client:
            ask = partial(
                client.embeddings.create, model="text-embedding-3-small", input=[TEXT, "x"]
            )
            encoded, floats = ask(), ask(encoding_format="float")
        assert [item.embedding for item in encoded.data] == [item.embedding for item in floats.data]
        assert len(floats.data[0].embedding) == 384

    def test_base64_reaches_the_app_that_asks_for_it(self) -> None:
        plain, encoded = (
            post(EMBEDDINGS, input=TEXT, encoding_format=each).json()["data"][0]["embedding"]
            for each in ("float", "base64")
        )
        assert array("f", base64.b64decode(encoded)).tolist() == plain

    def test_neither_key_reaches_the_model_server(self, vast: StandIn) -> None:
        assert post(EMBEDDINGS, input=TEXT, dimensions=8).status_code == 200
        (received,) = vast.calls(path=EMBEDDINGS)
        body = json.loads(harness.body_of(received))
        assert (body["input"], body["dimensions"]) == (TEXT, 8)
        assert not {APP_KEY, VAST_KEY} & set(str(received["headers"]).split())


class TestTranscriptions:
    def test_every_byte_arrives(self) -> None:
        answer = transcribe(language="de")
        assert answer.status_code == 200, answer.text
        text = answer.json()["text"]
        assert f"talk.mp3, audio/mpeg, {len(BYTES)} bytes" in text
        assert sha256(BYTES).hexdigest() in text
        assert text.endswith("Language: de.")

    def test_the_openai_package_transcribes_a_file(self) -> None:
        with openai.OpenAI(max_retries=0) as client:
            answer = client.audio.transcriptions.create(
                model="whisper-1", file=("talk.mp3", BYTES), response_format="verbose_json"
            )
        assert sha256(BYTES).hexdigest() in answer.text
        assert answer.segments

    def test_what_the_worker_refuses_is_an_error_of_openais(
        self, vast: StandIn, worker: PyWorker, worker_certs: Certificates
    ) -> None:
        """A FLAC is served, and M4A is not by this worker."""
        payload = {"file": base64.b64encode(b"x").decode(), "filename": "talk.m4a"}
        straight = ask_worker(worker, TRANSCRIPTIONS, routed(vast), payload, worker_certs.ca)
        message = "unsupported file type 'm4a'"
        assert straight.status_code == 422
        assert straight.json() == {"payload": {"filename": message}}
        answer = transcribe("talk.m4a")
        assert answer.status_code == 400, answer.text
        error = error_of(answer)
        assert (error["code"], error["param"]) == ("invalid_value", "file")
        assert message in error["message"]


class TestSpeech:
    def test_a_whole_one_is_byte_for_byte_the_model_servers(self, vast: StandIn) -> None:
        body = {"model": "", "input": TEXT, "voice": "alloy", "response_format": "wav"}
        answer = post(SPEECH, **body)
        straight = vast._session.post(vast.url + SPEECH, json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.content == straight.content

    def test_the_next_piece_is_made_only_after_the_last_was_heard(self, vast: StandIn) -> None:
        """No clock: the model server waits for the word of the app before every piece."""
        pieces = []
        with (
            openai.OpenAI(max_retries=0) as client,
            client.audio.speech.with_streaming_response.create(
                model="tts-1",
                input=TEXT,
                voice="alloy",
                response_format="wav",
                extra_body={"stream_format": "audio", "standin": {"gate": "speech", "chunks": 5}},
            ) as answer,
        ):
            for piece in answer.iter_bytes():
                pieces.append(piece)
                vast.open_gate("speech")
        assert len(pieces) == 5
        straight = vast._session.post(vast.url + SPEECH, json={"input": TEXT}, timeout=60)
        assert b"".join(pieces) == straight.content


class TestLoad:
    """The autoscaler sees the same work as the router was told (FACTS V34)."""

    def test_of_a_chat_that_limits_its_tokens_by_the_new_name(
        self, vast: StandIn, worker: PyWorker
    ) -> None:
        before = worker.reported_load()
        body = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": None}
        assert post(CHAT, max_completion_tokens=33, **body).status_code == 200
        assert worker.reported_load() - before == cost_told(vast) == 33

    def test_of_embeddings(self, vast: StandIn, worker: PyWorker) -> None:
        before = worker.reported_load()
        assert post(EMBEDDINGS, input=[TEXT * 20, "héllo", "x" * 77]).status_code == 200
        assert worker.reported_load() - before == pytest.approx(cost_told(vast))

    def test_of_tokens(self, vast: StandIn, worker: PyWorker) -> None:
        before = worker.reported_load()
        assert post(EMBEDDINGS, input=[[1, 2, 3] * 70, [4]]).status_code == 200
        assert worker.reported_load() - before == pytest.approx(cost_told(vast))

    def test_of_speech(self, vast: StandIn, worker: PyWorker) -> None:
        before = worker.reported_load()
        assert post(SPEECH, input=TEXT * 9, voice="alloy").status_code == 200
        assert worker.reported_load() - before == pytest.approx(cost_told(vast))

    def test_of_a_wav(self, vast: StandIn, worker: PyWorker) -> None:
        speech = vast._session.post(vast.url + SPEECH, json={"input": "x" * 400}, timeout=60)
        vast.forget_calls()
        before = worker.reported_load()
        assert transcribe("talk.wav", speech.content).status_code == 200
        assert worker.reported_load() - before == pytest.approx(cost_told(vast))


class TestWhatTheWorkerDoesNotServe:
    def test_is_aiohttps_own_404(
        self, vast: StandIn, worker: PyWorker, worker_certs: Certificates
    ) -> None:
        straight = ask_worker(worker, RERANK, routed(vast), {"query": "x"}, worker_certs.ca)
        assert (straight.status_code, straight.text) == (404, "404: Not Found")

    def test_is_an_error_that_says_so(self) -> None:
        answer = post(RERANK, query="x", documents=["y"])
        assert answer.status_code == 502
        error = error_of(answer)
        assert error["code"] == "operation_not_served"
        assert f"endpoints.{harness.ENDPOINT}.serves" in error["message"]

    def test_a_chat_that_a_route_leads_to_an_embedder_is_one(
        self, start_worker: Callable[..., AbstractContextManager[PyWorker]]
    ) -> None:
        """It lists completions as well: it measures itself with them."""
        with start_worker(endpoint="big-one", number=3, routes=("/v1/completions", EMBEDDINGS)):
            answer = post(CHAT, model="gpt-4o", messages=[{"role": "user", "content": TEXT}])
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (502, "operation_not_served")
        assert "'big-one' does not serve chat/completions" in error["message"]
        assert "The route for the model 'gpt-4*'" in error["message"]
