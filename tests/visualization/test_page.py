"""The page in a browser, as a reader uses it."""

import io
import re
import time

import numpy as np
import pytest

from keras_attention import attention_page
from tests.visualization import browser, tiny_maps

NAMES = [f"decoder/block_{i}/cross_attention" for i in range(2)]


@pytest.fixture(scope="module")
def driver():
    found = browser.start()
    yield found
    found.quit()


@pytest.fixture
def maps(rng):
    return tiny_maps.make(rng, batch_size=2)


@pytest.fixture
def page(driver, maps, tmp_path):
    attention_page(maps, tmp_path / "page.html", title="A <title>")
    opened = browser.Page(driver, tmp_path / "page.html")
    opened.emulate()
    yield opened
    assert opened.complaints() == []


def shown(page, side="keys"):
    """The numbers at the strongest tokens, by their places."""
    return {
        int(token.get_attribute("data-token")): float(
            token.get_attribute("data-weight")
        )
        for token in page.all(f"#{side} .strong")
    }


def expected(weights):
    return {i: pytest.approx(w, abs=0.006) for i, w in enumerate(weights)}


def picture(page):
    from PIL import Image

    data = page.driver.get_screenshot_as_png()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), "int32")


def test_hovering_a_query_shows_where_it_looks(page, maps):
    for query in (3, 1):
        page.hover(page.token("queries", query))
        weights = maps[NAMES[0]][0, 0, query]
        assert shown(page) == expected(weights)
        strongest = int(weights.argmax())
        colours = [
            page.token("keys", i).value_of_css_property("background-color")
            for i in range(4)
        ]
        alphas = [float(re.findall(r"[\d.]+", c)[3]) for c in colours]
        near = np.array(alphas) / max(alphas)
        np.testing.assert_allclose(near, weights / weights.max(), atol=0.02)
        assert f"{weights[strongest]:.3f}" in page.status()
        assert page.status().startswith(f"q{query} looks at")
        shares = weights[weights > 0]
        bits = -(shares * np.log2(shares)).sum()
        found = float(re.search(r"entropy ([\d.]+)", page.status())[1])
        assert found == pytest.approx(bits, abs=0.01)


def test_hovering_a_key_shows_who_looks_at_it(page, maps):
    page.hover(page.token("keys", 2))
    assert shown(page, "queries") == expected(maps[NAMES[0]][0, 0, :, 2])
    assert "is looked at by" in page.status()
    assert page.find("#direction").get_attribute("aria-pressed") == "true"
    page.find("#direction").click()
    assert "looks at" in page.status()
    assert shown(page) == expected(maps[NAMES[0]][0, 0, 2])


def test_a_click_changes_the_head(page, maps):
    page.find("#heads [data-head='2']").click()
    page.wait("0 0 2")
    page.hover(page.token("queries", 0))
    assert shown(page) == expected(maps[NAMES[0]][0, 2, 0])
    page.find("#heads [data-head='mean']").click()
    page.wait("0 0 mean")
    assert shown(page) == expected(maps[NAMES[0]][0].mean(axis=0)[0])
    chosen = page.all("#heads [aria-checked='true']")
    assert [button.text for button in chosen] == ["Mean"]


def test_the_overview_chooses_layer_and_head(page, maps):
    cells = page.all("#overview button")
    assert len(cells) == 6
    assert "entropy" in cells[4].get_attribute("aria-label")
    cells[4].click()
    page.wait("0 1 1")
    page.hover(page.token("queries", 2))
    assert shown(page) == expected(maps[NAMES[1]][0, 1, 2])
    assert cells[4].get_attribute("aria-pressed") == "true"


def test_another_row_and_layer_by_their_lists(page, maps):
    from selenium.webdriver.support.ui import Select

    Select(page.find("#row")).select_by_index(1)
    page.wait("1 0 0")
    Select(page.find("#layer")).select_by_visible_text(NAMES[1])
    page.wait("1 1 0")
    page.hover(page.token("queries", 4))
    assert shown(page) == expected(maps[NAMES[1]][1, 0, 4])


def test_a_row_of_padding_alone_has_nothing_to_show(driver, maps, tmp_path):
    from selenium.webdriver.support.ui import Select

    for name in NAMES:
        maps.query_masks[name] = np.array([[True] * 5, [False] * 5])
        maps.key_masks[name] = np.array([[True] * 4, [False] * 4])
    attention_page(maps, tmp_path / "page.html")
    page = browser.Page(driver, tmp_path / "page.html")
    page.emulate()
    Select(page.find("#row")).select_by_index(1)
    page.wait("1 0 0")
    assert page.all("#keys [data-token]") == []
    page.hover(page.find("#matrix"))
    assert page.complaints() == []


def test_numbers_below_narrow_tokens_do_not_overlap(driver, maps, tmp_path):
    for name in NAMES:
        maps.key_tokens[name] = [list("iiii")] * 2
        maps[name][:] = [0.3, 0.3, 0.2, 0.2]
    attention_page(maps, tmp_path / "page.html")
    page = browser.Page(driver, tmp_path / "page.html")
    page.emulate()
    page.hover(page.token("queries", 1))
    widths = page.run(
        """const found = document.querySelectorAll("#keys .strong");
        return [...found].map((token) => {
          const number = getComputedStyle(token, "::after").width;
          return [token.getBoundingClientRect().width, parseFloat(number)];
        })"""
    )
    assert len(widths) == 4
    room, number = np.transpose(widths)
    np.testing.assert_array_less(number, room + 0.5)


