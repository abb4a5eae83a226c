"""A headless Chromium, or a reason why there is none."""

import shutil

import pytest


def options():
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="it drives the browser"
    )
    made = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",  # which root has no use of
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
    ):
        made.add_argument(argument)
    made.binary_location = shutil.which("chromium") or ""
    # What the page complains about, requests that it makes among it.
    made.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return made


def start():
    """Starts a browser; skips the test where there is none."""
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        pytest.skip("needs chromium and its driver (chromium-driver)")
    made = options()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    return webdriver.Chrome(options=made, service=Service(driver))


class Page:
    """The page as its reader finds it.

    Args:
        driver: the browser.
        path: the HTML file.
    """

    def __init__(self, driver, path):
        self.driver = driver
        driver.get(path.as_uri())
        self.wait()

    def wait(self, ready=None):
        """Waits until row, layer and head are these, or any are shown."""
        from selenium.webdriver.support.ui import WebDriverWait

        def shown(driver):
            found = driver.execute_script("return document.body.dataset.ready")
            return found is not None and ready in (None, found)

        WebDriverWait(self.driver, 20, 0.02).until(shown)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def token(self, side, index):
        return self.find(f"#{side} [data-token='{index}']")

    def hover(self, element):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).move_to_element(element).perform()

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def status(self):
        return self.find("#status").text

    def emulate(self, width=1200, height=900, scheme="light"):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": width < 600,
            },
        )
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )

    def complaints(self):
        return self.driver.get_log("browser")
