#!/usr/bin/python3
"""Asks a server what is in pictures, and comes back later when it has too much to do.

    classify.py http://127.0.0.1:8080 photo.jpg...
"""
import json
import sys
import time
import urllib.error
import urllib.request


def classify(server, picture, key=None, attempts=10):
    """The likeliest class of the picture's bytes and its probability."""
    headers = {"Content-Type": "application/octet-stream"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{server}/predict?top=1", picture, headers)
    for attempt in range(attempts):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                [best] = json.load(answer)[0]["predictions"]
                return best["label"] or f"class {best['index']}", best["probability"]
        except urllib.error.HTTPError as error:
            if error.code != 503 or attempt + 1 == attempts:
                raise SystemExit(json.load(error)["error"]) from None
            time.sleep(float(error.headers.get("Retry-After", 1)) * 1.5 ** attempt)


if __name__ == "__main__":
    for path in sys.argv[2:]:
        with open(path, "rb") as file:
            label, probability = classify(sys.argv[1], file.read())
        print(f"{path}: {label}, {100 * probability:.0f} %")