def test_the_keyboard_reaches_everything(page, maps):
    from selenium.webdriver.common.keys import Keys

    def focused(attribute):
        return page.run(
            "return document.activeElement.getAttribute(arguments[0])",
            attribute,
        )

    page.find("#direction").click()
    page.find("#direction").click()
    page.press(Keys.TAB)
    assert focused("data-head") == "0"
    page.press(Keys.ARROW_RIGHT)
    page.wait("0 0 1")
    assert focused("data-head") == "1"
    page.press(Keys.ARROW_DOWN)
    page.wait("0 1 1")
    assert focused("data-head") == "1"
    assert page.run(
        "return getComputedStyle(document.activeElement).outlineStyle"
    ) not in ("none", "")
    page.press(Keys.TAB)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert focused("data-token") == "2"
    assert shown(page) == expected(maps[NAMES[1]][0, 1, 2])
    page.press(Keys.END)
    assert shown(page) == expected(maps[NAMES[1]][0, 1, 4])
    page.press(Keys.TAB)
    assert focused("data-token") == "0"  # among the keys
    assert shown(page, "queries") == expected(maps[NAMES[1]][0, 1, :, 0])
    page.press("d")
    assert page.find("#direction").get_attribute("aria-pressed") == "false"


def test_tokens_are_text_and_nothing_else(page):
    assert page.token("keys", 1).text == tiny_maps.TRICKY
    assert page.token("keys", 0).text == "Größe"
    assert page.all("#broken") == []
    assert page.driver.title == page.find("h1").text == "A <title>"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_a_screenshot_is_not_blank(page, scheme, width):
    page.emulate(width, 800, scheme)
    found = picture(page)
    paper = found[-2, 2]
    assert paper.mean() > 240 if scheme == "light" else paper.mean() < 40
    different = np.abs(found - paper).sum(axis=-1) > 60
    assert different.mean() > 0.01
    # Nothing stands out of a narrow screen.
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_a_tap_shows_weights_on_a_phone(page, maps):
    page.emulate(360, 740)
    page.run("arguments[0].scrollIntoView()", page.token("queries", 3))
    page.token("queries", 3).click()
    assert shown(page) == expected(maps[NAMES[0]][0, 0, 3])


def test_the_matrix_shows_the_weights(page, maps):
    pixels = page.run(
        "const canvas = document.getElementById('matrix');"
        "const image = canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height);"
        "return [canvas.width, canvas.height, ...image.data]"
    )
    width, height, *data = pixels
    image = np.array(data).reshape(height, width, 4)
    cell = height // 5
    assert (width, height) == (4 * cell, 5 * cell)
    alphas = image[cell // 2 :: cell, cell // 2 :: cell, 3] / 255
    weights = maps[NAMES[0]][0, 0]
    np.testing.assert_allclose(alphas, weights / weights.max(), atol=0.02)


@pytest.mark.full
def test_hundreds_of_tokens_stay_quick(driver, rng, tmp_path):
    maps = tiny_maps.make(rng, (401, 397), heads=8, layers=2)
    path = tmp_path / "long.html"
    attention_page(maps, path)
    assert path.stat().st_size < 9 * 2**20
    began = time.perf_counter()
    page = browser.Page(driver, path)
    assert time.perf_counter() - began < 20
    spent = page.run(
        "const began = performance.now();"
        "for (let i = 0; i < 20; i++) chooseToken('queries', i + 1);"
        "return (performance.now() - began) / 20"
    )
    assert spent < 200  # milliseconds for a token, on a busy machine
    page.find("#heads [data-head='5']").click()
    page.wait("0 0 5")
    page.hover(page.token("queries", 7))
    assert max(shown(page).values()) == pytest.approx(
        maps[NAMES[0]][0, 5, 7].max(), abs=0.006
    )


def test_one_row_negative_weights_and_what_was_skipped(driver, rng, tmp_path):
    maps = tiny_maps.make(rng, batch_size=2)
    maps[NAMES[0]][1, 0, 2] = [-0.5, 0.25, 0, 0.0625]
    maps.skipped["encoder/block_0/attention"] = "FourierMixing has none."
    attention_page(maps, tmp_path / "page.html", row=1)
    page = browser.Page(driver, tmp_path / "page.html")
    page.emulate()
    assert not page.find("#row").is_displayed()
    assert "FourierMixing has none." in page.find("#skipped").text
    page.hover(page.token("queries", 2))
    assert shown(page) == {0: -0.5, 1: 0.25, 3: 0.06}
    negative = page.token("keys", 0).value_of_css_property("background-color")
    assert negative.startswith("rgba(202, 80, 16")
    assert page.complaints() == []


def test_the_file_asks_nothing_of_a_network(maps, tmp_path):
    attention_page(maps, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "http:" not in text and "https:" not in text
    assert "<link" not in text and "src=" not in text
    assert text.count("</script>") == 2  # the data and the program
    with pytest.raises(ValueError, match="row must be"):
        attention_page(maps, tmp_path / "page.html", row=2)
