#!/usr/bin/env python3
"""The page at / in a headless Chromium: chatting by keyboard, stopping, a phone's width, dark mode.

usage: tests/page/page_test.py MODEL [--octet build/release/octet] [--pictures FOLDER]
Needs Debian's chromium-driver. The pictures are to be looked at.
"""

import base64
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from served import Served  # noqa: E402

PORT = 9515
ENTER, ESCAPE = "\ue007", "\ue00c"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """A session of WebDriver, whose protocol is JSON over HTTP."""

    def __init__(self, arguments):
        self.driver = subprocess.Popen(["chromedriver", f"--port={PORT}"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = ""
        capabilities = {"alwaysMatch": {"goog:chromeOptions": {"args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", *arguments]}}}
        self.session = "/" + self.until(
            lambda: self.call("POST", "", capabilities=capabilities)["sessionId"])

    def call(self, method, path, **fields):
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}/session{self.session}{path}",
                                         method=method, data=json.dumps(fields).encode()
                                         if method == "POST" else None)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]

    @staticmethod
    def until(condition, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if value := condition():
                    return value
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise SystemExit("page_test: waited in vain")
            time.sleep(0.05)

    def run(self, script):
        return self.call("POST", "/execute/sync", script=script, args=[])

    def type(self, text):
        """To whatever has the focus."""
        element = self.call("GET", "/element/active")[ELEMENT]
        self.call("POST", f"/element/{element}/value", text=text)

    def picture(self, path, width, height, dark):
        self.call("POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride",
                  params={"width": width, "height": height, "deviceScaleFactor": 1,
                          "mobile": width < 500})
        self.call("POST", "/goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params={
            "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        time.sleep(0.3)
        too_wide = self.run("return document.documentElement.scrollWidth > innerWidth")
        assert not too_wide, f"the page is wider than {width} pixels"
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        self.call("DELETE", "")
        self.driver.terminate()
        self.driver.wait()


def text_of(browser, selector):
    return browser.run(f"return [...document.querySelectorAll('{selector}')]"
                       ".map(box => box.textContent)")


def chat(browser, pictures):
    browser.until(lambda: "context" in text_of(browser, "#model")[0])
    assert "in 16 bits" in text_of(browser, "#cost")[0]
    browser.picture(pictures / "empty.png", 1000, 700, dark=False)
    browser.run("document.getElementById('temperature').value = 0")
    browser.type("What is the capital of France?" + ENTER)
    working = "return document.querySelector('.working') === null"
    browser.until(lambda: browser.run(working))
    first, = text_of(browser, ".assistant")
    assert first, "no answer"
    assert "tokens/s" in text_of(browser, "#speed")[0]
    browser.type("Write a long story about a dragon." + ENTER)
    browser.until(lambda: len(text_of(browser, ".assistant")[-1]) > 20)
    browser.picture(pictures / "running.png", 1000, 700, dark=True)
    assert not browser.run(working), "the answer has ended before it could be stopped"
    browser.type(ESCAPE)
    browser.until(lambda: browser.run(working))
    stopped = text_of(browser, ".assistant")[-1]
    time.sleep(0.5)
    assert text_of(browser, ".assistant")[-1] == stopped, "Escape does not stop the answer"
    browser.picture(pictures / "phone.png", 390, 780, dark=False)
    browser.picture(pictures / "phone-dark.png", 390, 780, dark=True)
    assert text_of(browser, ".error") == []
    return first


def keys(browser, server):
    """Without the key the page asks for it."""
    browser.call("POST", "/url", url=f"http://127.0.0.1:{server.port}/")
    browser.until(lambda: "API key" in text_of(browser, "#model")[0])
    browser.run("document.getElementById('key').focus()")
    browser.type("secret" + "\ue004")
    browser.until(lambda: "context" in text_of(browser, "#model")[0])


def main():
    arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    pictures = pathlib.Path(arguments.get("--pictures", "."))
    pictures.mkdir(parents=True, exist_ok=True)
    model = sys.argv[1]
    # One thread: the browser needs some of the machine too.
    server = Served(model, "--threads", 1).wait_until_ready()
    browser = Browser(["--window-size=1000,700"])
    try:
        browser.call("POST", "/url", url=f"http://127.0.0.1:{server.port}/")
        print(f"page_test: answered {chat(browser, pictures)!r}")
        locked = Served(model, "--api-key", "secret")
        try:
            keys(browser, locked)
        finally:
            locked.stop()
    finally:
        browser.close()
        server.stop()
    print(f"page_test: passed; pictures in {pictures.resolve()}")


if __name__ == "__main__":
    main()
