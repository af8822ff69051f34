"""Which images Lambda takes, and when."""

from __future__ import annotations

import pytest

from tests.strict.conftest import REGISTRY, REPOSITORY, Behind, Bench, refused
from tests.support.strict import VirtualClock
from tests.support.strict.images import Images


@pytest.fixture
def bench(behind: Behind) -> Bench:
    clock = VirtualClock()
    made = behind(Images(clock=clock.now, visible=2), clock=clock)
    made.client("ecr").create_repository(repositoryName=REPOSITORY)
    return made


def invalid(text: str) -> tuple[int, str, str]:
    return 400, "InvalidParameterValueException", text


def test_an_image_just_pushed_is_not_there_yet(bench: Bench) -> None:
    digest = bench.push("v1")
    for uri in (f"{REGISTRY}:v1", f"{REGISTRY}@{digest}"):
        absent = invalid(f"Source image {uri} does not exist. Provide a valid source image.")
        assert refused(bench.function, Code={"ImageUri": uri}) == absent
    bench.clock.sleep(2)
    bench.function(Code={"ImageUri": f"{REGISTRY}@{digest}"})
    bench.client("lambda").update_function_code(FunctionName="f", ImageUri=f"{REGISTRY}:v1")


def test_an_image_that_is_not_in_the_registry_is_refused(bench: Bench) -> None:
    bench.push("v1")
    bench.clock.sleep(2)
    bench.function(Code={"ImageUri": f"{REGISTRY}:v1"})
    update = bench.client("lambda").update_function_code
    for uri in (f"{REGISTRY}:v2", f"{REGISTRY}@sha256:{'5' * 64}", REGISTRY.replace("main", "other") + ":v1"):
        absent = invalid(f"Source image {uri} does not exist. Provide a valid source image.")
        assert refused(bench.function, name="g", Code={"ImageUri": uri}) == absent
        assert refused(update, FunctionName="f", ImageUri=uri) == absent


@pytest.mark.parametrize(
    "uri", ["docker.io/library/debian:13", REGISTRY, REGISTRY.replace("us-east-1", "eu-west-1") + ":v1"]
)
def test_an_image_from_elsewhere_is_refused(bench: Bench, uri: str) -> None:
    wrong = invalid(f"Source image {uri} is not valid. Provide a valid source image.")
    assert refused(bench.function, Code={"ImageUri": uri}) == wrong


@pytest.mark.parametrize(
    "manifest",
    [
        {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []},
        {"config": {"mediaType": "application/vnd.example+json", "digest": "sha256:" + "2" * 64, "size": 1}},
        {
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
                    "digest": "sha256:" + "3" * 64,
                    "size": 1,
                }
            ]
        },
    ],
    ids=["index", "config", "zstd"],
)
def test_a_form_that_lambda_does_not_know_is_refused(bench: Bench, manifest: dict[str, object]) -> None:
    bench.push("v1", **manifest)
    bench.clock.sleep(2)
    uri = f"{REGISTRY}:v1"
    assert refused(bench.function, Code={"ImageUri": uri}) == invalid(
        f"The image manifest, config or layer media type for the source image {uri} is not supported."
    )
