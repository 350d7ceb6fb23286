"""Sends a folder of JPEG files to a frame-worker as JSON text (docs/json-protocol.md) and prints each result as a line.

    python client.py http://127.0.0.1:8090 FOLDER

Exit codes: 0 the worker answered the end and every result is there, 1 not, 77 this machine has no address for ICE.
"""

import argparse
import asyncio
import base64
import json
import sys
import urllib.request
from pathlib import Path

from aiortc import RTCPeerConnection, RTCSessionDescription

# In base64 and with what is around it, well below the 64 KiB that every peer takes.
CHUNK_BYTES = 3000
NO_ADDRESS = 77


class Client:
    """The two channels, and what came on them."""

    def __init__(self, connection):
        self.frames = connection.createDataChannel("upstream_frames")
        self.inference = connection.createDataChannel("inference")
        self.under_way = set()
        self.window = 64
        self.results = 0
        self.end = None
        self.changed = asyncio.Event()
        for channel in (self.frames, self.inference):
            channel.on("open", self.changed.set)
        self.frames.on("message", self.on_reply)
        self.inference.on("message", self.on_result)

    def on_reply(self, text):
        reply = json.loads(text)
        if reply["type"] == "frame_ack":
            self.under_way.discard(reply["frame_id"])
            self.window = reply["window"]
        elif reply["type"] == "frame_eof":
            self.end = reply
        else:
            print(text, file=sys.stderr)
        self.changed.set()

    def on_result(self, text):
        print(text)
        self.results += 1
        self.changed.set()

    async def wait_until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    def is_open(self):
        return self.frames.readyState == self.inference.readyState == "open"

    def is_done(self):
        return self.end is not None and self.results >= self.end["results"]

    async def send(self, frame_id, jpeg):
        await self.wait_until(lambda: len(self.under_way) < self.window)
        self.under_way.add(frame_id)
        pieces = [jpeg[at : at + CHUNK_BYTES] for at in range(0, len(jpeg), CHUNK_BYTES)]
        for index, piece in enumerate(pieces):
            chunk = {
                "type": "frame_chunk",
                "frame_id": frame_id,
                "chunk_index": index,
                "total_chunks": len(pieces),
                "data": base64.b64encode(piece).decode(),
            }
            if index == 0:
                chunk |= {"pts": 3600 * frame_id, "time_base": "1/90000", "encoding": "jpeg"}
            self.frames.send(json.dumps(chunk))


def post(url, offer):
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"})
    # Without whatever proxy the environment names: the worker is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        return response.read().decode()


async def run(worker, files):
    connection = RTCPeerConnection()
    client = Client(connection)
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if "a=candidate" not in offer:
        print("this machine has no address but loopback, which aiortc does not use", file=sys.stderr)
        return NO_ADDRESS
    answer = await asyncio.to_thread(post, f"{worker}/whip/frames", offer)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await client.wait_until(client.is_open)
    for frame_id, file in enumerate(files):
        await client.send(frame_id, file.read_bytes())
    client.frames.send(json.dumps({"type": "frame_eof", "total_frames": len(files)}))
    await client.wait_until(client.is_done)
    await connection.close()
    print(json.dumps(client.end))
    return 0 if client.end["results"] == len(files) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("worker")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    files = sorted(arguments.folder.glob("*.jpg"))
    sys.exit(asyncio.run(asyncio.wait_for(run(arguments.worker, files), timeout=100)))


if __name__ == "__main__":
    main()
