"""A small HTTP server for the tests of downloads: server.py FOLDER serves FOLDER on 127.0.0.1 and prints its port.

The first part of a path says how the server behaves; what follows is the file:
    /good/      answers ranges, as a server should          /whole/   ignores ranges
    /cut/       closes the connection after half of what is asked for
    /garbage/   sends a page of text                         /moved/   redirects to /good/
    /endless/   claims nothing and sends 2 MB                /silent/  answers nothing
    /missing/   404
Each request is written to FOLDER/requests as a line "PATH RANGE".
"""
import http.server
import os
import sys
import time

folder = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def send(self, status, body, extra=(), length=None):
        self.send_response(status)
        for name, value in extra:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        wanted = self.headers.get("Range", "-")
        with open(os.path.join(folder, "requests"), "a") as log:
            log.write(f"{self.path} {wanted}\n")
        _, mode, rest = self.path.split("/", 2)
        if mode == "silent":
            time.sleep(20)
            self.close_connection = True
            return
        if mode == "moved":
            self.send(302, b"", [("Location", "/good/" + rest)])
            return
        if mode == "garbage":
            self.send(200, b"<html>Please log in to this network</html>")
            return
        if mode == "endless":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * (1 << 21))
            self.close_connection = True
            return
        path = os.path.join(folder, rest)
        if mode == "missing" or not os.path.isfile(path):
            self.send(404, b"not here")
            return
        with open(path, "rb") as file:
            body = file.read()
        status, extra = 200, []
        if mode != "whole" and wanted.startswith("bytes="):
            first = int(wanted[6:].split("-")[0])
            if first >= len(body):
                self.send(416, b"", [("Content-Range", f"bytes */{len(body)}")])
                return
            extra = [("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")]
            body, status = body[first:], 206
        if mode == "cut":
            self.send(status, body[: len(body) // 2], extra, len(body))
            self.close_connection = True
            return
        self.send(status, body, extra)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
