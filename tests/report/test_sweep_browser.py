"""The page of a sweep in a real browser: what it fetches, how it fits, where a click leads."""

import time

import pytest

from mnemoscope.report.sweep import write_sweep_page

from .example_sweep import FACTORS, QUANTITIES, axes, sweep_rows
from .test_browser import LAPTOP, PHONE, browser, opened, pytestmark  # noqa: F401


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "sweep.html"
    about = {"name": "a sweep", "about": "", "provenance": {}}
    return write_sweep_page(sweep_rows().lazy(), path, axes=axes(*FACTORS), quantities=QUANTITIES,
                            about=about, planned=2000)  # fmt: skip


@pytest.mark.parametrize(("width", "dark"), [(LAPTOP, False), (PHONE, True)])
def test_the_page_opens_with_no_network_and_fits(browser, full, width, dark):  # noqa: F811
    requests, complaints = opened(browser, full, width, dark=dark)
    assert complaints == []
    assert {url.split(":")[0] for url in requests} <= {"file", "data", "blob"}
    assert [url for url in requests if url.startswith("file:")] == [full.as_uri()]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('[data-chart]')].map(f => {"
        "  const r = f.querySelector('svg.marks').getBoundingClientRect();"
        "  return [f.dataset.chart, r.width, r.height] })"
    )
    for name, wide, high in sizes:
        assert wide > 120, name
        assert high > 80, name


@pytest.mark.parametrize(
    "marks",
    [
        "[data-chart=what-happens] .mark-rect.role-mark path",
        "[data-chart=stored-depth-n] .mark-text.role-mark text",
        "[data-chart=curve-n-by-depth] .mark-symbol.role-mark path",
        "[data-chart=what-happens-panels] .mark-rect.role-mark path",
    ],
)
def test_a_click_on_a_mark_shows_its_run_in_the_same_page(browser, full, marks):  # noqa: F811
    from selenium.webdriver.common.action_chains import ActionChains

    opened(browser, full, LAPTOP)
    mark = browser.find_element("css selector", marks)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(browser).move_to_element(mark).click().perform()
    patience = time.monotonic() + 10
    while "#run-" not in browser.current_url:
        assert time.monotonic() < patience, browser.current_url
        time.sleep(0.05)
    assert browser.current_url.startswith(full.as_uri() + "#run-")
    assert len(browser.window_handles) == 1
    shown = "return document.querySelector('tr:target').getBoundingClientRect().top"
    assert 0 <= browser.execute_script(shown) < 900
