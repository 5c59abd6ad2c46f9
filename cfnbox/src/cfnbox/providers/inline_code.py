"""Inline code of Lambda functions (Code.ZipFile), packaged with the module that responds to custom resources.

Source: "cfn-response module" in the CloudFormation user guide: the module exists only for Code.ZipFile, as
`cfnresponse` for Python and `cfn-response` for Node.js.
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


# File suffixes of inline code by language ("Code" in the template reference). The file name is `index`.
_SUFFIXES = {"python": ".py", "nodejs": ".js"}
# A fixed timestamp, so that the same code has the same digest.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def package(properties: Json) -> bytes | None:
    """Return the ZIP file of a function with inline code, or None for other functions."""
    source = properties.get("Code", {}).get("ZipFile")
    if not isinstance(source, str):
        return None
    runtime = str(properties.get("Runtime", ""))
    suffix = next((suffix for name, suffix in _SUFFIXES.items() if runtime.startswith(name)), "")
    files = {f"index{suffix}": source}
    if suffix == ".py" and "cfnresponse" in source:
        files["cfnresponse.py"] = _PYTHON.read_text()
    if suffix == ".js" and "cfn-response" in source:
        files["node_modules/cfn-response/index.js"] = _NODE
    return _zip(files)


def _zip(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIMESTAMP), content)
    return packed.getvalue()
