"""Runs `dsk bench` against llama.cpp's server and checks the result against the server's own timings: DSK MODEL."""

import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from statistics import mean
from pathlib import Path

SLOTS = 4
INPUT = 96
OUTPUT = 24
REQUESTS = 12
# What is said of the memory: the predictions rest on it, the calibration makes up for it.
BANDWIDTH = "40"
# The client's clock starts when the first token reaches it, the server's when the prompt is done.
TOLERANCE = 0.15
SLACK = 0.01


class Tap:
    """Passes connections on to the server and keeps what it says of each answer's times."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.answers = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection(self.upstream)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.pump, args=(client, server, None), daemon=True).start()
        answer = bytearray()
        self.pump(server, client, answer)
        times = re.search(rb'"prompt_ms":([0-9.]+).*"predicted_n":(\d+),"predicted_ms":([0-9.]+)', answer)
        if times and int(times[2]) == OUTPUT:
            self.answers.append((float(times[1]) / 1000, float(times[3]) / 1000))

    def wait(self, answers):
        """Until as many were kept: the client is done a moment before the tap is."""
        end = time.monotonic() + 5
        while len(self.answers) < answers and time.monotonic() < end:
            time.sleep(0.01)

    def pump(self, source, sink, kept):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if kept is not None:
                    kept += data
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def bench(dsk, model, url, folder):
    command = [dsk, "bench", model, "--url", url, "--concurrency", "1,4", "--input", str(INPUT)]
    command += ["--requests", str(REQUESTS), "--warmup", "0"]
    command += ["--output-tokens", str(OUTPUT), "--gpu", "this", "--engine", "llama.cpp", "--max-ttft", "60s", "--json"]
    command += ["--ram-bandwidth", BANDWIDTH, "--save", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode:
        sys.exit(f"dsk ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def check_saved(dsk, model, folder, measured):
    """What was saved is what speed says of this machine."""
    command = [dsk, "--catalog", folder, "speed", model, "--gpu", "this", "--json"]
    command += ["--input", str(INPUT), "--output-tokens", str(OUTPUT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    speed = json.loads(done.stdout)
    assert speed["basis"] == "measured", speed
    said = speed["time_per_output_token_seconds"]["value"]
    print(f"  saved and asked again: {said} s per token, {measured} measured")
    assert abs(said / measured - 1) < 0.05, (said, measured)


def check(document, timings):
    assert document["schema"] == "dsk.bench.v1"
    run = document["run"]
    assert run["prompt_length"] == "usage" and not run["interrupted"], run
    assert [level["concurrency"] for level in run["levels"]] == [1, 4]
    for level in run["levels"]:
        assert (level["completed"], level["failed"], level["errors"]) == (REQUESTS, 0, []), level
        assert level["output_tokens"] == REQUESTS * OUTPUT and level["counted_by"] == "usage", level
        assert abs(level["input_tokens"] / (REQUESTS * INPUT) - 1) < 0.2, level["input_tokens"]
        first, token = level["time_to_first_token_seconds"], level["time_per_output_token_seconds"]
        assert 0 < first["min"] <= first["p50"] <= first["p90"] <= first["p99"] <= first["max"], first
        whole = first["mean"] + (OUTPUT - 1) * token["mean"]
        assert abs(level["end_to_end_seconds"]["mean"] / whole - 1) < 1e-6, level
        assert level["goodput_requests_per_second"] == level["requests_per_second"], level
    assert len(timings) == 2 * REQUESTS, len(timings)
    for level, own in zip(run["levels"], (timings[:REQUESTS], timings[REQUESTS:])):
        prompt, rest = mean(time for time, _ in own), mean(time for _, time in own)
        first = level["time_to_first_token_seconds"]["mean"]
        after = level["end_to_end_seconds"]["mean"] - first
        print(f"{level['concurrency']} clients: first token after {first * 1000:.2f} ms, the prompt took the server {prompt * 1000:.2f};")
        print(f"  {OUTPUT} tokens then took {after * 1000:.2f} ms, {rest * 1000:.2f} by the server's clock")
        assert first > prompt * (1 - TOLERANCE) - SLACK, (first, prompt)
        assert abs(after - rest) < rest * TOLERANCE + SLACK, (after, rest)
        prediction = level["prediction"]["time_per_output_token_seconds"]
        said = prediction and prediction["value"]
        token = level["time_per_output_token_seconds"]["mean"]
        print(f"  per token {token} s measured, {said} predicted; {level['prediction']['notes']}")


def main(dsk, model):
    command = [sys.executable, str(Path(__file__).with_name("live_server.py")), model, str(SLOTS), "1024"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().strip().removeprefix("http://")
        host, port = address.rsplit(":", 1)
        tap = Tap((host, int(port)))
        with tempfile.TemporaryDirectory() as folder:
            document = bench(dsk, model, tap.url, folder)
            alone = document["run"]["levels"][0]["time_per_output_token_seconds"]["mean"]
            check_saved(dsk, model, folder, alone)
        server.stdin.close()
        tap.wait(2 * REQUESTS)
        check(document, tap.answers)
    print("live: 1 passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
