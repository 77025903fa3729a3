"""The page in a real browser: needs Debian's `chromium` and `chromium-driver`, and selenium."""

import json
import shutil
import time

import pytest

from mnemoscope.report import write_charts, write_report

from .example_audit import edge_audit, full_audit
from .test_page import HOSTILE

selenium = pytest.importorskip("selenium", reason="selenium is not installed (pip)")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no chromium here: apt-get install chromium chromium-driver",
    ),
]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, LAPTOP = 390, 1280


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def opened(browser, path, width, *, dark=False):
    """Opens a page, waits for its charts; returns what it requested and complained of."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(path.as_uri())
    patience = time.monotonic() + 60
    ready = "return document.documentElement.dataset.charts === 'drawn'"
    while not browser.execute_script(ready):
        assert time.monotonic() < patience, browser.get_log("browser")
        time.sleep(0.05)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    return requests, browser.get_log("browser")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return write_report(full_audit(30, 6), tmp_path_factory.mktemp("page") / "page.html")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_the_page_opens_with_no_network(browser, full, width, dark):
    requests, complaints = opened(browser, full, width, dark=dark)
    assert complaints == []
    assert full.as_uri() in requests
    assert {url.split(":")[0] for url in requests} <= {"file", "data", "blob"}
    assert [url for url in requests if url.startswith("file:")] == [full.as_uri()]


def test_no_table_is_cut_on_a_laptop(browser, full):
    opened(browser, full, LAPTOP)
    cut = "[...document.querySelectorAll('.wide')].filter(t => t.scrollWidth > t.clientWidth)"
    assert browser.execute_script(f"return {cut}.map(t => t.ariaLabel)") == []


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_all_pictures_and_charts_are_seen(browser, full, width):
    opened(browser, full, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    pictures = browser.execute_script(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.checkVisibility(),"
        "  i.getBoundingClientRect().width, i.getBoundingClientRect().height])"
    )
    assert len(pictures) > 200
    for complete, natural, visible, wide, high in pictures:
        assert complete
        assert natural > 0
        assert visible
        assert wide > 15
        assert high > 15
    charts = browser.execute_script(
        "return [...document.querySelectorAll('[data-chart]')].map(f => {"
        "  const r = f.querySelector('svg.marks, canvas.marks')?.getBoundingClientRect();"
        "  return [f.dataset.chart, r?.width ?? 0, r?.height ?? 0, r?.right ?? 1e9] })"
    )
    assert len(charts) == 4 + 7
    for name, wide, high, right in charts:
        assert wide > 120, name
        assert high > 80, name
        assert right <= width, name


def test_a_phone_never_scrolls_sideways(browser, full):
    opened(browser, full, PHONE)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE


def test_dark_and_light_differ_and_text_is_readable(browser, full):
    grounds = []
    for dark in (False, True):
        opened(browser, full, LAPTOP, dark=dark)
        ground, ink = browser.execute_script(
            "const label = document.querySelector('[data-chart=basins] svg text');"
            "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(label).fill]"
        )
        grounds.append(ground)
        levels = [[int(v) for v in c.split("(")[1].split(")")[0].split(",")[:3]]
                  for c in (ground, ink)]  # fmt: skip
        assert abs(sum(levels[0]) - sum(levels[1])) > 400
    assert grounds[0] != grounds[1]


def test_the_edge_of_everything_opens(browser, tmp_path):
    path = write_report(edge_audit(), tmp_path / "page.html")
    requests, complaints = opened(browser, path, PHONE)
    assert complaints == []
    assert requests == [path.as_uri()] or {u.split(":")[0] for u in requests} <= {"file", "data"}
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE


def test_hostile_strings_do_not_run(browser, tmp_path):
    audit = full_audit(6)
    audit = audit.with_summary(name=HOSTILE)
    audit.provenance.update(command=HOSTILE)
    path = write_report(audit, tmp_path / "page.html")
    _, complaints = opened(browser, path, LAPTOP)
    assert complaints == []
    running = browser.execute_script("return document.querySelector('.running').textContent")
    assert HOSTILE in running


def test_an_injected_script_would_be_refused(browser, full, tmp_path):
    text = full.read_text().replace("<main>", "<main><script>window.injected = 1</script>")
    path = tmp_path / "page.html"
    path.write_text(text)
    _, complaints = opened(browser, path, LAPTOP)
    assert browser.execute_script("return window.injected") is None
    assert any("Content Security Policy" in entry["message"] for entry in complaints)


def test_charts_alone_open_with_no_network(browser, tmp_path):
    for path in write_charts(full_audit(), tmp_path, format="html"):
        requests, complaints = opened(browser, path, PHONE)
        assert complaints == []
        assert {url.split(":")[0] for url in requests} <= {"file", "data", "blob"}
        assert browser.execute_script("return !!document.querySelector('svg.marks')")
