"""Where a client learns its endpoint's key and its worker, and how it is refused."""

import base64
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from vast_intercept.standin.server import StandIn, StandInConfig

from ..conftest import CONFIG, HELLO, Vast

ENDPOINTS = "/api/v0/endptjobs/"

STATUS: dict[str, Any] = {
    "id": 7,
    "mtoken": "demo",
    "version": "0",
    "loadtime": 1.5,
    "max_perf": 100.0,
    "error_msg": "",
    "url": "https://localhost:1234",
}
"""What a worker reports that is ready."""


async def get(vast: Vast, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
    async with vast.session.get(vast.url + path, headers=headers) as response:
        return response, await response.read()


class TestConsole:
    async def test_lists_the_endpoints_each_with_a_key_of_its_own(self, vast: Vast) -> None:
        authorization = f"Bearer {CONFIG.api_key}"
        response, data = await get(vast, f"{ENDPOINTS}?client_id=me", authorization=authorization)
        answer = json.loads(data)
        assert response.content_type == "application/json"
        assert answer["success"] is True
        assert [(each["id"], each["endpoint_name"]) for each in answer["results"]] == [
            (1, "demo"),
            (2, "other"),
        ]
        keys = {each["api_key"] for each in answer["results"]}
        assert len(keys | {CONFIG.api_key}) == 3

    @pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic vast-standin-key"])
    async def test_refuses_other_keys(self, vast: Vast, authorization: str) -> None:
        response, data = await get(vast, ENDPOINTS, authorization=authorization)
        assert response.status == 401
        assert json.loads(data)["success"] is False

    async def test_shows_what_a_worker_costs(self, vast: Vast) -> None:
        path, key = "/api/v0/instances/1/?owner=me", f"Bearer {CONFIG.api_key}"
        shown = json.loads((await get(vast, path, authorization=key))[1])["instances"]
        assert (shown["id"], shown["actual_status"], shown["dph_total"]) == (1, "running", 0.36)
        # What the SDK takes for an instance that there is not.
        unknown = await get(vast, "/api/v0/instances/99/", authorization=key)
        assert json.loads(unknown[1]) == {"instances": None}
        assert (await get(vast, path, authorization="Bearer wrong"))[0].status == 401

    async def test_has_the_root_that_it_was_given(self, tmp_path: Path) -> None:
        root = tmp_path / "root.pem"
        root.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
        config = StandInConfig(root_cert=root)
        async with StandIn(config) as standin, aiohttp.ClientSession() as session:
            vast = Vast(standin.url, session)
            _, data = await get(vast, "/static/jvastai_root.cer")
            assert data == b"-----BEGIN CERTIFICATE-----\n"

    async def test_has_no_root_otherwise(self, vast: Vast) -> None:
        assert (await get(vast, "/static/jvastai_root.cer"))[0].status == 404

    async def test_gives_new_keys(self, vast: Vast) -> None:
        old = await vast.listed()
        new = (await vast.control("PUT", "endpoints/demo/key"))["api_key"]
        assert await vast.listed() == {**old, "demo": new}
        assert new != old["demo"]
        assert (await vast.route(api_key=old["demo"]))["error"]
        assert (await vast.route(api_key=new))["url"]

    async def test_may_keep_a_key_that_is_refused(self, vast: Vast) -> None:
        old = await vast.listed()
        new = (await vast.control("PUT", "endpoints/demo/key?hidden=1"))["api_key"]
        assert await vast.listed() == old
        assert (await vast.route())["error"]
        assert (await vast.route(api_key=new))["url"]


class TestRouter:
    async def test_gives_out_a_worker(self, vast: Vast) -> None:
        route = await vast.route(cost=12.5)
        worker = (await vast.control("GET", "workers"))[0]
        assert route == {
            "url": worker["url"],
            "reqnum": 1,
            "signature": route["signature"],
            "endpoint": "demo",
            "cost": 12.5,
            "request_idx": 1,
            "routed_by": "stand-in",
        }
        assert (await vast.route())["reqnum"] == 2

    async def test_signs_the_url(self, vast: Vast) -> None:
        route = await vast.route()
        key = load_pem_public_key((await get(vast, "/pubkey/"))[1])
        assert isinstance(key, RSAPublicKey)
        assert key.key_size == 2048
        signature = base64.b64decode(route["signature"])
        message = b'{\n    "url": "%b"\n}' % route["url"].encode()
        key.verify(signature, message, PKCS1v15(), SHA256())
        with pytest.raises(InvalidSignature):
            key.verify(signature, message + b" ", PKCS1v15(), SHA256())

    async def test_gives_out_the_workers_in_turn(self) -> None:
        config = StandInConfig(endpoints=("demo", "other"), workers=3)
        async with StandIn(config) as standin, aiohttp.ClientSession() as session:
            vast = Vast(standin.url, session)
            workers = await vast.control("GET", "workers")
            urls = [each["url"] for each in workers]
            assert [each["endpoint"] for each in workers] == ["demo"] * 3 + ["other"] * 3
            assert [(await vast.route())["url"] for _ in range(4)] == [*urls[:3], urls[0]]
            assert (await vast.route("other"))["url"] == urls[3]

    async def test_keeps_the_request_idx_that_it_gave(self, vast: Vast) -> None:
        await vast.control("PUT", "workers/0", state="cold")
        assert await vast.route() == {"request_idx": 1, "status": "waiting for a worker"}
        assert (await vast.route())["request_idx"] == 2
        assert (await vast.route(request_idx=1))["request_idx"] == 1
        await vast.control("PUT", "workers/0", state="ready")
        assert (await vast.route(request_idx=1))["request_idx"] == 1
        assert (await vast.route(request_idx=99))["request_idx"] == 3

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"api_key": "wrong"}, 401),
            ({"api_key": CONFIG.api_key}, 401),
            ({"endpoint": "unknown"}, 404),
            ({"endpoint": None}, 400),
        ],
    )
    async def test_refuses(self, vast: Vast, changes: dict[str, Any], status: int) -> None:
        asked = {"endpoint": "demo", "api_key": (await vast.listed())["demo"], **changes}
        response, data = await vast.post(asked, "/route/")
        assert response.status == status
        assert json.loads(data)["error"]

    async def test_knows_its_paths_for_one_method_only(self, vast: Vast) -> None:
        response, _ = await get(vast, "/route/")
        assert (response.status, response.headers["allow"]) == (405, "POST")
        response, _ = await vast.post({}, "/pubkey/")
        assert (response.status, response.headers["allow"]) == (405, "GET")


