"""A stand-in of the HTTP interface of the Hugging Face Hub: repositories in memory, on 127.0.0.1 only."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_stand_in"


class Hub:
    """The repositories: for each its commits, newest last, each a dictionary of files."""

    def __init__(self):
        self.repositories = {}
        self.private = {}
        self.blobs = {}
        self.requests = []
        self.listed_sizes = {}
        """Sizes that the hub lists in place of the true ones, by file name."""

    def commit(self, repository, files):
        """Add a commit with these files; its name."""
        commits = self.repositories.setdefault(repository, {})
        number = hashlib.sha1(f"{repository} {len(commits)}".encode()).hexdigest()
        commits[number] = dict(files)
        return number

    def resolve(self, repository, revision):
        commits = self.repositories.get(repository) or {}
        name = list(commits)[-1] if commits and revision in (None, "main") else revision
        return (name, commits[name]) if name in commits else (None, None)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments):
        """Print nothing."""

    def answer(self, content, status=200, **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def missing(self, code="RepoNotFound"):
        self.answer({"error": "not found"}, 404, X_Error_Code=code)

    def handle_any(self):
        body = self.body()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("User-Agent", "")))
        for methods, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in methods:
                answer(self, body, *found.groups())
                return
        self.missing()

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while length := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def allowed(self):
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.answer({"error": "Invalid username or password."}, 401)
        return False

    def create(self, body):
        if not self.allowed():
            return
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if name in self.hub.repositories:
            self.answer({"error": "exists", "url": f"{self.address}/{name}"}, 409)
            return
        self.hub.private[name] = asked.get("private") is True or asked.get("visibility") == "private"
        self.hub.commit(name, {".gitattributes": b""})
        self.answer({"url": f"{self.address}/{name}", "name": name})

    @property
    def address(self):
        return f"http://{self.headers['Host']}"

    def validate(self, body):
        self.answer({"errors": [], "warnings": []})

    def preupload(self, body, repository):
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".onnx")) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self.answer({"files": files})

    def batch(self, body, repository):
        objects = [
            {**thing, "actions": {"upload": {"href": f"{self.address}/blob/{thing['oid']}", "header": {}}}}
            for thing in json.loads(body)["objects"]
        ]
        self.answer({"transfer": "basic", "objects": objects})

    def blob(self, body, oid):
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.blobs[oid] = body
        self.answer({})

    def add_commit(self, body, repository):
        if not self.allowed():
            return
        _, files = self.hub.resolve(repository, None)
        files = dict(files or {})
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        number = self.hub.commit(repository, files)
        self.answer({"commitOid": number, "commitUrl": f"{self.address}/{repository}/commit/{number}", "success": True})

    def info(self, body, repository, revision=None):
        number, files = self.hub.resolve(repository, revision)
        private = self.hub.private.get(repository, False)
        if private and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            number, repository = None, ""
        if number is None:
            self.missing("RevisionNotFound" if repository in self.hub.repositories else "RepoNotFound")
            return
        siblings = [
            {"rfilename": name, "size": self.hub.listed_sizes.get(name, len(content))}
            for name, content in files.items()
        ]
        self.answer({"id": repository, "sha": number, "private": private, "siblings": siblings})

    def tree(self, body, repository, revision):
        _, files = self.hub.resolve(repository, revision)
        self.answer([{"type": "file", "path": name, "size": len(files[name]), "oid": "0"} for name in files])

    def file(self, body, repository, revision, name):
        number, files = self.hub.resolve(repository, revision)
        if number is None or name not in files:
            self.missing("EntryNotFound")
            return
        etag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
        self.answer(files[name], ETag=etag, X_Repo_Commit=number, Accept_Ranges="bytes")


ROUTES = (
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.validate),
    ("POST", r"/api/models/([^/]+/[^/]+)/preupload/main", Handler.preupload),
    ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", r"/blob/([0-9a-f]{64})", Handler.blob),
    ("POST", r"/api/models/([^/]+/[^/]+)/commit/main", Handler.add_commit),
    ("GET", r"/api/models/([^/]+/[^/]+)/revision/(.+)", Handler.info),
    ("GET", r"/api/models/([^/]+/[^/]+)", Handler.info),
    ("GET", r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", Handler.tree),
    ("GET HEAD", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", Handler.file),
)


@contextlib.contextmanager
def serve_hub():
    """Context with a :class:`Hub` and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
