"""Functions whose code stands in the template, with the module beside it that answers custom resources.

Source: "cfn-response module" in the CloudFormation user guide: it is there for Code.ZipFile alone, as `cfnresponse`
for Python and `cfn-response` for Node.js.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cfnbox.core.paths import Json

_PYTHON = Path(__file__).with_name("cfnresponse.py")
_NODE = """\
exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = (event, context, responseStatus, responseData, physicalResourceId, noEcho) => {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: `See the details in CloudWatch Log Stream: ${context.logStreamName}`,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  const url = new URL(event.ResponseURL);
  const transport = require(url.protocol === "https:" ? "https" : "http");
  const headers = { "content-type": "", "content-length": Buffer.byteLength(body) };
  const request = transport.request(url, { method: "PUT", headers }, () => context.done());
  request.on("error", (problem) => {
    console.log(`The answer could not be sent: ${problem}`);
    context.done();
  });
  request.end(body);
};
"""


def package(properties: Json) -> bytes | None:
    """The zip of a function with inline code that asks for the module; None for all others."""
    source = properties.get("Code", {}).get("ZipFile")
    runtime = str(properties.get("Runtime", ""))
    if not isinstance(source, str):
        return None
    module = str(properties.get("Handler", "index.handler")).partition(".")[0]
    if runtime.startswith("python") and "cfnresponse" in source:
        return _zip({f"{module}.py": source, "cfnresponse.py": _PYTHON.read_text()})
    if runtime.startswith("nodejs") and "cfn-response" in source:
        return _zip({f"{module}.js": source, "node_modules/cfn-response/index.js": _NODE})
    return None


def _zip(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