class TestRealWorkers:
    """What Vast's PyWorker says to the router, and asks its model server."""

    async def report(self, vast: Vast, **changes: Any) -> int:
        response, _ = await vast.post({**STATUS, **changes}, "/worker_status/")
        return response.status

    async def test_are_given_out_when_they_are_ready(self, vast: Vast) -> None:
        await vast.control("PUT", "workers/0", state="cold")
        assert await self.report(vast, max_perf=0.0) == 200
        assert "url" not in await vast.route()
        for calls, load in enumerate((50.0, 0.0, 500.0), 7):
            status = await self.report(vast, new_load=load, num_requests_recieved=calls)
            assert status == 200
        assert (await vast.route())["url"] == STATUS["url"]
        assert (await vast.control("GET", "workers"))[-1] == {
            "number": None,
            "endpoint": "demo",
            "url": STATUS["url"],
            "state": "registered",
            "listed": True,
            "calls": 9,
            "load": 550,
        }
        assert await self.report(vast, error_msg="no GPU") == 200
        assert "url" not in await vast.route()

    async def test_are_given_out_beside_the_others(self, vast: Vast) -> None:
        await self.report(vast)
        own = (await vast.control("GET", "workers"))[0]["url"]
        assert [(await vast.route())["url"] for _ in range(3)] == [own, STATUS["url"], own]

    async def test_are_forgotten_when_asked(self, vast: Vast) -> None:
        await self.report(vast)
        await vast.control("DELETE", "workers")
        assert len(await vast.control("GET", "workers")) == 2

    async def test_are_bounded(self, vast: Vast) -> None:
        for number in range(1_005):
            await self.report(vast, id=number)
        assert len(await vast.control("GET", "workers")) == 2 + 1_000

    async def test_report_what_cannot_be_read(self, vast: Vast) -> None:
        assert await self.report(vast, id="seven") == 400

    async def test_are_no_calls(self, vast: Vast) -> None:
        await self.report(vast)
        assert (await vast.post({"requests": []}, "/delete_requests/"))[0].status == 200
        response, data = await get(vast, "/health")
        assert (response.status, data) == (200, b"")
        await get(vast, "/pubkey/")
        assert await vast.calls() == []

    @pytest.mark.parametrize("authorization", ["", "Bearer something"])
    async def test_find_their_model_server(self, vast: Vast, authorization: str) -> None:
        body = {"messages": HELLO, "prompt": "a"}
        for operation in ("chat/completions", "completions"):
            bare = await vast.post(
                body, f"/v1/{operation}", authorization=authorization, **{"x-request-id": "abc"}
            )
            usual = await vast.post(body, f"/demo/v1/{operation}", **{"x-request-id": "abc"})
            assert bare[1] == usual[1]
        assert [call["worker"] for call in await vast.calls("path=/v1/completions")] == [None]
