"""Storage that several machines share, for tests: a folder, or a bucket of a local S3 server."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

MISSING = "no local S3 server: pip install 'moto[s3]' flask flask-cors"


class SharedDisk:
    """A folder, reached as ``file://``."""

    def __init__(self, folder: Path):
        self.uri = (folder / "scored.parquet").as_uri()
        self._output = folder / "scored.parquet"

    def names(self):
        """Return the names of all files in the output, sorted."""
        return sorted(os.listdir(self._output)) if self._output.exists() else []

    def read(self, name):
        return (self._output / name).read_bytes()

    def write(self, name, content):
        self._output.mkdir(exist_ok=True)
        (self._output / name).write_bytes(content)

    def remove(self, name):
        (self._output / name).unlink()


class Bucket:
    """A bucket, reached through boto3 and thus not through the library under test."""

    def __init__(self, client, name):
        client.create_bucket(Bucket=name)
        self.uri = f"s3://{name}/some/scored.parquet"
        self._client, self._bucket = client, name

    def names(self):
        listing = self._client.list_objects_v2(Bucket=self._bucket, Prefix="some/scored.parquet/")
        return sorted(each["Key"].rpartition("/")[2] for each in listing.get("Contents", []))

    def read(self, name):
        return self._client.get_object(**self._key(name))["Body"].read()

    def write(self, name, content):
        self._client.put_object(**self._key(name), Body=content)

    def remove(self, name):
        self._client.delete_object(**self._key(name))

    def _key(self, name):
        return {"Bucket": self._bucket, "Key": f"some/scored.parquet/{name}"}


@contextmanager
def s3_server():
    """Start an S3 server; yields a client for it, or None if moto is not installed.

    Inside the block, environment variables lead ``pyarrow.fs`` to it, also in processes that are started there.
    """
    try:
        import boto3
        from moto.server import ThreadedMotoServer
    except ImportError:
        yield None
        return
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    try:
        yield boto3.client("s3")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.stop()
