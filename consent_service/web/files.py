"""Files that come in with a form and go out as a download.

A request is held in memory, so that nothing of it lies on the disk unencrypted; which doors take more than the few
kilobytes of a form stands here. What goes out is never shown by the browser.
"""

from io import BytesIO
from typing import IO

from flask import Request, Response, send_file

from consent_service.register import customer_file, document_files
from consent_service.web import policy

# By endpoint. A file that is only a little too large is still read, so that its form can say so beside the field.
LARGEST_BODIES = {
    "console.customer_documents.add": 2 * document_files.LARGEST_FILE,
    "console.customer_imports.add": 2 * customer_file.LARGEST_FILE,
}


class FileRequest(Request):
    """A request whose files stay in memory; beyond half a megabyte they would lie in a temporary file otherwise."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return BytesIO()


def download(content: bytes, name: str, media_type: str) -> Response:
    """Return a file for the person to keep, under its own name (RFC 6266, RFC 8187)."""
    response = send_file(
        BytesIO(content), media_type, as_attachment=True, download_name=name, conditional=False, etag=False
    )
    response.headers["Content-Security-Policy"] = policy.DOWNLOAD
    return response
