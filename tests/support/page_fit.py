"""What of a dashboard's page does not fit its window: charts that overlap or are cut, and texts that are too small."""

from contextlib import suppress
from typing import Any

from playwright.sync_api import Page, TimeoutError

from support.browser import SECONDS

SMALLEST = 12  # pixels
# Charts are drawn on canvases, which do not know their texts: each canvas notes those that are drawn until it is wiped.
NOTE_TEXTS = """(() => {
    const prototype = CanvasRenderingContext2D.prototype;
    const { fillText, clearRect } = prototype;
    prototype.fillText = function (text, x, y, ...rest) {
        const about = this.measureText(text), to = this.getTransform();
        const corners = [[-about.actualBoundingBoxLeft, -about.actualBoundingBoxAscent],
            [about.actualBoundingBoxRight, about.actualBoundingBoxDescent]]
            .map(([right, down]) => to.transformPoint({ x: x + right, y: y + down }));
        const outside = corners.some(({ x, y }) => x < -1 || y < -1 || x > this.canvas.width + 1
            || y > this.canvas.height + 1);
        (this.canvas.texts ??= []).push({ text, outside, size: parseFloat(this.font.match(/([0-9.]+)px/)[1]) });
        return fillText.call(this, text, x, y, ...rest);
    };
    prototype.clearRect = function (...area) {
        this.canvas.texts = [];
        return clearRect.apply(this, area);
    };
})()"""
MISFITS = """smallest => {
    const holders = [...document.querySelectorAll('[data-test="dashboard-component-chart-holder"]')];
    const name = element => element.closest('[data-test-chart-name]')?.getAttribute('data-test-chart-name')
        ?? element.querySelector('[data-test-chart-name]')?.getAttribute('data-test-chart-name')
        ?? element.textContent.trim().slice(0, 60);
    const within = (inner, outer) => {
        const [a, b] = [inner.getBoundingClientRect(), outer.getBoundingClientRect()];
        return a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
    };
    const overlap = (one, other) => {
        const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
        return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const small = new Set();
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const isShown = texts.currentNode.textContent.trim() && element.checkVisibility({ visibilityProperty: true })
            && !element.closest('script, style, noscript, [aria-hidden="true"]');
        const size = parseFloat(getComputedStyle(element).fontSize);
        if (isShown && size > 0 && size < smallest) small.add(texts.currentNode.textContent.trim());
    }
    const drawn = holders.flatMap(holder => [...holder.querySelectorAll('canvas')])
        .flatMap(canvas => (canvas.texts ?? []).map(text => ({ ...text, chart: name(canvas) })));
    return {
        'wider than the window': document.scrollingElement.scrollWidth > innerWidth
            ? [`${document.scrollingElement.scrollWidth} pixels`] : [],
        'overlap': holders.flatMap((one, index) => holders.slice(index + 1).filter(other => overlap(one, other))
            .map(other => `${name(one)} and ${name(other)}`)),
        'outside its box': holders.flatMap(holder => [...holder.querySelectorAll('canvas, .slice_container')]
            .filter(inner => !within(inner, holder)).map(name)),
        'small': [...small, ...drawn.filter(({ size }) => size < smallest).map(({ text }) => text)],
        'cut': drawn.filter(({ outside }) => outside).map(({ chart, text }) => `${text} on ${chart}`),
        'drawn': drawn.length,
    };
}"""


def note_texts(page: Page) -> None:
    """Makes the pages opened from now on note the texts of charts."""
    page.add_init_script(NOTE_TEXTS)


def misfits(page: Page) -> dict[str, list[str]]:
    """What does not fit, by kind; without the kinds of which there is nothing."""
    found: dict[str, Any] = page.evaluate(MISFITS, SMALLEST)
    assert found.pop("drawn") > 0
    return {kind: sorted(texts) for kind, texts in found.items() if texts}


def settled(page: Page) -> dict[str, list[str]]:
    """The same once the charts are drawn again for a narrower window; until then they are wider than their boxes."""
    fits = f"smallest => Object.values(({MISFITS})(smallest)).every(texts => !texts.length)"
    with suppress(TimeoutError):
        page.wait_for_function(fits, arg=SMALLEST, polling=200, timeout=SECONDS * 1000)
    return misfits(page)
