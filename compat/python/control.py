"""What every client says to the runner: see session.go."""

import json
import os
import traceback
import urllib.request

CONTROL = os.environ["COMPAT_CONTROL"]


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(CONTROL + path, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def version(text):
    ask("/version", {"detail": text})


def feature(name, do):
    """Runs do, which returns whether all is as it should be, or raises."""
    ask("/begin", {"check": name})
    try:
        got = do()
        ask("/end", {"check": name, "ok": got is True, "detail": repr(got)[:500]})
    except Exception:
        ask("/end", {"check": name, "ok": False, "detail": traceback.format_exc()[-1500:]})


def errors(call, describe):
    """Runs every scenario; describe returns status and code of what was raised."""
    for name in ask("/errors"):
        scenario = ask("/begin", {"check": name})
        said = {"check": name}
        try:
            call(scenario)
            said["ok"] = True
        except Exception as e:
            status, code = describe(e)
            said |= {"class": type(e).__name__, "status": status or 0, "code": code or "", "message": str(e)[:500]}
        ask("/end", said)
