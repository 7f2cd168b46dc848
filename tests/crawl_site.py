"""Sites to crawl, and servers for them, all on loopback. Used by the parts of crawl_test.py and by bench/crawl_compare.py."""

import hashlib
import pathlib
import random
import shutil
import socket
import subprocess
import time
import urllib.request

from example_servers import Failed


class Site:
    """A folder of linked pages: `pages` is what can be reached from "/", address (path) to content; there is more in the folder."""

    def __init__(self, root, size, seed=1):
        self.root = pathlib.Path(root)
        self.pages = {}
        rnd = random.Random(seed)
        for number in range(size):
            # Each page is linked from the one a third of its number, so that all are reached; the other links go anywhere.
            linked = [n for n in range(3 * number + 1, 3 * number + 4) if n < size]
            anywhere = [rnd.randrange(size) for _ in range(12)]
            links = [self.link(number, n) for n in linked + anywhere]
            text = "".join(f'<p>{rnd.getrandbits(320):x} <a href="{link}">{link}</a></p>\n' for link in links)
            self.add(self.address(number), f"<!doctype html>\n<title>{number}</title>\n{text}".encode())
            if number % 20 == 7:
                self.add(f"/files/{number}.bin", rnd.randbytes(rnd.randrange(40000)))
        for number in range(size // 50):
            self.write(f"/orphans/{number}.html", b"nobody links to this")

    @staticmethod
    def address(number):
        if number == 0:
            return "/"
        if number % 31 == 0:
            return f"/dir{number}/"  # its index.html
        return f"/d{number % 97}/page {number}.html" if number % 29 == 0 else f"/d{number % 97}/p{number}.html"

    def link(self, source, target):
        """The address as a page would have it, in one of many ways."""
        address = self.address(target).replace(" ", "%20")
        if target % 20 == 7 and source % 2 == 0:
            return f"/files/{target}.bin"
        if target % 5 == 1:
            return address + "#part"
        if target % 5 == 2 and source:
            return "../x/.." + address
        return address

    def write(self, address, content):
        path = self.root / (address + "index.html" if address.endswith("/") else address).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def add(self, address, content):
        self.write(address, content)
        self.pages[address.replace(" ", "%20")] = hashlib.sha256(content).hexdigest()

    def forget_unlinked(self):
        """Leaves in `pages` only what links lead to."""
        import html.parser

        class Links(html.parser.HTMLParser):
            def __init__(self):
                super().__init__()
                self.found = []

            def handle_starttag(self, tag, attributes):
                self.found += [value for name, value in attributes if name == "href"]

        reached, new = {"/"}, ["/"]
        while new:
            address = new.pop()
            if not address.endswith(".bin"):
                links = Links()
                name = urllib.request.unquote(address)
                links.feed((self.root / (name + "index.html" if name.endswith("/") else name).lstrip("/")).read_text())
                for link in links.found:
                    link = link.split("#")[0].replace("../x/..", "")
                    if link not in reached:
                        reached.add(link)
                        new.append(link)
        self.pages = {address: content for address, content in self.pages.items() if address in reached}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    log_format requests '$request_uri $server_protocol'; access_log {dir}/access.log requests;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
    types {{ text/html html; text/plain txt; }} default_type application/octet-stream;
    sendfile on; keepalive_requests 1000000; gzip {gzip}; gzip_min_length 1; root {root};
    server {{ listen 127.0.0.1:{port}{tls}; }}
}}
"""


class Nginx:
    """nginx with a configuration of its own, as long as the `with` lasts. `requests()`: the paths that were asked for."""

    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

    def __init__(self, root, work, tls="", gzip="off"):
        self.work = pathlib.Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        config = self.work / "nginx.conf"
        config.write_text(NGINX.format(dir=self.work, root=root, port=self.port, tls=tls, gzip=gzip))
        self.process = subprocess.Popen([self.program, "-p", self.work, "-c", config], stderr=subprocess.PIPE, text=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        deadline = time.monotonic() + 300
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"nginx did not start: {self.process.communicate()}")
                time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def log(self):
        return [line.rsplit(" ", 1) for line in (self.work / "access.log").read_text().splitlines()]

    def requests(self):
        return [path for path, _ in self.log()]


class TestServer:
    """The server of examples/crawl/tests, over the same folder or with pages of its own."""

    def __init__(self, program, work, *args, root=""):
        self.requests_file = pathlib.Path(work) / "requests.log"
        self.requests_file.parent.mkdir(parents=True, exist_ok=True)
        command = [program, "--port", "0", "--log", self.requests_file, *args]
        self.process = subprocess.Popen(command + (["--root", root] if root else []), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on port "):
            raise Failed(f"the test server said {line!r}")
        self.port = int(line.split()[3].rstrip(";"))
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def times_asked_for(self, path):
        return self.requests_file.read_text().splitlines().count(path)

    def requests(self):
        """Ends the server; what it was asked for."""
        self.process.terminate()
        self.last_words, _ = self.process.communicate()
        return self.requests_file.read_text().splitlines()

    def at_a_time(self):
        """Ends the server; how many requests it had under way at most."""
        self.requests()
        return int(self.last_words.rsplit(" ", 1)[1])


def serve(site, work, test_server):
    """nginx, or where there is none the test server."""
    return Nginx(site.root, work) if Nginx.program else TestServer(test_server, work, root=site.root)
