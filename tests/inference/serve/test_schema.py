"""The description of the service, fuzzed: what it promises is what it answers, and nothing makes it fail."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.inference.serve.conftest import Open

EXAMPLES = int(os.environ.get("STT_FUZZ_EXAMPLES", "20")) * 3
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.slow
def test_every_answer_is_as_described(open_service: Open) -> None:
    with open_service() as address:
        operations = [one.ok() for one in schemathesis.openapi.from_url(f"{address}/openapi.json").get_all_operations()]
        paths = ["/", "/health", "/v1/models", "/v1/models/{name}", "/v1/audio/transcriptions"]
        assert [one.path for one in operations] == paths
        for operation in operations:

            @given(case=operation.as_strategy())
            @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            def check(case: schemathesis.Case) -> None:
                response = case.call()
                case.validate_response(response, checks=CHECKS)
                if response.status_code >= 400 and case.path.startswith("/v1/"):
                    assert set(response.json()["error"]) == {"message", "type", "param", "code"}

            check()
