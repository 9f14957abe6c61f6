# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A bare HTTP client: the most that this machine's Python sends, without a database.

Each line of the input says port, path, threads and seconds, or how many requests; each
line of the output how many were answered in how many seconds.
"""

import http.client
import json
import sys
import threading
import time
import uuid


def run(port, threads, seconds=None, count=None):
    """Post one message a request on some threads; return (answers, seconds)."""
    start = time.perf_counter()
    end = start + (seconds or 3600)
    left = [count or 10**9]
    done = []

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        answers = 0
        while time.perf_counter() < end and left[0] > 0:
            left[0] -= 1
            text_id = uuid.uuid4().hex
            body = json.dumps(
                {
                    "messages": [
                        {
                            "id": text_id,
                            "to": "+12025550100",
                            "text": "Bench 1",
                            "from": "",
                        }
                    ]
                }
            )
            connection.request(
                "POST", "/send", body, {"Content-Type": "application/json"}
            )
            json.loads(connection.getresponse().read())
            answers += 1
        connection.close()
        done.append(answers)

    pool = [threading.Thread(target=work) for _n in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return sum(done), time.perf_counter() - start


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
