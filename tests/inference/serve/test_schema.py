"""The description of the service, fuzzed: what it promises is what it answers, and nothing makes it fail."""

import os

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("STT_FUZZ_EXAMPLES", "20")) * 5
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def described(client: TestClient) -> object:
    return schemathesis.openapi.from_asgi("/openapi.json", client.app)


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case, client: TestClient) -> None:
    response = case.call(session=client)
    case.validate_response(response, checks=CHECKS)
    if response.status_code >= 400 and case.path.startswith("/v1/"):
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
